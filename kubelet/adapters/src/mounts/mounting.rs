//! The mount(2) family, with the retries and flags a volume needs.

use std::ffi::CString;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use kubelet_core::ports::{BindOptions, TmpfsOptions};
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount as umount,
};

/// A mount just left by a process may be busy for a moment.
const UNMOUNT_TRIES: u32 = 10;
const UNMOUNT_STEP: Duration = Duration::from_millis(50);

/// Flags a bind mount has from its source, which the kernel does not let anyone drop in a remount.
const KEPT_FLAGS: [(StatVfsMountFlags, MountFlags); 6] = [
    (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
    (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
    (StatVfsMountFlags::NODEV, MountFlags::NODEV),
    (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
    (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
    (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
];

pub(super) fn tmpfs(target: &Path, options: &TmpfsOptions) -> io::Result<()> {
    let size = options.size_bytes.map(|size| format!("size={size}"));
    let with_swap: Vec<String> = size.into_iter().collect();
    if options.no_swap {
        let without_swap: Vec<String> = with_swap.iter().cloned().chain(["noswap".to_owned()]).collect();
        match filesystem("tmpfs", target, &without_swap) {
            // Kernels before 6.3 do not know the option.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {}
            other => return other,
        }
    }
    filesystem("tmpfs", target, &with_swap)
}

pub(super) fn hugetlbfs(target: &Path, page_size_bytes: u64) -> io::Result<()> {
    filesystem("hugetlbfs", target, &[format!("pagesize={page_size_bytes}")])
}

fn filesystem(kind: &str, target: &Path, options: &[String]) -> io::Result<()> {
    let data = CString::new(options.join(","))?;
    Ok(mount(kind, target, kind, MountFlags::empty(), data.as_c_str())?)
}

pub(super) fn bind(source: &Path, target: &Path, options: BindOptions) -> io::Result<()> {
    if options.recursive {
        mount_bind_recursive(source, target)?;
    } else {
        mount_bind(source, target)?;
    }
    if options.readonly {
        // A bind mount takes flags only when it is mounted again.
        if let Err(error) = remount_readonly(target) {
            // What would be left is writable.
            let _ = unmount(target);
            return Err(error);
        }
    }
    Ok(())
}

fn remount_readonly(target: &Path) -> io::Result<()> {
    let has = statvfs(target)?.f_flag;
    let mut flags = MountFlags::BIND | MountFlags::RDONLY;
    for (shown, flag) in KEPT_FLAGS {
        if has.contains(shown) {
            flags |= flag;
        }
    }
    Ok(mount_remount(target, flags, c"")?)
}

/// Takes away what is on top of `target`; nothing there is a success.
pub(super) fn unmount(target: &Path) -> io::Result<()> {
    for _ in 0..UNMOUNT_TRIES {
        match umount(target, UnmountFlags::NOFOLLOW) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY) => thread::sleep(UNMOUNT_STEP),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::BUSY.into())
}

pub(super) fn make_shared(target: &Path) -> io::Result<()> {
    if !super::table::is_mount_point(target)? {
        mount_bind_recursive(target, target)?;
    }
    Ok(mount_change(target, MountPropagationFlags::SHARED | MountPropagationFlags::REC)?)
}
