//! The mounts and file ownership of this host, as volumes need them.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

/// Mounts, unmounts and looks at what is mounted.
#[async_trait]
pub trait Mounts: Send + Sync {
    /// Mounts a tmpfs at `target`, an existing directory.
    async fn mount_tmpfs(&self, target: &Path, options: &TmpfsOptions) -> Result<(), MountError>;

    /// Mounts hugetlbfs at `target` with a page size such as `2Mi` in bytes.
    async fn mount_hugetlbfs(&self, target: &Path, page_size_bytes: u64) -> Result<(), MountError>;

    /// Binds `source` (file or directory) at `target`, which exists with the same kind.
    async fn bind(&self, source: &Path, target: &Path, options: BindOptions) -> Result<(), MountError>;

    /// Binds `relative` of the directory `root` (a volume's `subPath`) at `target`, creating directories that are missing
    /// with the mode of `root`, and `target` as a directory or file to match. No step of `relative` may leave `root`,
    /// by `..` or by a link: resolve it with `openat2(RESOLVE_BENEATH)` (or open step by step with `O_NOFOLLOW`) and
    /// bind what was opened, so that nobody can exchange it in between.
    async fn bind_beneath(
        &self,
        root: &Path,
        relative: &Path,
        target: &Path,
        options: BindOptions,
    ) -> Result<(), MountError>;

    /// Unmounts what is on top of `target`. Succeeds when nothing is mounted there.
    async fn unmount(&self, target: &Path) -> Result<(), MountError>;

    /// Whether `target` itself is a mount point (bind mounts included). A missing path is not one.
    async fn is_mount_point(&self, target: &Path) -> Result<bool, MountError>;

    /// Every mount point at or below `directory`, deepest first.
    async fn mounts_below(&self, directory: &Path) -> Result<Vec<PathBuf>, MountError>;

    /// Makes `target` a mount point with shared propagation (needed for the kubelet's root directory).
    async fn make_shared(&self, target: &Path) -> Result<(), MountError>;

    /// Gives a volume to a group as `fsGroup` does: group owner, group bits and setgid on directories.
    async fn set_group_ownership(&self, directory: &Path, change: OwnershipChange) -> Result<(), MountError>;

    /// Sets owner and group of one file, without following a link.
    async fn set_owner(&self, path: &Path, uid: Option<u32>, gid: Option<u32>) -> Result<(), MountError>;

    /// Bytes and inodes used below `directory`, staying on its file system.
    async fn directory_usage(&self, directory: &Path) -> Result<(u64, u64), MountError>;
}

/// Options of a tmpfs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TmpfsOptions {
    /// `None` for the kernel's default (half of memory).
    pub size_bytes: Option<u64>,
    /// Forbids swapping of its pages where the kernel can.
    pub no_swap: bool,
}

/// Options of a bind mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindOptions {
    pub readonly: bool,
    /// Binds what is mounted below the source too.
    pub recursive: bool,
}

/// How `fsGroup` is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnershipChange {
    pub gid: u32,
    pub readonly: bool,
    /// `fsGroupChangePolicy: OnRootMismatch`: leave the tree alone when its root already fits.
    pub only_on_root_mismatch: bool,
}

/// A failed mount operation.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {path}: {message}", path = path.display())]
pub struct MountError {
    /// Such as `mount tmpfs at`.
    pub operation: &'static str,
    pub path: PathBuf,
    pub message: String,
}
