//! The files kubeadm reads and writes, for real or on paper.
//!
//! Phases decide on contents and hand them over here. In a dry run nothing reaches the disk: what would be
//! written is remembered, later phases of the same run read it back, and the list is printed.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// What files with secrets contain.
const SECRET_MARKS: [&str; 4] = ["PRIVATE KEY", "client-key-data", "token: ", "EncryptionConfiguration"];

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("unable to {action} {path:?}")]
pub struct FileError {
    pub action: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

/// A change that a dry run has not made.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedFile {
    pub contents: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

/// Access to the host's files.
#[derive(Debug, Default)]
pub struct Files {
    planned: Option<BTreeMap<PathBuf, PlannedFile>>,
}

impl Files {
    /// Writes go to the disk.
    pub fn on_disk() -> Self {
        Self { planned: None }
    }

    /// Writes are only remembered.
    pub fn dry_run() -> Self {
        Self { planned: Some(BTreeMap::new()) }
    }

    pub fn is_dry_run(&self) -> bool {
        self.planned.is_some()
    }

    /// The contents of a file, none when it does not exist.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FileError> {
        if let Some(file) = self.planned.as_ref().and_then(|planned| planned.get(path)) {
            return Ok(Some(file.contents.clone()));
        }
        match std::fs::read(path) {
            Ok(contents) => Ok(Some(contents)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FileError { action: "read", path: path.to_owned(), source }),
        }
    }

    /// The contents of a file as text, none when it does not exist.
    pub fn read_text(&self, path: &Path) -> Result<Option<String>, FileError> {
        let Some(contents) = self.read(path)? else { return Ok(None) };
        String::from_utf8(contents).map(Some).map_err(|_| FileError {
            action: "read",
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8 text"),
        })
    }

    pub fn exists(&self, path: &Path) -> bool {
        self.planned.as_ref().is_some_and(|planned| planned.contains_key(path)) || path.exists()
    }

    /// Writes a whole file: never half of it, never with wider permissions than `mode`, even for a moment.
    pub fn write(&mut self, path: &Path, contents: &[u8], mode: u32) -> Result<(), FileError> {
        if let Some(planned) = &mut self.planned {
            planned.insert(path.to_owned(), PlannedFile { contents: contents.to_vec(), mode });
            return Ok(());
        }
        write_atomically(path, contents, mode).map_err(|source| FileError {
            action: "write",
            path: path.to_owned(),
            source,
        })
    }

    /// Makes `link` lead to `target`, whatever it led to before.
    pub fn link(&mut self, link: &Path, target: &Path) -> Result<(), FileError> {
        if let Some(planned) = &mut self.planned {
            let file = planned.get(target).cloned();
            planned.extend(file.map(|file| (link.to_owned(), file)));
            return Ok(());
        }
        let mut temporary = link.as_os_str().to_owned();
        temporary.push(".tmp");
        let linked = match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => std::os::unix::fs::symlink(target, &temporary)
                .and_then(|()| std::fs::rename(&temporary, link)),
        };
        linked.map_err(|source| FileError { action: "link", path: link.to_owned(), source })
    }

    /// What a dry run would have written.
    pub fn planned(&self) -> impl Iterator<Item = (&PathBuf, &PlannedFile)> {
        self.planned.iter().flatten()
    }

    /// The list of changes for a reader: every file, and the contents of those that hold no secret.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (path, file) in self.planned() {
            let contents = String::from_utf8_lossy(&file.contents);
            text.push_str(&format!(
                "[dryrun] Would write file {path:?} (mode {:04o}, {} bytes)",
                file.mode,
                file.contents.len()
            ));
            if SECRET_MARKS.iter().any(|mark| contents.contains(mark)) {
                text.push_str(" with secret contents\n");
                continue;
            }
            text.push_str(" with content:\n");
            for line in contents.lines() {
                text.push('\t');
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }
}

fn write_atomically(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    if !folder.exists() {
        create_private_folder(folder)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Dot files are ignored by those who watch a folder, such as the kubelet its static pods.
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&temporary)?;
        // The mode given at creation is narrowed by the umask.
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(contents)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The error that counts is the first one.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Creates a folder and its missing parents, all for their owner alone as kubeadm's folders hold keys.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_reads_back_what_it_would_write_and_touches_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/b.yaml");
        let mut files = Files::dry_run();
        files.write(&path, b"kind: Pod\n", 0o600).expect("planned");
        assert_eq!(files.read_text(&path).expect("readable").as_deref(), Some("kind: Pod\n"));
        assert!(files.exists(&path) && !path.exists());
        assert!(files.describe().contains("mode 0600") && files.describe().contains("\tkind: Pod\n"));
    }

    #[test]
    fn a_link_leads_to_the_newest() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two, link) =
            (folder.path().join("1"), folder.path().join("2"), folder.path().join("current"));
        for mut files in [Files::dry_run(), Files::on_disk()] {
            files.write(&one, b"one", 0o600).expect("written");
            files.write(&two, b"two", 0o600).expect("written");
            files.link(&link, &one).expect("linked");
            files.link(&link, &two).expect("linked again");
            assert_eq!(files.read_text(&link).expect("readable").as_deref(), Some("two"));
            assert_eq!(std::fs::read_link(&link).ok(), (!files.is_dry_run()).then(|| two.clone()));
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut files = Files::dry_run();
        files
            .write(Path::new("/x.key"), b"-----BEGIN RSA PRIVATE KEY-----\nsecret\n", 0o600)
            .expect("planned");
        assert!(
            !files.describe().contains("secret\n\t") && files.describe().contains("with secret contents")
        );
    }

    #[test]
    fn files_are_written_with_their_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/er/key");
        let mut files = Files::on_disk();
        files.write(&path, b"one", 0o600).expect("written");
        files.write(&path, b"two", 0o600).expect("written again");
        assert_eq!(std::fs::read(&path).expect("there"), b"two");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let entries = std::fs::read_dir(path.parent().expect("a parent")).expect("listed").count();
        assert_eq!(entries, 1, "a temporary file stayed behind");
        assert_eq!(files.read(&folder.path().join("none")).expect("no error"), None);
    }
}
