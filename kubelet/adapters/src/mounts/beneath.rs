//! Binding a part of a volume, when whoever writes to the volume must not lead us out of it.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use kubelet_core::ports::BindOptions;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, chmodat, fstat, mkdirat, openat, openat2};
use rustix::io::Errno;

/// Binds `relative` of `root` at `target`; see [`kubelet_core::ports::Mounts::bind_beneath`].
pub(super) fn bind(root: &Path, relative: &Path, target: &Path, options: BindOptions) -> io::Result<()> {
    let root_fd = openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let opened = open_or_make(&root_fd, relative)?;
    let is_directory = rustix::fs::FileType::from_raw_mode(fstat(&opened)?.st_mode).is_dir();
    make_target(target, is_directory)?;
    // The descriptor holds what was found, whatever the path leads to by now.
    let source = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    super::mounting::bind(&source, target, options)
}

/// Opens a path that stays beneath `root`, making missing directories.
fn open_or_make(root: &OwnedFd, relative: &Path) -> io::Result<OwnedFd> {
    let mode = Mode::from_raw_mode(fstat(root)?.st_mode & 0o7777);
    let mut walked = PathBuf::new();
    for component in relative.components() {
        match component {
            Component::Normal(name) => walked.push(name),
            Component::CurDir => continue,
            _ => {
                let message = format!("sub path {relative:?} must be relative and must not contain '..'");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        }
        match open(root, &walked) {
            Ok(_) => {}
            Err(Errno::NOENT) => make_directory(root, &walked, mode)?,
            Err(error) => return Err(explained(relative, error)),
        }
    }
    let whole = if walked.as_os_str().is_empty() { Path::new(".") } else { &walked };
    open(root, whole).map_err(|error| explained(relative, error))
}

fn open(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    loop {
        match openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // The kernel saw a rename in between and asks to look again.
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
}

fn make_directory(root: &OwnedFd, path: &Path, mode: Mode) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default();
    let parent = open(root, parent).map_err(|error| explained(path, error))?;
    match mkdirat(&parent, name, mode) {
        Ok(()) => {}
        // Two containers of the pod may start at once. A dangling link is found by the next open.
        Err(Errno::EXIST) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    // The umask must not take from what the volume grants.
    Ok(chmodat(&parent, name, mode, AtFlags::empty())?)
}

fn explained(relative: &Path, error: Errno) -> io::Error {
    match error {
        Errno::XDEV => {
            let message = format!("sub path {relative:?} leads out of its volume");
            io::Error::new(io::ErrorKind::PermissionDenied, message)
        }
        error => io::Error::new(
            io::Error::from(error).kind(),
            format!("open sub path {relative:?}: {}", io::Error::from(error)),
        ),
    }
}

/// A mount point of the right kind, which only root may enter until it is mounted over.
fn make_target(target: &Path, directory: bool) -> io::Result<()> {
    let there = fs::symlink_metadata(target).ok();
    if there.as_ref().is_some_and(|there| there.is_dir() == directory && !there.is_symlink()) {
        return Ok(());
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    match there {
        Some(other) if other.is_dir() => fs::remove_dir(target)?,
        Some(_) => fs::remove_file(target)?,
        None => {}
    }
    if directory {
        fs::create_dir(target)?;
        fs::set_permissions(target, fs::Permissions::from_mode(0o750))
    } else {
        fs::File::create_new(target)?;
        fs::set_permissions(target, fs::Permissions::from_mode(0o640))
    }
}
