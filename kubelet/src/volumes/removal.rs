//! Takes volumes down: unmounts first, and removes only what is certainly not somebody else's.

use std::fs;
use std::path::Path;

use super::{VolumeError, blocking};
use crate::context::Context;

/// Plugins whose directories hold nothing but what the kubelet put there.
const OWN: [&str; 5] = [
    "kubernetes.io~empty-dir",
    "kubernetes.io~configmap",
    "kubernetes.io~secret",
    "kubernetes.io~downward-api",
    "kubernetes.io~projected",
];

/// Unmounts and removes every volume of a pod. Doing it again is harmless.
pub async fn remove_all(context: &Context, uid: &str) -> Result<(), VolumeError> {
    let directory = context.pod_directory(uid);
    unmount_below(context, &directory).await?;
    blocking(move || {
        let volumes = directory.join("volumes");
        for plugin in list(&volumes)? {
            let own = plugin.file_name().is_some_and(|name| OWN.iter().any(|known| name == *known));
            for volume in list(&plugin)? {
                if own {
                    fs::remove_dir_all(&volume).map_err(VolumeError::io("remove", &volume))?;
                } else {
                    // A mount point only: never its contents, should it still be mounted after all.
                    fs::remove_dir(&volume).map_err(VolumeError::io("remove", &volume))?;
                }
            }
            fs::remove_dir(&plugin).map_err(VolumeError::io("remove", &plugin))?;
        }
        let subpaths = directory.join("volume-subpaths");
        remove_empty_tree(&subpaths)
    })
    .await
}

/// Removes what is left of a pod after its volumes.
pub async fn remove_pod_directory(context: &Context, uid: &str) -> Result<(), VolumeError> {
    remove_all(context, uid).await?;
    let directory = context.pod_directory(uid);
    blocking(move || match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(VolumeError::io("remove", &directory)(error))
        }
        _ => Ok(()),
    })
    .await
}

/// Uids of the pods that have a directory.
pub async fn orphans(context: &Context) -> Result<Vec<String>, VolumeError> {
    let directory = context.pods_directory();
    blocking(move || {
        Ok(list(&directory)?
            .iter()
            .filter_map(|path| path.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect())
    })
    .await
}

async fn unmount_below(context: &Context, directory: &Path) -> Result<(), VolumeError> {
    for mount in context.ports.mounts.mounts_below(directory).await? {
        context.ports.mounts.unmount(&mount).await?;
    }
    Ok(())
}

/// The entries of a directory; none when it is missing.
fn list(directory: &Path) -> Result<Vec<std::path::PathBuf>, VolumeError> {
    match fs::read_dir(directory) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(VolumeError::io("list", directory)))
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(VolumeError::io("list", directory)(error)),
    }
}

/// Removes directories and the empty files that sub-path binds sat on, and stops at anything else.
fn remove_empty_tree(directory: &Path) -> Result<(), VolumeError> {
    for path in list(directory)? {
        let meta = fs::symlink_metadata(&path).map_err(VolumeError::io("stat", &path))?;
        if meta.is_dir() {
            remove_empty_tree(&path)?;
        } else if meta.len() == 0 {
            fs::remove_file(&path).map_err(VolumeError::io("remove", &path))?;
        }
    }
    match fs::remove_dir(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(VolumeError::io("remove", directory)(error))
        }
        _ => Ok(()),
    }
}
