//! Groups and sizes of volume trees.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use kubelet_core::ports::OwnershipChange;

const READ_WRITE: u32 = 0o660;
const READ_ONLY: u32 = 0o440;
const EXECUTE: u32 = 0o110;
const SETGID: u32 = 0o2000;

/// Gives a tree to a group. Files that refuse are logged and left, as upstream does: some file systems have no owners.
pub(super) fn set_group(directory: &Path, change: OwnershipChange) -> io::Result<()> {
    if change.only_on_root_mismatch && fits(&fs::metadata(directory)?, change) {
        return Ok(());
    }
    change_tree(directory, change)
}

fn fits(root: &Metadata, change: OwnershipChange) -> bool {
    let wanted = base_mode(change) | EXECUTE | SETGID;
    root.is_dir() && root.gid() == change.gid && root.mode() & wanted == wanted
}

fn base_mode(change: OwnershipChange) -> u32 {
    if change.readonly { READ_ONLY } else { READ_WRITE }
}

/// Children come first, so that a root that fits proves that the whole tree was done.
fn change_tree(path: &Path, change: OwnershipChange) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            change_tree(&entry?.path(), change)?;
        }
    }
    if let Err(error) = lchown(path, None, Some(change.gid)) {
        tracing::warn!(path = %path.display(), error = %error, "group of a volume's file was not set");
    }
    if metadata.is_symlink() {
        return Ok(());
    }
    let directory_bits = if metadata.is_dir() { SETGID | EXECUTE } else { 0 };
    let mode = (metadata.mode() & 0o7777) | base_mode(change) | directory_bits;
    if let Err(error) = fs::set_permissions(path, fs::Permissions::from_mode(mode)) {
        tracing::warn!(path = %path.display(), error = %error, "mode of a volume's file was not set");
    }
    Ok(())
}

/// Bytes and inodes used by a tree, on its own file system, every hard-linked file once.
pub(super) fn usage(directory: &Path) -> io::Result<(u64, u64)> {
    let root = fs::symlink_metadata(directory)?;
    let mut walk = Walk { device: root.dev(), seen: HashSet::new(), bytes: 0, inodes: 0 };
    walk.visit(directory, &root)?;
    Ok((walk.bytes, walk.inodes))
}

struct Walk {
    device: u64,
    /// Inodes with more than one name that were counted.
    seen: HashSet<u64>,
    bytes: u64,
    inodes: u64,
}

impl Walk {
    fn visit(&mut self, path: &Path, metadata: &Metadata) -> io::Result<()> {
        if metadata.dev() != self.device {
            return Ok(());
        }
        if !metadata.is_dir() && metadata.nlink() > 1 && !self.seen.insert(metadata.ino()) {
            return Ok(());
        }
        // The kernel counts blocks of 512 bytes, whatever the file system's own.
        self.bytes = self.bytes.saturating_add(metadata.blocks().saturating_mul(512));
        self.inodes += 1;
        if !metadata.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            // Files come and go while we walk.
            match fs::symlink_metadata(&path) {
                Ok(metadata) => self.visit(&path, &metadata)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
