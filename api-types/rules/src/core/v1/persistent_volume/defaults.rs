//! Defaults of persistent volumes.

use crate::core::v1::resource_list::round_up_to_milli;
use api_types::core::v1::PersistentVolume;

fn or(field: &mut String, default: &str) {
    if field.is_empty() {
        *field = default.to_owned();
    }
}

/// Defaults of a volume.
pub fn set(volume: &mut PersistentVolume) {
    or(&mut volume.status.phase, "Pending");
    let spec = &mut volume.spec;
    or(&mut spec.persistent_volume_reclaim_policy, "Retain");
    spec.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
    round_up_to_milli(&mut spec.capacity);
    let source = &mut spec.persistent_volume_source;
    if let Some(host_path) = &mut source.host_path {
        host_path.type_.get_or_insert_default();
    }
    if let Some(rbd) = &mut source.rbd {
        or(&mut rbd.pool, "rbd");
        or(&mut rbd.user, "admin");
        or(&mut rbd.keyring, "/etc/ceph/keyring");
    }
    if let Some(iscsi) = &mut source.iscsi {
        or(&mut iscsi.iscsi_interface, "default");
    }
    if let Some(disk) = &mut source.azure_disk {
        disk.caching_mode.get_or_insert_with(|| "ReadWrite".to_owned());
        disk.fs_type.get_or_insert_with(|| "ext4".to_owned());
        disk.read_only.get_or_insert(false);
        disk.kind.get_or_insert_with(|| "Shared".to_owned());
    }
    if let Some(scale_io) = &mut source.scale_io {
        or(&mut scale_io.storage_mode, "ThinProvisioned");
        or(&mut scale_io.fs_type, "xfs");
    }
}
