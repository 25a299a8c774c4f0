//! Table columns of storageclasses.

use crate::columns::{Column, Row, age_of, cells};
use api_types::storage::v1::StorageClass;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Provisioner", "k8s.io.api.storage.v1.StorageClass", "provisioner"),
    Column::field("ReclaimPolicy", "k8s.io.api.storage.v1.StorageClass", "reclaimPolicy"),
    Column::field("VolumeBindingMode", "k8s.io.api.storage.v1.StorageClass", "volumeBindingMode"),
    Column::field("AllowVolumeExpansion", "k8s.io.api.storage.v1.StorageClass", "allowVolumeExpansion"),
    Column::AGE,
];

/// Annotations that mark the class for claims which name none.
const DEFAULT: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// A storage class as a row.
pub fn row(class: &StorageClass, now: jiff::Timestamp) -> Row {
    let default =
        DEFAULT.iter().any(|key| class.metadata.annotations.get(*key).is_some_and(|value| value == "true"));
    cells![
        format!("{}{}", class.metadata.name, if default { " (default)" } else { "" }),
        class.provisioner.as_str(),
        class.reclaim_policy.as_deref().unwrap_or("Delete"),
        class.volume_binding_mode.as_deref().unwrap_or("Immediate"),
        class.allow_volume_expansion.unwrap_or(false),
        age_of(&class.metadata, now),
    ]
}
