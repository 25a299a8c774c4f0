//! `subPath`: a part of a volume, bound where nobody can exchange it.

use std::path::{Path, PathBuf};

use api_types::core::v1::Pod;
use kubelet_core::ports::BindOptions;

use super::VolumeError;
use crate::context::Context;

/// Binds `sub_path` of a volume for one mount of one container; returns the path to give to the runtime.
pub async fn bind(
    context: &Context,
    pod: &Pod,
    container: &str,
    place: usize,
    volume_name: &str,
    volume: &Path,
    sub_path: &str,
) -> Result<PathBuf, VolumeError> {
    let target = context
        .pod_directory(&pod.metadata.uid)
        .join("volume-subpaths")
        .join(volume_name)
        .join(container)
        .join(place.to_string());
    let mounts = &context.ports.mounts;
    if mounts.is_mount_point(&target).await? {
        // Of the container before this one; what it shows may have been replaced meanwhile.
        mounts.unmount(&target).await?;
    }
    if let Some(parent) = target.parent() {
        tokio::fs::create_dir_all(parent).await.map_err(VolumeError::io("create directory", parent))?;
    }
    mounts
        .bind_beneath(volume, Path::new(sub_path), &target, BindOptions { readonly: false, recursive: false })
        .await?;
    Ok(target)
}
