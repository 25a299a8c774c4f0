//! What is mounted: asked of the kernel for one path, read from the mount table for a tree.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use rustix::io::Errno;

/// Whether a mount begins at `path` itself; false when it does not exist.
pub(super) fn is_mount_point(path: &Path) -> io::Result<bool> {
    let wanted = StatxAttributes::MOUNT_ROOT;
    match statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, StatxFlags::BASIC_STATS) {
        Ok(stat) if stat.stx_attributes_mask.contains(wanted) => Ok(stat.stx_attributes.contains(wanted)),
        Err(Errno::NOENT) => Ok(false),
        // Kernels before 5.8 do not tell, and a dead network mount answers with an error of its own.
        Ok(_) | Err(_) => {
            let table = fs::read_to_string("/proc/self/mountinfo")?;
            Ok(mount_points(&table).iter().any(|point| point == path))
        }
    }
}

/// Mount points at or below `directory` in the order in which they can be unmounted.
pub(super) fn mounts_below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    // The table has real paths.
    let real = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    Ok(below(&table, &real))
}

fn below(table: &str, directory: &Path) -> Vec<PathBuf> {
    let mut points = mount_points(table);
    points.retain(|point| point.starts_with(directory));
    points.reverse();
    // Stable: of two at one place the later stays first.
    points.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    points
}

fn mount_points(table: &str) -> Vec<PathBuf> {
    table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped).collect()
}

/// The kernel writes blanks, tabs, newlines and backslashes as three octal digits.
fn unescaped(field: &str) -> PathBuf {
    let bytes = field.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.filter(|_| *byte == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(code.unwrap_or(*byte));
        at += if code.is_some() { 4 } else { 1 };
    }
    PathBuf::from(std::ffi::OsString::from_vec(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deepest_and_latest_first() {
        let table = "\
1 0 0:1 / / rw - ext4 x rw
2 1 0:2 / /var/lib rw - tmpfs x rw
3 2 0:3 / /var/lib/pods/a\\040b rw - tmpfs x rw
4 2 0:4 / /var/lib/pods/a\\040b/sub rw - tmpfs x rw
5 1 0:5 / /var/library rw - tmpfs x rw
6 2 0:6 / /var/lib/pods/c rw - tmpfs x rw
";
        let expected = ["/var/lib/pods/a b/sub", "/var/lib/pods/c", "/var/lib/pods/a b", "/var/lib"];
        assert_eq!(below(table, Path::new("/var/lib")), expected.map(PathBuf::from));
    }
}
