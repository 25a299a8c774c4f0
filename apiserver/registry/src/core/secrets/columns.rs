//! Table columns of secrets.

use crate::columns::{Column, Row, age_of, cells};
use api_types::core::v1::Secret;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Type", "k8s.io.api.core.v1.Secret", "type"),
    Column::field("Data", "k8s.io.api.core.v1.Secret", "data"),
    Column::AGE,
];

/// A secret as a row.
pub fn row(secret: &Secret, now: jiff::Timestamp) -> Row {
    cells![
        secret.metadata.name.as_str(),
        secret.type_.as_str(),
        secret.data.len(),
        age_of(&secret.metadata, now)
    ]
}
