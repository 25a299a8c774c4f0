//! Table columns of csidrivers.

use crate::columns::{Column, Row, age_of, cells, or};
use api_types::storage::v1::CSIDriver;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("AttachRequired", "k8s.io.api.storage.v1.CSIDriverSpec", "attachRequired").of("boolean"),
    Column::field("PodInfoOnMount", "k8s.io.api.storage.v1.CSIDriverSpec", "podInfoOnMount").of("boolean"),
    Column::field("StorageCapacity", "k8s.io.api.storage.v1.CSIDriverSpec", "storageCapacity").of("boolean"),
    Column::field("TokenRequests", "k8s.io.api.storage.v1.CSIDriverSpec", "tokenRequests"),
    Column::field("RequiresRepublish", "k8s.io.api.storage.v1.CSIDriverSpec", "requiresRepublish")
        .of("boolean"),
    Column::field("Modes", "k8s.io.api.storage.v1.CSIDriverSpec", "volumeLifecycleModes"),
    Column::AGE,
];

/// A driver as a row.
pub fn row(driver: &CSIDriver, now: jiff::Timestamp) -> Row {
    let spec = &driver.spec;
    let audiences: Vec<&str> = spec.token_requests.iter().map(|request| request.audience.as_str()).collect();
    cells![
        driver.metadata.name.as_str(),
        spec.attach_required.unwrap_or(true),
        spec.pod_info_on_mount.unwrap_or(false),
        spec.storage_capacity.unwrap_or(false),
        if spec.token_requests.is_empty() { "<unset>".to_owned() } else { audiences.join(",") },
        spec.requires_republish.unwrap_or(false),
        or(&spec.volume_lifecycle_modes.join(","), "<none>"),
        age_of(&driver.metadata, now),
    ]
}
