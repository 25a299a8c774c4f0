//! The audit log on disk: JSON lines in a file that is rotated by size, or on standard output.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

/// When and how files are rotated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rotation {
    /// Megabytes after which a new file is begun; 0 stands for 100.
    pub max_size_megabytes: u64,
    /// Old files kept; 0 keeps all.
    pub max_backups: usize,
    /// Days old files are kept; 0 keeps them for ever.
    pub max_age_days: u64,
}

const DEFAULT_MEGABYTES: u64 = 100;
const MEGABYTE: u64 = 1024 * 1024;

/// Where lines go.
pub struct LogFile {
    target: Mutex<Target>,
}

enum Target {
    StandardOutput,
    File { path: PathBuf, file: File, size: u64, rotation: Rotation },
}

impl LogFile {
    /// Opens the log; `-` is standard output.
    pub fn open(path: &str, rotation: Rotation) -> io::Result<LogFile> {
        if path == "-" {
            return Ok(LogFile { target: Mutex::new(Target::StandardOutput) });
        }
        let path = PathBuf::from(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = append_to(&path)?;
        let size = file.metadata()?.len();
        Ok(LogFile { target: Mutex::new(Target::File { path, file, size, rotation }) })
    }

    /// Writes one line, which must end in a line feed.
    pub fn write(&self, line: &[u8]) -> io::Result<()> {
        match &mut *self.target.lock() {
            Target::StandardOutput => io::stdout().lock().write_all(line),
            Target::File { path, file, size, rotation } => {
                let limit = match rotation.max_size_megabytes {
                    0 => DEFAULT_MEGABYTES,
                    megabytes => megabytes,
                } * MEGABYTE;
                if *size + line.len() as u64 > limit && *size > 0 {
                    std::fs::rename(&*path, backup_name(path, SystemTime::now()))?;
                    *file = append_to(path)?;
                    *size = 0;
                    remove_old(path, rotation);
                }
                file.write_all(line)?;
                *size += line.len() as u64;
                Ok(())
            }
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// `audit.log` becomes `audit-2030-01-02T03-04-05.678.log`.
fn backup_name(path: &Path, now: SystemTime) -> PathBuf {
    let stamp = jiff::Timestamp::try_from(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let stamp = stamp.strftime("%Y-%m-%dT%H-%M-%S%.3f");
    let (stem, extension) = name_parts(path);
    path.with_file_name(format!("{stem}-{stamp}{extension}"))
}

fn name_parts(path: &Path) -> (String, String) {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    (stem, extension)
}

fn remove_old(path: &Path, rotation: &Rotation) {
    let (stem, extension) = name_parts(path);
    let Some(folder) = path.parent() else { return };
    let mut backups: Vec<(SystemTime, PathBuf)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_prefix(&format!("{stem}-")).is_some_and(|rest| rest.ends_with(&extension))
        })
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    backups.sort_by(|a, b| b.cmp(a));
    let oldest = SystemTime::now().checked_sub(Duration::from_secs(rotation.max_age_days * 24 * 60 * 60));
    for (index, (modified, backup)) in backups.iter().enumerate() {
        let too_many = rotation.max_backups > 0 && index >= rotation.max_backups;
        let too_old = rotation.max_age_days > 0 && oldest.is_some_and(|oldest| *modified < oldest);
        if (too_many || too_old)
            && let Err(error) = std::fs::remove_file(backup)
        {
            tracing::warn!(%error, file = %backup.display(), "removing an old audit log failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_rotated_by_size_and_old_ones_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/audit.log");
        let rotation = Rotation { max_size_megabytes: 1, max_backups: 1, max_age_days: 0 };
        let log = LogFile::open(path.to_str().unwrap(), rotation).unwrap();
        let line = vec![b'x'; 700 * 1024];
        for _ in 0..3 {
            log.write(&line).unwrap();
            // Names of backups have milliseconds; two in one would be one file.
            while backup_name(&path, SystemTime::now()).exists() {
                std::thread::yield_now();
            }
        }
        let names: Vec<String> = std::fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), line.len() as u64);
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }
}
