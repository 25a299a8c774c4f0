//! emptyDir: a directory of the pod's own, on disk, in memory or in huge pages.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use api_types::core::v1::{EmptyDirVolumeSource, Pod};
use kubelet_core::ports::TmpfsOptions;
use machinery::Quantity;
use rules::core::v1::pod::resources;

use super::{Access, VolumeError, blocking, give_to_group, volume_directory};
use crate::context::Context;

/// Makes the directory; what is in it stays.
pub(super) async fn mount(
    context: &Arc<Context>,
    pod: &Pod,
    name: &str,
    source: &EmptyDirVolumeSource,
) -> Result<PathBuf, VolumeError> {
    let path = volume_directory(context, &pod.metadata.uid, "empty-dir", name);
    let made = {
        let path = path.clone();
        blocking(move || {
            let new = !path.is_dir();
            fs::create_dir_all(&path).map_err(VolumeError::io("create directory", &path))?;
            Ok(new)
        })
        .await?
    };
    let mounts = &context.ports.mounts;
    match source.medium.as_str() {
        "" => {}
        "Memory" => {
            if !mounts.is_mount_point(&path).await? {
                let options = TmpfsOptions { size_bytes: size_limit(pod, source), no_swap: false };
                mounts.mount_tmpfs(&path, &options).await?;
            }
        }
        medium if medium == "HugePages" || medium.starts_with("HugePages-") => {
            if !mounts.is_mount_point(&path).await? {
                mounts.mount_hugetlbfs(&path, page_size(pod, medium)?).await?;
            }
        }
        other => return Err(VolumeError::Unsupported(format!("emptyDir of medium {other:?}"))),
    }
    if made || !source.medium.is_empty() {
        let path = path.clone();
        blocking(move || {
            // Every user of the pod may write; umask does not count.
            let mode = fs::metadata(&path).map_err(VolumeError::io("stat", &path))?.permissions().mode();
            if mode & 0o777 != 0o777 {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o777))
                    .map_err(VolumeError::io("chmod", &path))?;
            }
            Ok(())
        })
        .await?;
    }
    if made {
        give_to_group(context, pod, &path, Access::ReadWrite).await?;
    }
    Ok(path)
}

/// The least of the volume's own limit and the pod's memory limit.
fn size_limit(pod: &Pod, source: &EmptyDirVolumeSource) -> Option<u64> {
    let positive = |quantity: &Quantity| u64::try_from(quantity.value()).ok().filter(|bytes| *bytes > 0);
    let own = source.size_limit.as_ref().and_then(positive);
    let of_pod = resources::limits(pod, resources::Accounting::default()).get("memory").and_then(positive);
    match (own, of_pod) {
        (Some(own), Some(of_pod)) => Some(own.min(of_pod)),
        (own, of_pod) => own.or(of_pod),
    }
}

/// The page size of the medium, or the only one the pod requests.
fn page_size(pod: &Pod, medium: &str) -> Result<u64, VolumeError> {
    let refuse =
        || VolumeError::Unsupported(format!("emptyDir of medium {medium:?} without one huge page size"));
    let bytes = |text: &str| Quantity::parse(text).ok().and_then(|size| u64::try_from(size.value()).ok());
    if let Some(size) = medium.strip_prefix("HugePages-") {
        return bytes(size).ok_or_else(refuse);
    }
    let requests = resources::requests(pod, resources::Accounting::default());
    let mut sizes = requests.keys().filter_map(|name| bytes(name.strip_prefix("hugepages-")?));
    match (sizes.next(), sizes.next()) {
        (Some(size), None) => Ok(size),
        _ => Err(refuse()),
    }
}
