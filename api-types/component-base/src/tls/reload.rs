//! A value made from files, made again when they change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::TlsError;
use crate::Shutdown;

/// How often files are looked at. A look is a few `stat` calls; a new certificate is usually written
/// days before the old one ends.
pub const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// What tells two versions of a file apart without reading it; a secret volume swaps a symbolic link,
/// which changes the inode.
type Stamp = Option<(u64, u64, SystemTime)>;

struct Inner<T> {
    current: ArcSwap<T>,
    paths: Vec<PathBuf>,
    stamps: Mutex<Vec<Stamp>>,
    load: Box<dyn Fn() -> Result<T, TlsError> + Send + Sync>,
}

/// The newest good version of something read from files; clones share it.
pub struct Reloaded<T> {
    inner: Arc<Inner<T>>,
}

impl<T> Clone for Reloaded<T> {
    fn clone(&self) -> Self {
        Reloaded { inner: Arc::clone(&self.inner) }
    }
}

impl<T> std::fmt::Debug for Reloaded<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reloaded").field("paths", &self.inner.paths).finish_non_exhaustive()
    }
}

fn stamp(path: &PathBuf) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()?))
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Loads once, and fails if that fails. Call [`Reloaded::keep_fresh`] to follow the files.
    pub fn new(
        paths: Vec<PathBuf>,
        load: impl Fn() -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Reloaded<T>, TlsError> {
        // Stamps are taken first: a change while loading is seen at the next look.
        let stamps = paths.iter().map(stamp).collect();
        let current = ArcSwap::from_pointee(load()?);
        let inner = Inner { current, paths, stamps: Mutex::new(stamps), load: Box::new(load) };
        Ok(Reloaded { inner: Arc::new(inner) })
    }

    /// A value that never changes, for callers that have it in memory.
    pub fn fixed(value: T) -> Reloaded<T> {
        let inner = Inner {
            current: ArcSwap::from_pointee(value),
            paths: Vec::new(),
            stamps: Mutex::default(),
            load: Box::new(|| Err(TlsError::Config("a fixed value has no files".to_owned()))),
        };
        Reloaded { inner: Arc::new(inner) }
    }

    /// The newest good version.
    pub fn current(&self) -> Arc<T> {
        self.inner.current.load_full()
    }

    /// Looks at the files and loads them if they changed; whether a new version is in force. A version
    /// that does not load leaves the old one in force and is tried again at the next change.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        let stamps: Vec<Stamp> = self.inner.paths.iter().map(stamp).collect();
        if *self.inner.stamps.lock() == stamps {
            return Ok(false);
        }
        let value = (self.inner.load)()?;
        self.inner.current.store(Arc::new(value));
        *self.inner.stamps.lock() = stamps;
        Ok(true)
    }

    /// Starts a task that refreshes until `shutdown`. Must be called inside a tokio runtime.
    pub fn keep_fresh(&self, shutdown: &Shutdown) {
        if self.inner.paths.is_empty() {
            return;
        }
        let (this, shutdown) = (self.clone(), shutdown.clone());
        tokio::spawn(async move {
            // A failure is logged once per message, not every few seconds.
            let mut reported = String::new();
            while shutdown.sleep(POLL_INTERVAL).await {
                match this.refresh() {
                    Ok(true) => {
                        reported.clear();
                        tracing::info!(paths = ?this.inner.paths, "reloaded changed files");
                    }
                    Ok(false) => {}
                    Err(error) => {
                        let message = crate::run::error_chain(&error);
                        if message != reported {
                            tracing::error!(
                                error = message,
                                "changed files not loaded, the old ones stay in force"
                            );
                            reported = message;
                        }
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_and_a_bad_one_is_not() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("value");
        let write = |text: &str| super::super::files::write_private(&path, text.as_bytes()).expect("written");
        write("1");
        let from = path.clone();
        let reloaded = Reloaded::new(vec![path.clone()], move || {
            String::from_utf8_lossy(&super::super::files::read(&from)?)
                .parse::<u32>()
                .map_err(|error| TlsError::Config(error.to_string()))
        })
        .expect("loaded");
        assert_eq!(*reloaded.current(), 1);
        assert!(!reloaded.refresh().expect("unchanged"));
        write("22");
        assert!(reloaded.refresh().expect("changed"));
        assert_eq!(*reloaded.current(), 22);
        write("bad");
        assert!(reloaded.refresh().is_err());
        assert_eq!(*reloaded.current(), 22);
        write("4444");
        assert!(reloaded.refresh().expect("changed"));
        assert_eq!(*reloaded.current(), 4444);
    }
}
