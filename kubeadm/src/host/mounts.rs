//! Mounts below the kubelet's folder, which must go before the folder can be emptied.

use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

#[derive(Debug, thiserror::Error)]
pub enum MountError {
    #[error("failed to read /proc/mounts")]
    Read { source: std::io::Error },
    #[error("encountered the following errors while unmounting directories in {folder:?}: {}", failures.join("; "))]
    Unmount { folder: PathBuf, failures: Vec<String> },
    #[error(
        "unknown unmount flag {flag:?}: expected one of MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW"
    )]
    Flag { flag: String },
}

/// Flags of umount2 by the names that a ResetConfiguration uses.
pub fn flags(names: &[String]) -> Result<MntFlags, MountError> {
    names.iter().try_fold(MntFlags::empty(), |flags, name| match name.as_str() {
        "MNT_FORCE" => Ok(flags | MntFlags::MNT_FORCE),
        "MNT_DETACH" => Ok(flags | MntFlags::MNT_DETACH),
        "MNT_EXPIRE" => Ok(flags | MntFlags::MNT_EXPIRE),
        "UMOUNT_NOFOLLOW" => Ok(flags | MntFlags::UMOUNT_NOFOLLOW),
        other => Err(MountError::Flag { flag: other.to_owned() }),
    })
}

/// Unmounts everything below a folder, innermost first.
pub fn unmount_below(folder: &Path, flags: MntFlags) -> Result<(), MountError> {
    let table = std::fs::read_to_string("/proc/mounts").map_err(|source| MountError::Read { source })?;
    let failures: Vec<String> = mounts_below(&table, folder)
        .iter()
        .filter_map(|mount| umount2(mount, flags).err().map(|error| format!("{}: {error}", mount.display())))
        .collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(MountError::Unmount { folder: folder.to_owned(), failures })
    }
}

/// Mount points below a folder, the last mounted first.
fn mounts_below(table: &str, folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(|point| PathBuf::from(unescape(point)))
        .filter(|point| point != folder && point.starts_with(folder))
        .collect();
    found.reverse();
    found
}

/// Undoes the octal escapes of /proc/mounts.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_mounts_come_first() {
        let table = "tmpfs /run tmpfs rw 0 0\n\
                     tmpfs /var/lib/kubelet/pods/a/volumes/x tmpfs rw 0 0\n\
                     tmpfs /var/lib/kubelet-other tmpfs rw 0 0\n\
                     tmpfs /var/lib/kubelet/pods/a/volumes/x/in\\040side tmpfs rw 0 0\n";
        assert_eq!(
            mounts_below(table, Path::new("/var/lib/kubelet")),
            [
                PathBuf::from("/var/lib/kubelet/pods/a/volumes/x/in side"),
                PathBuf::from("/var/lib/kubelet/pods/a/volumes/x")
            ]
        );
    }

    #[test]
    fn flags_have_names() {
        let names = ["MNT_FORCE".to_owned(), "MNT_DETACH".to_owned()];
        assert_eq!(flags(&names).expect("known"), MntFlags::MNT_FORCE | MntFlags::MNT_DETACH);
        assert!(flags(&["force".to_owned()]).is_err());
    }
}
