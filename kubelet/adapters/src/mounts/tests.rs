//! Mounts and owners on this machine, in a directory of the test's own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

/// A directory whose mounts are gone before it is.
struct Place(tempfile::TempDir);

impl Place {
    /// `None` without root, which mounting needs.
    fn new() -> Option<Place> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return None;
        }
        Some(Place(tempfile::tempdir().expect("directory")))
    }

    fn directory(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(&path).expect("directory");
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for point in table::mounts_below(self.0.path()).unwrap_or_default() {
            let _ = mounting::unmount(&point);
        }
    }
}

const BIND: BindOptions = BindOptions { readonly: false, recursive: false };

#[tokio::test]
async fn tmpfs_from_mount_to_unmount() {
    let Some(place) = Place::new() else { return };
    let target = place.directory("with blank");
    assert!(!NodeMounts.is_mount_point(&target).await.expect("look"));
    let options = TmpfsOptions { size_bytes: Some(1 << 20), no_swap: true };
    NodeMounts.mount_tmpfs(&target, &options).await.expect("mount");
    assert!(NodeMounts.is_mount_point(&target).await.expect("look"));
    assert_eq!(NodeMounts.mounts_below(place.0.path()).await.expect("list"), std::slice::from_ref(&target));
    fs::write(target.join("large"), vec![0; 2 << 20]).expect_err("over its size");
    NodeMounts.unmount(&target).await.expect("unmount");
    NodeMounts.unmount(&target).await.expect("unmounting twice is fine");
    assert!(!NodeMounts.is_mount_point(&target).await.expect("look"));
    assert!(!NodeMounts.is_mount_point(&target.join("missing")).await.expect("look"));
}

#[tokio::test]
async fn a_readonly_bind_cannot_be_written() {
    let Some(place) = Place::new() else { return };
    let (source, target) = (place.directory("source"), place.directory("target"));
    fs::write(source.join("file"), "content").expect("write");
    NodeMounts.bind(&source, &target, BindOptions { readonly: true, recursive: true }).await.expect("bind");
    assert_eq!(fs::read_to_string(target.join("file")).expect("read"), "content");
    let refused = fs::write(target.join("file"), "other").expect_err("read-only");
    assert_eq!(refused.kind(), io::ErrorKind::ReadOnlyFilesystem);
    fs::write(source.join("file"), "other").expect("the source stays writable");
    let missing = NodeMounts.bind(&place.0.path().join("none"), &target, BIND).await.expect_err("no source");
    assert!(missing.to_string().starts_with("bind at "), "{missing}");
}

#[tokio::test]
async fn parts_of_a_volume() {
    let Some(place) = Place::new() else { return };
    let volume = place.directory("volume");
    let mut number = 0;
    let mut bind = |relative: &str| {
        number += 1;
        let target = place.0.path().join(format!("targets/{number}"));
        let (volume, relative) = (volume.clone(), PathBuf::from(relative));
        async move { NodeMounts.bind_beneath(&volume, &relative, &target, BIND).await.map(|()| target) }
    };
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o777)).expect("mode");
    fs::write(volume.join("real"), "content").expect("write");
    symlink("real", volume.join("inner")).expect("link");
    symlink("../..", volume.join("outer")).expect("link");
    symlink("/etc", volume.join("absolute")).expect("link");

    let file = bind("real").await.expect("a file");
    assert_eq!(fs::read_to_string(file).expect("read"), "content");
    let through_link = bind("inner").await.expect("a link that stays inside");
    assert_eq!(fs::read_to_string(through_link).expect("read"), "content");
    let made = bind("new/deep").await.expect("missing directories are made");
    assert!(made.is_dir());
    assert_eq!(fs::metadata(volume.join("new/deep")).expect("made").mode() & 0o7777, 0o777);
    assert_eq!(fs::read_dir(bind(".").await.expect("all of it")).expect("list").count(), 5);

    for relative in ["outer", "outer/etc", "absolute", "absolute/passwd"] {
        let refused = bind(relative).await.expect_err(relative);
        assert!(refused.to_string().contains("leads out of its volume"), "{refused}");
    }
    for relative in ["../volume", "/etc", "new/../real"] {
        let refused = bind(relative).await.expect_err(relative);
        assert!(refused.to_string().contains("must be relative"), "{refused}");
    }
}

#[tokio::test]
async fn sharing_makes_a_mount_point() {
    let Some(place) = Place::new() else { return };
    let target = place.directory("shared");
    NodeMounts.make_shared(&target).await.expect("share");
    NodeMounts.make_shared(&target).await.expect("share again");
    assert_eq!(NodeMounts.mounts_below(&target).await.expect("list"), [target]);
}

#[tokio::test]
async fn a_volume_is_given_to_its_group() {
    let Some(place) = Place::new() else { return };
    let volume = place.directory("volume");
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o700)).expect("mode");
    fs::write(volume.join("file"), "").expect("write");
    fs::set_permissions(volume.join("file"), fs::Permissions::from_mode(0o600)).expect("mode");
    symlink("/etc/passwd", volume.join("link")).expect("link");
    let owner = |path: &Path| {
        let metadata = fs::symlink_metadata(path).expect("there");
        (metadata.gid(), metadata.mode() & 0o7777)
    };
    let change = OwnershipChange { gid: 1234, readonly: false, only_on_root_mismatch: true };
    NodeMounts.set_group_ownership(&volume, change).await.expect("set");
    assert_eq!(owner(&volume), (1234, 0o2770));
    assert_eq!(owner(&volume.join("file")), (1234, 0o660));
    assert_eq!(owner(&volume.join("link")).0, 1234);
    assert_eq!(owner(Path::new("/etc/passwd")).0, 0);

    fs::write(volume.join("later"), "").expect("write");
    fs::set_permissions(volume.join("later"), fs::Permissions::from_mode(0o600)).expect("mode");
    NodeMounts.set_group_ownership(&volume, change).await.expect("set");
    assert_eq!(owner(&volume.join("later")).1, 0o600, "the root fits, so nothing below is touched");
    let always = OwnershipChange { only_on_root_mismatch: false, ..change };
    NodeMounts.set_group_ownership(&volume, always).await.expect("set");
    assert_eq!(owner(&volume.join("later")).1, 0o660);
}

#[tokio::test]
async fn usage_counts_a_file_with_two_names_once() {
    let directory = tempfile::tempdir().expect("directory");
    fs::write(directory.path().join("file"), vec![1; 100_000]).expect("write");
    let (bytes, inodes) = NodeMounts.directory_usage(directory.path()).await.expect("usage");
    assert!(bytes >= 100_000, "{bytes}");
    assert_eq!(inodes, 2);
    fs::hard_link(directory.path().join("file"), directory.path().join("other")).expect("link");
    let again = NodeMounts.directory_usage(directory.path()).await.expect("usage");
    assert_eq!(again.1, 2);
}
