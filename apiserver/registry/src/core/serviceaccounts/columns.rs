//! Table columns of serviceaccounts.

use crate::columns::{Column, Row, age_of, cells};
use api_types::core::v1::ServiceAccount;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[Column::NAME, Column::AGE];

/// A service account as a row.
pub fn row(account: &ServiceAccount, now: jiff::Timestamp) -> Row {
    cells![account.metadata.name.as_str(), age_of(&account.metadata, now)]
}
