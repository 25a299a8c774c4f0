//! Writes the files of a volume so that a reader sees all of the old ones or all of the new ones.
//!
//! ```text
//!   volume/name        ─▶ ..data/name           what users open
//!   volume/..data      ─▶ ..2026_11_21_03_36…   swapped by one rename
//!   volume/..2026_…/name                        the files
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use kubelet_core::projection::Files;

use super::VolumeError;

const DATA: &str = "..data";
const NEW_DATA: &str = "..data_tmp";

/// Makes the volume hold exactly these files; returns whether anything changed.
pub(super) fn write(volume: &Path, files: &Files) -> Result<bool, VolumeError> {
    for path in files.keys() {
        check_path(volume, path)?;
    }
    let old = fs::read_link(volume.join(DATA)).ok();
    let top_levels: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    if let Some(old) = &old
        && holds(&volume.join(old), files)
    {
        link_top_levels(volume, &top_levels)?;
        return Ok(false);
    }
    let directory = new_directory(volume)?;
    for (path, file) in files {
        let target = directory.join(path);
        if let Some(parent) = target.parent() {
            let make = fs::DirBuilder::new().recursive(true).mode(0o755).create(parent);
            make.map_err(VolumeError::io("create directory", parent))?;
        }
        let mode = u32::try_from(file.mode).unwrap_or(0o644) & 0o7777;
        let mut open = fs::OpenOptions::new();
        let mut handle = open
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&target)
            .map_err(VolumeError::io("create", &target))?;
        handle.write_all(&file.content).map_err(VolumeError::io("write", &target))?;
        // The mode given to open passes the umask; this one does not.
        fs::set_permissions(&target, fs::Permissions::from_mode(mode))
            .map_err(VolumeError::io("chmod", &target))?;
        if let Some(owner) = file.owner.and_then(|owner| u32::try_from(owner).ok()) {
            std::os::unix::fs::chown(&target, Some(owner), None)
                .map_err(VolumeError::io("chown", &target))?;
        }
    }
    let name = directory.file_name().map(PathBuf::from).unwrap_or_default();
    let new_link = volume.join(NEW_DATA);
    match fs::remove_file(&new_link) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(VolumeError::io("remove", &new_link)(error));
        }
        _ => {}
    }
    symlink(&name, &new_link).map_err(VolumeError::io("link", &new_link))?;
    fs::rename(&new_link, volume.join(DATA)).map_err(VolumeError::io("rename", &new_link))?;
    link_top_levels(volume, &top_levels)?;
    remove_stale(volume, &top_levels, &name)?;
    Ok(true)
}

/// A path must be relative, plain and must not pretend to be one of ours.
fn check_path(volume: &Path, path: &str) -> Result<(), VolumeError> {
    let plain = Path::new(path).components().all(|component| matches!(component, Component::Normal(_)));
    if path.is_empty() || !plain || path.starts_with("..") {
        let refused = std::io::Error::new(std::io::ErrorKind::InvalidInput, format!("invalid path {path:?}"));
        return Err(VolumeError::io("write below", volume)(refused));
    }
    Ok(())
}

fn new_directory(volume: &Path) -> Result<PathBuf, VolumeError> {
    let stamp = jiff::Timestamp::now().strftime("%Y_%m_%d_%H_%M_%S").to_string();
    for attempt in 0..1000_u32 {
        let path =
            volume.join(format!("..{stamp}.{}", u64::from(std::process::id()) * 1000 + u64::from(attempt)));
        match fs::DirBuilder::new().mode(0o755).create(&path) {
            Ok(()) => {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
                    .map_err(VolumeError::io("chmod", &path))?;
                return Ok(path);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(VolumeError::io("create directory", &path)(error)),
        }
    }
    let exists = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
    Err(VolumeError::io("create directory below", volume)(exists))
}

/// Whether a directory holds exactly these files, contents and modes included.
fn holds(directory: &Path, files: &Files) -> bool {
    let mut found = BTreeSet::new();
    if collect(directory, directory, &mut found).is_err() || found.len() != files.len() {
        return false;
    }
    files.iter().all(|(path, file)| {
        let target = directory.join(path);
        let same_mode = fs::metadata(&target).is_ok_and(|meta| {
            // A group may have been given rights on top; what was asked for must be there.
            let wanted = u32::try_from(file.mode).unwrap_or(0o644) & 0o7777;
            meta.permissions().mode() & wanted == wanted
        });
        found.contains(path) && same_mode && fs::read(&target).is_ok_and(|content| content == file.content)
    })
}

fn collect(root: &Path, directory: &Path, found: &mut BTreeSet<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(root, &entry.path(), found)?;
        } else if let Ok(path) = entry.path().strip_prefix(root) {
            found.insert(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

fn link_top_levels(volume: &Path, names: &BTreeSet<&str>) -> Result<(), VolumeError> {
    for name in names {
        let link = volume.join(name);
        let target = Path::new(DATA).join(name);
        match fs::read_link(&link) {
            Ok(known) if known == target => {}
            _ => {
                match fs::remove_file(&link) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(VolumeError::io("remove", &link)(error));
                    }
                    _ => {}
                }
                symlink(&target, &link).map_err(VolumeError::io("link", &link))?;
            }
        }
    }
    Ok(())
}

/// Removes links to files that went, and data directories nobody points to.
fn remove_stale(volume: &Path, names: &BTreeSet<&str>, current: &Path) -> Result<(), VolumeError> {
    for entry in fs::read_dir(volume).map_err(VolumeError::io("list", volume))? {
        let entry = entry.map_err(VolumeError::io("list", volume))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if name == DATA || Path::new(&name) == current {
            continue;
        }
        if name.starts_with("..") {
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_directory { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(VolumeError::io("remove", &path))?;
        } else if !names.contains(name.as_str()) {
            fs::remove_file(&path).map_err(VolumeError::io("remove", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kubelet_core::projection::ProjectedFile;

    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        let file = |text: &str| ProjectedFile { content: text.as_bytes().to_vec(), mode: 0o640, owner: None };
        list.iter().map(|(path, text)| ((*path).to_owned(), file(text))).collect()
    }

    #[test]
    fn files_are_replaced_as_one() {
        let volume = std::env::temp_dir().join(format!("kubelet-atomic-{}", std::process::id()));
        fs::create_dir_all(&volume).expect("a directory");
        let read = |path: &str| fs::read_to_string(volume.join(path)).ok();
        let first = files(&[("a", "1"), ("d/e", "2")]);
        assert!(write(&volume, &first).expect("written"));
        assert_eq!((read("a"), read("d/e")), (Some("1".into()), Some("2".into())));
        assert_eq!(fs::metadata(volume.join("a")).expect("there").permissions().mode() & 0o777, 0o640);
        let before = fs::read_link(volume.join(DATA)).expect("a link");
        assert!(!write(&volume, &first).expect("unchanged"));
        assert_eq!(fs::read_link(volume.join(DATA)).expect("a link"), before);
        assert!(write(&volume, &files(&[("a", "3")])).expect("written"));
        assert_eq!((read("a"), read("d/e")), (Some("3".into()), None));
        assert!(!volume.join(before).exists());
        assert!(write(&volume, &files(&[("../x", "1")])).is_err());
        assert!(write(&volume, &files(&[("..data", "1")])).is_err());
        assert!(write(&volume, &Files::new()).expect("emptied"));
        assert_eq!(read("a"), None);
        fs::remove_dir_all(&volume).expect("removed");
    }
}
