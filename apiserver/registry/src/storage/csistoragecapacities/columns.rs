//! Table columns of csistoragecapacities.

use crate::columns::{Column, Row, cells};
use api_types::storage::v1::CSIStorageCapacity;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("StorageClassName", "k8s.io.api.storage.v1.CSIStorageCapacity", "storageClassName"),
    Column::field("Capacity", "k8s.io.api.storage.v1.CSIStorageCapacity", "capacity"),
];

/// A capacity as a row.
pub fn row(capacity: &CSIStorageCapacity, _now: jiff::Timestamp) -> Row {
    cells![
        capacity.metadata.name.as_str(),
        capacity.storage_class_name.as_str(),
        capacity.capacity.as_ref().map_or_else(|| "<unset>".to_owned(), |quantity| quantity.to_string()),
    ]
}
