//! Table columns of namespaces.

use crate::columns::{Column, Row, age_of, cells};
use api_types::core::v1::Namespace;

/// Columns as clients see them.
pub const COLUMNS: &[Column] =
    &[Column::NAME, Column::text("Status", "The status of the namespace"), Column::AGE];

/// A namespace as a row.
pub fn row(namespace: &Namespace, now: jiff::Timestamp) -> Row {
    cells![
        namespace.metadata.name.as_str(),
        namespace.status.phase.as_str(),
        age_of(&namespace.metadata, now)
    ]
}
