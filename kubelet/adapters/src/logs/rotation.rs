//! Keeps log files of running containers within size and number: renames, compresses, removes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kubelet_core::ports::{ContainerState, Runtime, RuntimeError};

const COMPRESSED: &str = ".gz";
const UNFINISHED: &str = ".tmp";

/// Rotates the logs of one runtime's containers.
#[derive(Clone)]
pub struct LogRotation {
    runtime: Arc<dyn Runtime>,
    max_bytes: u64,
    max_files: usize,
}

/// Why a log was not rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The runtime refused.
    #[error("rotate log of container {container}")]
    Runtime {
        /// The container's id; empty when containers could not be listed.
        container: String,
        /// The runtime's answer.
        #[source]
        source: RuntimeError,
    },
    /// A file could not be moved, compressed or removed.
    #[error("rotate log {path}", path = .path.display())]
    File {
        /// The log or one of its older parts.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl std::fmt::Debug for LogRotation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("LogRotation")
            .field("max_bytes", &self.max_bytes)
            .field("max_files", &self.max_files)
            .finish()
    }
}

impl LogRotation {
    /// Rotation at `max_bytes`, keeping `max_files` files with the one being written (at least two).
    pub fn new(runtime: Arc<dyn Runtime>, max_bytes: u64, max_files: usize) -> LogRotation {
        LogRotation { runtime, max_bytes, max_files: max_files.max(2) }
    }

    /// Rotates whatever is too large. Failures of single containers are answered together and stop nothing.
    pub async fn sweep(&self, now: Timestamp) -> Vec<RotationError> {
        let containers = match self.runtime.list_containers().await {
            Ok(containers) => containers,
            Err(source) => return vec![RotationError::Runtime { container: String::new(), source }],
        };
        let mut failures = Vec::new();
        for container in containers.iter().filter(|container| container.state == ContainerState::Running) {
            if let Err(error) = self.visit(&container.id, now).await {
                failures.push(error);
            }
        }
        failures
    }

    async fn visit(&self, container: &str, now: Timestamp) -> Result<(), RotationError> {
        let refused = |source| RotationError::Runtime { container: container.to_owned(), source };
        let status = self.runtime.container_status(container).await.map_err(refused)?;
        let path = PathBuf::from(status.log_path);
        let failed = |source| RotationError::File { path: path.clone(), source };
        let size = match tokio::fs::metadata(&path).await {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // An earlier rotation was cut off between renaming and reopening.
                return self.runtime.reopen_container_log(container).await.map_err(refused);
            }
            Err(error) => return Err(failed(error)),
        };
        if size < self.max_bytes {
            return Ok(());
        }
        let (log, max_files) = (path.clone(), self.max_files);
        let prepared = tokio::task::spawn_blocking(move || tidy(&log, max_files)).await;
        prepared.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(failed)?;
        let rotated = rotated_name(&path, now);
        tokio::fs::rename(&path, &rotated).await.map_err(failed)?;
        if let Err(source) = self.runtime.reopen_container_log(container).await {
            // The runtime still writes to the renamed file: give it back its name.
            tokio::fs::rename(&rotated, &path).await.map_err(failed)?;
            return Err(refused(source));
        }
        Ok(())
    }
}

fn rotated_name(log: &Path, now: Timestamp) -> PathBuf {
    let stamp = now.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M%S").to_string();
    with_suffix(log, &format!(".{stamp}"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes room for one more: removes leftovers and the oldest, compresses what is left.
fn tidy(log: &Path, max_files: usize) -> io::Result<()> {
    let (mut kept, leftovers) = sorted_out(older_parts(log)?);
    for leftover in leftovers {
        fs::remove_file(leftover)?;
    }
    // The log itself and the part about to be made count too.
    let most = max_files.saturating_sub(2);
    let excess = kept.len().saturating_sub(most);
    for oldest in kept.drain(..excess) {
        fs::remove_file(oldest)?;
    }
    for part in kept.iter().filter(|part| !has_suffix(part, COMPRESSED)) {
        compress(part)?;
    }
    Ok(())
}

/// Files named `<log>.…`, oldest first.
fn older_parts(log: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let prefix = format!("{name}.");
    let mut parts = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)) {
            parts.push(entry.path());
        }
    }
    parts.sort();
    Ok(parts)
}

/// Parts to keep, and leftovers of cut-off compressions: unfinished ones, and plain ones whose compressed twin exists.
fn sorted_out(parts: Vec<PathBuf>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let all = parts.clone();
    parts.into_iter().partition(|part| {
        let twin = !has_suffix(part, COMPRESSED) && all.contains(&with_suffix(part, COMPRESSED));
        !has_suffix(part, UNFINISHED) && !twin
    })
}

fn has_suffix(path: &Path, suffix: &str) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(suffix))
}

fn compress(part: &Path) -> io::Result<()> {
    let unfinished = with_suffix(part, UNFINISHED);
    let mut source = File::open(part)?;
    let mode = source.metadata()?.permissions().mode();
    let target = File::create(&unfinished)?;
    target.set_permissions(fs::Permissions::from_mode(mode))?;
    let mut encoder = GzEncoder::new(target, Compression::default());
    io::copy(&mut source, &mut encoder)?;
    encoder.finish()?;
    fs::rename(&unfinished, with_suffix(part, COMPRESSED))?;
    fs::remove_file(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("list");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    #[test]
    fn room_is_made_for_one_more() {
        let directory = tempfile::tempdir().expect("directory");
        for name in [
            "0.log",
            "0.log.20240101-000000.gz",
            "0.log.20240102-000000.gz",
            "0.log.20240103-000000",
            "0.log.20240104-000000",
            "0.log.20240104-000000.tmp",
            "0.log.20240102-000000",
            "1.log.20230101-000000",
        ] {
            fs::write(directory.path().join(name), "content").expect("write");
        }
        tidy(&directory.path().join("0.log"), 5).expect("tidied");
        assert_eq!(
            names(directory.path()),
            [
                "0.log",
                "0.log.20240102-000000.gz",
                "0.log.20240103-000000.gz",
                "0.log.20240104-000000.gz",
                "1.log.20230101-000000",
            ]
        );
    }

    #[test]
    fn parts_are_named_by_time() {
        let now: Timestamp = "2024-05-01T10:20:30Z".parse().expect("time");
        assert_eq!(rotated_name(Path::new("/x/0.log"), now), PathBuf::from("/x/0.log.20240501-102030"));
    }
}
