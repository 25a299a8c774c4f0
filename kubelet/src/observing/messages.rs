//! The termination message of an ended container: what it wrote, or the end of its log.

use std::path::Path;

use kubelet_core::observed::{TERMINATION_MESSAGE_PATH, TERMINATION_MESSAGE_POLICY};
use kubelet_core::ports::{ContainerState, ContainerStatus};

/// Longest message, in bytes.
const MAX_MESSAGE: u64 = 4096;
/// Longest end of a log taken as message, in bytes and lines.
const MAX_LOG_BYTES: u64 = 2048;
const MAX_LOG_LINES: usize = 80;

/// The status with the message an ended container left.
pub(super) async fn with_termination_message(mut status: ContainerStatus) -> ContainerStatus {
    if status.state != ContainerState::Exited {
        return status;
    }
    let annotation = |key: &str| status.annotations.get(key).cloned().unwrap_or_default();
    let path = annotation(TERMINATION_MESSAGE_PATH);
    let fallback = annotation(TERMINATION_MESSAGE_POLICY) == "FallbackToLogsOnError"
        && status.exit_code != 0
        && status.reason != "ContainerCannotRun";
    let mount = status.mounts.iter().find(|mount| !path.is_empty() && mount.container_path == path);
    let mut message = match mount {
        Some(mount) => match tail(Path::new(&mount.host_path), MAX_MESSAGE).await {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => format!("Error on reading termination log {}: {error}", mount.host_path),
        },
        None => String::new(),
    };
    if message.is_empty() && fallback {
        message = log_end(Path::new(&status.log_path)).await;
    }
    if !message.is_empty() {
        if !status.message.is_empty() {
            status.message.push_str(": ");
        }
        status.message.push_str(&message);
    }
    status
}

/// The last bytes of a file.
async fn tail(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    use tokio::io::{AsyncReadExt, AsyncSeekExt};
    let mut file = tokio::fs::File::open(path).await?;
    let length = file.metadata().await?.len();
    file.seek(std::io::SeekFrom::Start(length.saturating_sub(limit))).await?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// The last lines a container logged, without the log's own columns.
async fn log_end(path: &Path) -> String {
    // The columns before the text take some of what is read.
    let bytes = match tail(path, MAX_LOG_BYTES * 4).await {
        Ok(bytes) => bytes,
        Err(error) => return format!("Error on reading termination message from logs: {error}"),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.len().saturating_sub(MAX_LOG_LINES);
    let mut message = String::new();
    for line in lines.iter().skip(last) {
        // `<time> <stream> <F|P> <text>`; a partial line has no line end of its own.
        let mut columns = line.splitn(4, ' ');
        let (Some(_), Some("stdout" | "stderr"), Some(tag), Some(text)) =
            (columns.next(), columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        message.push_str(text);
        if tag.starts_with('F') {
            message.push('\n');
        }
    }
    let limit = usize::try_from(MAX_LOG_BYTES).unwrap_or(usize::MAX);
    let start = message.len().saturating_sub(limit);
    let start = (start..=message.len()).find(|at| message.is_char_boundary(*at)).unwrap_or(start);
    message.split_off(start)
}
