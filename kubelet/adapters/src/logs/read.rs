//! Reads a container's log as `kubectl logs` wants it.

use std::io::{self, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncSeekExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::line::{Stream, fixed_width, parse};
use super::watch::Watch;

/// Bytes collected before they are handed on; less when the file ends.
const BATCH: usize = 32 << 10;

/// Lines longer than this are no lines of a runtime (those are cut at 16 KiB); the file is damaged.
const MAX_LINE_BYTES: usize = 1 << 20;

/// How often a silent container is asked whether it still runs.
const STATE_CHECK: Duration = Duration::from_secs(1);

/// Which outputs are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogStreams {
    /// Both, in the order they were written.
    #[default]
    All,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What of a log is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// At most so many lines from the end; all when `None`.
    pub tail_lines: Option<u64>,
    /// Nothing older.
    pub since: Option<Timestamp>,
    /// At most so many bytes are given out.
    pub limit_bytes: Option<u64>,
    /// Puts the time before each line.
    pub timestamps: bool,
    /// Goes on until the container ends.
    pub follow: bool,
    /// Which outputs.
    pub streams: LogStreams,
}

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file, or what it links to, is not there.
    #[error("failed to try resolving symlinks in path {path:?}: {source}")]
    Resolve {
        /// The path as asked for.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Reading failed.
    #[error("failed to read log file {path:?}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No line of CRI's format.
    #[error("log file {path:?} is not in the format of CRI: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with a line.
        reason: &'static str,
    },
}

/// Knows whether a container may still write to its log.
#[async_trait]
pub trait StillWriting: Send + Sync {
    /// False when the container ended; a container not started yet may still write.
    async fn still_writing(&self) -> bool;
}

/// Reads the log at `path` into `output`. When following, `writing` is asked from time to time whether more may come.
/// A closed `output` ends the reading without error.
///
/// # Errors
/// See [`LogError`]; single malformed lines are skipped, a file that begins with one is refused.
pub async fn read(
    path: &Path,
    options: &LogOptions,
    writing: &dyn StillWriting,
    output: &mpsc::Sender<Bytes>,
) -> Result<(), LogError> {
    // Some runtimes put a link here; its directory is the one to watch.
    let path = tokio::fs::canonicalize(path)
        .await
        .map_err(|source| LogError::Resolve { path: path.to_owned(), source })?;
    let failed = |source| LogError::Read { path: path.clone(), source };
    let mut file = File::open(&path).await.map_err(failed)?;
    let start = match options.tail_lines {
        Some(lines) => super::tail::start_of_last(&mut file, lines).await.map_err(failed)?,
        None => 0,
    };
    file.seek(SeekFrom::Start(start)).await.map_err(failed)?;
    let mut inode = file.metadata().await.map_err(failed)?.ino();
    let mut reader = BufReader::with_capacity(BATCH, file);
    let mut writer = Writer::new(options, output);
    let mut remaining = options.tail_lines.filter(|_| !options.follow);
    let mut following: Option<Following> = None;
    let mut line = Vec::new();
    let mut any_parsed = false;
    loop {
        if remaining == Some(0) || writer.is_done() {
            writer.flush().await;
            return Ok(());
        }
        reader.read_until(b'\n', &mut line).await.map_err(failed)?;
        let complete = line.ends_with(b"\n");
        if !complete && options.follow {
            writer.flush().await;
            let state = following.get_or_insert_with(|| Following::start(&path));
            match state.at_end(&path, inode, writing, output).await {
                // What there is of the line stays and is completed by the next read.
                Next::Read => continue,
                Next::Reopened(file, new_inode) => {
                    // A line cut by the rotation is lost, as the runtime lost it.
                    line.clear();
                    reader = BufReader::with_capacity(BATCH, file);
                    inode = new_inode;
                    continue;
                }
                Next::Finish => {}
            }
        }
        if !complete && line.is_empty() {
            writer.flush().await;
            return Ok(());
        }
        if line.len() > MAX_LINE_BYTES {
            return Err(LogError::Format { path, reason: "line is too long" });
        }
        match parse(&line) {
            Ok(parsed) => {
                any_parsed = true;
                writer.write(&parsed);
                if writer.is_full() {
                    writer.flush().await;
                }
                remaining = remaining.map(|remaining| remaining.saturating_sub(1));
            }
            Err(reason) if !any_parsed => return Err(LogError::Format { path, reason }),
            Err(reason) => {
                tracing::debug!(path = %path.display(), reason, "malformed line in a container's log")
            }
        }
        line.clear();
        if !complete {
            writer.flush().await;
            return Ok(());
        }
    }
}

/// What to do at the end of a file that is followed.
enum Next {
    /// Read again.
    Read,
    /// Read the file that took its place.
    Reopened(File, u64),
    /// The container ended and everything was read.
    Finish,
}

struct Following {
    watch: Watch,
    checked: Instant,
    /// The container ended: the next end of the file is the last.
    ended: bool,
    /// The watch was just made: something may have come before it.
    fresh: bool,
}

impl Following {
    fn start(path: &Path) -> Following {
        let directory = path.parent().unwrap_or(Path::new("/"));
        Following {
            watch: Watch::of_directory(directory),
            checked: Instant::now(),
            ended: false,
            fresh: true,
        }
    }

    async fn at_end(
        &mut self,
        path: &Path,
        inode: u64,
        writing: &dyn StillWriting,
        output: &mpsc::Sender<Bytes>,
    ) -> Next {
        if std::mem::take(&mut self.fresh) {
            self.ended = !writing.still_writing().await;
            return Next::Read;
        }
        if let Ok(file) = File::open(path).await
            && let Ok(metadata) = file.metadata().await
            && metadata.ino() != inode
        {
            return Next::Reopened(file, metadata.ino());
        }
        if self.ended {
            return Next::Finish;
        }
        tokio::select! {
            // Only looks; nothing is lost when the reader goes first.
            () = self.watch.changed() => {}
            // The reader is gone; the writer notices.
            () = output.closed() => {
                self.ended = true;
                return Next::Finish;
            }
        }
        if self.checked.elapsed() >= STATE_CHECK {
            self.checked = Instant::now();
            self.ended = !writing.still_writing().await;
        }
        Next::Read
    }
}

/// Lines on their way out.
struct Writer<'a> {
    options: &'a LogOptions,
    output: &'a mpsc::Sender<Bytes>,
    batch: Vec<u8>,
    left: u64,
    /// The next line begins a line of output, and so gets a time.
    at_line_start: bool,
    closed: bool,
}

impl<'a> Writer<'a> {
    fn new(options: &'a LogOptions, output: &'a mpsc::Sender<Bytes>) -> Writer<'a> {
        let left = options.limit_bytes.unwrap_or(u64::MAX);
        Writer { options, output, batch: Vec::new(), left, at_line_start: true, closed: false }
    }

    fn write(&mut self, line: &super::line::Line<'_>) {
        let begins = std::mem::replace(&mut self.at_line_start, line.text.ends_with(b"\n"));
        let wanted = match self.options.streams {
            LogStreams::All => true,
            LogStreams::Stdout => line.stream == Stream::Stdout,
            LogStreams::Stderr => line.stream == Stream::Stderr,
        };
        if !wanted || self.options.since.is_some_and(|since| line.time < since) {
            return;
        }
        if self.options.timestamps && begins {
            let mut time = fixed_width(line.time_text);
            time.push(' ');
            self.append(time.as_bytes());
        }
        self.append(line.text);
    }

    fn append(&mut self, bytes: &[u8]) {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        self.batch.extend_from_slice(bytes.get(..most).unwrap_or_default());
        self.left -= most as u64;
    }

    fn is_full(&self) -> bool {
        self.batch.len() >= BATCH
    }

    fn is_done(&self) -> bool {
        self.left == 0 || self.closed
    }

    async fn flush(&mut self) {
        if !self.batch.is_empty() {
            let batch = Bytes::from(std::mem::take(&mut self.batch));
            self.closed = self.output.send(batch).await.is_err();
        }
    }
}
