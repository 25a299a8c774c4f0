//! Table columns of volumeattachments.

use crate::columns::{Column, Row, age_of, cells};
use api_types::storage::v1::VolumeAttachment;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Attacher", "k8s.io.api.storage.v1.VolumeAttachmentSpec", "attacher").format("name"),
    Column::field("PV", "k8s.io.api.storage.v1.VolumeAttachmentSource", "persistentVolumeName"),
    Column::field("Node", "k8s.io.api.storage.v1.VolumeAttachmentSpec", "nodeName"),
    Column::field("Attached", "k8s.io.api.storage.v1.VolumeAttachmentStatus", "attached").of("boolean"),
    Column::AGE,
];

/// An attachment as a row.
pub fn row(attachment: &VolumeAttachment, now: jiff::Timestamp) -> Row {
    cells![
        attachment.metadata.name.as_str(),
        attachment.spec.attacher.as_str(),
        attachment.spec.source.persistent_volume_name.as_deref().unwrap_or_default(),
        attachment.spec.node_name.as_str(),
        attachment.status.attached,
        age_of(&attachment.metadata, now),
    ]
}
