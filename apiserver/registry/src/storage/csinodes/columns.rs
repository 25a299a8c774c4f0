//! Table columns of csinodes.

use crate::columns::{Column, Row, age_of, cells};
use api_types::storage::v1::CSINode;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text("Drivers", "Drivers indicates the number of CSI drivers registered on the node")
        .of("integer"),
    Column::AGE,
];

/// A node's drivers as a row.
pub fn row(node: &CSINode, now: jiff::Timestamp) -> Row {
    cells![node.metadata.name.as_str(), node.spec.drivers.len(), age_of(&node.metadata, now)]
}
