//! Table columns of volumeattributesclasses.

use crate::columns::{Column, Row, age_of, cells};
use api_types::storage::v1::VolumeAttributesClass;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("DriverName", "k8s.io.api.storage.v1.VolumeAttributesClass", "driverName"),
    Column::AGE,
];

/// A volume attributes class as a row.
pub fn row(class: &VolumeAttributesClass, now: jiff::Timestamp) -> Row {
    cells![class.metadata.name.as_str(), class.driver_name.as_str(), age_of(&class.metadata, now)]
}
