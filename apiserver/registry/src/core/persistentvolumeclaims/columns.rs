//! Table columns of persistentvolumeclaims.

use crate::columns::{Column, Row, access_modes, age_of, cells};
use api_types::core::v1::PersistentVolumeClaim;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Status", "k8s.io.api.core.v1.PersistentVolumeClaimStatus", "phase"),
    Column::field("Volume", "k8s.io.api.core.v1.PersistentVolumeClaimSpec", "volumeName"),
    Column::field("Capacity", "k8s.io.api.core.v1.PersistentVolumeClaimStatus", "capacity"),
    Column::field("Access Modes", "k8s.io.api.core.v1.PersistentVolumeClaimStatus", "accessModes"),
    Column::text("StorageClass", "StorageClass of the pvc"),
    Column::text("VolumeAttributesClass", "VolumeAttributesClass of the pvc"),
    Column::AGE,
    Column::field("VolumeMode", "k8s.io.api.core.v1.PersistentVolumeClaimSpec", "volumeMode").wide(),
];

/// A claim as a row.
pub fn row(claim: &PersistentVolumeClaim, now: jiff::Timestamp) -> Row {
    let spec = &claim.spec;
    let phase = if claim.metadata.deletion_timestamp.is_some() { "Terminating" } else { &claim.status.phase };
    let bound = !spec.volume_name.is_empty();
    let capacity =
        claim.status.capacity.get("storage").map_or_else(|| "0".to_owned(), |quantity| quantity.to_string());
    let class = claim.metadata.annotations.get("volume.beta.kubernetes.io/storage-class").map(String::as_str);
    cells![
        claim.metadata.name.as_str(),
        phase,
        spec.volume_name.as_str(),
        if bound { capacity } else { String::new() },
        if bound { access_modes(&claim.status.access_modes) } else { String::new() },
        class.or(spec.storage_class_name.as_deref()).unwrap_or_default(),
        spec.volume_attributes_class_name.as_deref().unwrap_or("<unset>"),
        age_of(&claim.metadata, now),
        spec.volume_mode.as_deref().unwrap_or("<unset>"),
    ]
}
