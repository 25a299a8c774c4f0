//! The kubelet's [`Mounts`] port on mount(2) and the file system.

mod beneath;
mod mounting;
mod ownership;
mod table;

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use kubelet_core::ports::{BindOptions, MountError, Mounts, OwnershipChange, TmpfsOptions};

/// The mounts of the namespace this program lives in. Needs root for everything but looking.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeMounts;

/// Mounting may wait for a device and walking for a large tree: both happen away from the async threads.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, MountError> {
    let owned = path.to_owned();
    let done = tokio::task::spawn_blocking(move || work(&owned)).await;
    done.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(|error| MountError {
        operation,
        path: path.to_owned(),
        message: error.to_string(),
    })
}

#[async_trait]
impl Mounts for NodeMounts {
    async fn mount_tmpfs(&self, target: &Path, options: &TmpfsOptions) -> Result<(), MountError> {
        let options = options.clone();
        blocking("mount tmpfs at", target, move |target| mounting::tmpfs(target, &options)).await
    }

    async fn mount_hugetlbfs(&self, target: &Path, page_size_bytes: u64) -> Result<(), MountError> {
        blocking("mount hugetlbfs at", target, move |target| mounting::hugetlbfs(target, page_size_bytes))
            .await
    }

    async fn bind(&self, source: &Path, target: &Path, options: BindOptions) -> Result<(), MountError> {
        let source = source.to_owned();
        blocking("bind at", target, move |target| mounting::bind(&source, target, options)).await
    }

    async fn bind_beneath(
        &self,
        root: &Path,
        relative: &Path,
        target: &Path,
        options: BindOptions,
    ) -> Result<(), MountError> {
        let (root, relative) = (root.to_owned(), relative.to_owned());
        blocking("bind at", target, move |target| beneath::bind(&root, &relative, target, options)).await
    }

    async fn unmount(&self, target: &Path) -> Result<(), MountError> {
        blocking("unmount", target, mounting::unmount).await
    }

    async fn is_mount_point(&self, target: &Path) -> Result<bool, MountError> {
        blocking("look for a mount at", target, table::is_mount_point).await
    }

    async fn mounts_below(&self, directory: &Path) -> Result<Vec<PathBuf>, MountError> {
        blocking("list mounts below", directory, table::mounts_below).await
    }

    async fn make_shared(&self, target: &Path) -> Result<(), MountError> {
        blocking("share mounts of", target, mounting::make_shared).await
    }

    async fn set_group_ownership(&self, directory: &Path, change: OwnershipChange) -> Result<(), MountError> {
        blocking("set group of", directory, move |directory| ownership::set_group(directory, change)).await
    }

    async fn set_owner(&self, path: &Path, uid: Option<u32>, gid: Option<u32>) -> Result<(), MountError> {
        blocking("set owner of", path, move |path| std::os::unix::fs::lchown(path, uid, gid)).await
    }

    async fn directory_usage(&self, directory: &Path) -> Result<(u64, u64), MountError> {
        blocking("measure", directory, ownership::usage).await
    }
}

#[cfg(test)]
mod tests;
