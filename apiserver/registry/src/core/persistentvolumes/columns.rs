//! Table columns of persistentvolumes.

use crate::columns::{Column, Row, access_modes, age_of, cells};
use api_types::core::v1::PersistentVolume;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Capacity", "k8s.io.api.core.v1.PersistentVolumeSpec", "capacity"),
    Column::field("Access Modes", "k8s.io.api.core.v1.PersistentVolumeSpec", "accessModes"),
    Column::field(
        "Reclaim Policy",
        "k8s.io.api.core.v1.PersistentVolumeSpec",
        "persistentVolumeReclaimPolicy",
    ),
    Column::field("Status", "k8s.io.api.core.v1.PersistentVolumeStatus", "phase"),
    Column::field("Claim", "k8s.io.api.core.v1.PersistentVolumeSpec", "claimRef"),
    Column::text("StorageClass", "StorageClass of the pv"),
    Column::text("VolumeAttributesClass", "VolumeAttributesClass of the pv"),
    Column::field("Reason", "k8s.io.api.core.v1.PersistentVolumeStatus", "reason"),
    Column::AGE,
    Column::field("VolumeMode", "k8s.io.api.core.v1.PersistentVolumeSpec", "volumeMode").wide(),
];

/// A volume as a row.
pub fn row(volume: &PersistentVolume, now: jiff::Timestamp) -> Row {
    let spec = &volume.spec;
    let phase =
        if volume.metadata.deletion_timestamp.is_some() { "Terminating" } else { &volume.status.phase };
    cells![
        volume.metadata.name.as_str(),
        spec.capacity.get("storage").map_or_else(|| "0".to_owned(), |quantity| quantity.to_string()),
        access_modes(&spec.access_modes),
        spec.persistent_volume_reclaim_policy.as_str(),
        phase,
        spec.claim_ref
            .as_ref()
            .map(|claim| format!("{}/{}", claim.namespace, claim.name))
            .unwrap_or_default(),
        volume
            .metadata
            .annotations
            .get("volume.beta.kubernetes.io/storage-class")
            .unwrap_or(&spec.storage_class_name)
            .as_str(),
        spec.volume_attributes_class_name.as_deref().unwrap_or("<unset>"),
        volume.status.reason.as_str(),
        age_of(&volume.metadata, now),
        spec.volume_mode.as_deref().unwrap_or("<unset>"),
    ]
}
