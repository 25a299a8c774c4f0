//! Files for other programs to look at, which only the user may read.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Result;
use crate::error::message;

/// How many names are tried before it is given up.
const ATTEMPTS: usize = 100;

/// A name nobody has used in this folder: the process, the time and a count.
fn name(prefix: &str, extension: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let time = jiff::Timestamp::now().as_nanosecond().unsigned_abs() % 10_000_000_000;
    std::env::temp_dir().join(format!("{prefix}{}{time}{count}{extension}", std::process::id()))
}

/// Tries names until one can be made.
fn make<T>(
    prefix: &str,
    extension: &str,
    make: impl Fn(&Path) -> std::io::Result<T>,
) -> Result<(PathBuf, T)> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let path = name(prefix, extension);
        match make(&path) {
            Ok(made) => return Ok((path, made)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => last = Some(error),
            Err(error) => return Err(message(format!("creating {}: {error}", path.display()))),
        }
    }
    Err(message(format!("no name was free in {}: {last:?}", std::env::temp_dir().display())))
}

/// A new file with this text; it stays until somebody removes it.
pub fn file(prefix: &str, extension: &str, text: &str) -> Result<PathBuf> {
    let create =
        |path: &Path| std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let (path, mut file) = make(prefix, extension, create)?;
    file.write_all(text.as_bytes())?;
    Ok(path)
}

/// A folder that goes with everything in it when dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder.
    pub fn new(prefix: &str) -> Result<Folder> {
        let create = |path: &Path| std::fs::DirBuilder::new().mode(0o700).create(path);
        make(prefix, "", create).map(|(path, ())| Folder(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.0.join(name);
        let open =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = open.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| message(format!("writing {}: {error}", path.display())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_the_user_may_read_and_folders_go() {
        let folder = Folder::new("kubectl-test-").expect("a folder");
        folder.write("a", "text").expect("a file");
        let path = folder.path().to_owned();
        let mode = |path: &Path| std::fs::metadata(path).map(|meta| meta.permissions().mode() & 0o777).ok();
        assert_eq!((mode(&path), mode(&path.join("a"))), (Some(0o700), Some(0o600)));
        drop(folder);
        assert!(!path.exists());
    }
}
