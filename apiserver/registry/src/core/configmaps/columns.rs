//! Table columns of configmaps.

use crate::columns::{Column, Row, age_of, cells};
use api_types::core::v1::ConfigMap;

/// Columns as clients see them.
pub const COLUMNS: &[Column] =
    &[Column::NAME, Column::field("Data", "k8s.io.api.core.v1.ConfigMap", "data"), Column::AGE];

/// A config map as a row.
pub fn row(config_map: &ConfigMap, now: jiff::Timestamp) -> Row {
    cells![
        config_map.metadata.name.as_str(),
        config_map.data.len() + config_map.binary_data.len(),
        age_of(&config_map.metadata, now)
    ]
}
