//! Local files as an archive, written piece by piece.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::archive::{BLOCK, Header, Kind, padding};
use super::paths;
use crate::Result;
use crate::error::message;

/// Bytes read at once.
const BUFFER: usize = 64 * 1024;

/// Local path and name in the archive of everything below `source`, folders only when they are empty.
pub fn entries(source: &str, target: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let name = paths::split(target).1;
    walk(Path::new(source), &name, &mut found)?;
    Ok(found)
}

fn walk(path: &Path, name: &str, found: &mut Vec<(String, String)>) -> Result<()> {
    let failed = |error: std::io::Error| message(format!("{}: {error}", path.display()));
    let is_folder = std::fs::symlink_metadata(path).map_err(failed)?.is_dir();
    let mut below = Vec::new();
    if is_folder {
        for entry in std::fs::read_dir(path).map_err(failed)? {
            below.push(entry.map_err(failed)?.path());
        }
        below.sort();
    }
    if below.is_empty() {
        found.push((path.display().to_string(), name.to_owned()));
    }
    for path in below {
        let last = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        walk(&path, &format!("{name}/{last}"), found)?;
    }
    Ok(())
}

/// Writes the archive and its end.
pub async fn write(entries: &[(String, String)], out: &mut (impl AsyncWrite + Unpin)) -> Result<()> {
    for (path, name) in entries {
        one(path, name, out).await?;
    }
    out.write_all(&[0; 2 * BLOCK]).await?;
    out.shutdown().await?;
    Ok(())
}

async fn one(path: &str, name: &str, out: &mut (impl AsyncWrite + Unpin)) -> Result<()> {
    let failed = |error: std::io::Error| message(format!("{path}: {error}"));
    let meta = std::fs::symlink_metadata(path).map_err(failed)?;
    let kind = if meta.is_dir() {
        Kind::Folder
    } else if meta.is_symlink() {
        Kind::Link
    } else {
        Kind::File
    };
    let link = match kind {
        Kind::Link => std::fs::read_link(path).map_err(failed)?.display().to_string(),
        _ => String::new(),
    };
    let header = Header {
        name: if kind == Kind::Folder { format!("{name}/") } else { name.to_owned() },
        mode: meta.mode(),
        owner: (meta.uid(), meta.gid()),
        size: if kind == Kind::File { meta.len() } else { 0 },
        modified: u64::try_from(meta.mtime()).unwrap_or_default(),
        kind,
        link,
    };
    out.write_all(&header.encode()).await?;
    if kind != Kind::File {
        return Ok(());
    }
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?.take(header.size);
    let (mut left, mut buffer) = (header.size, vec![0; BUFFER]);
    while left > 0 {
        let count = file.read(&mut buffer).await.map_err(failed)?;
        if count == 0 {
            return Err(message(format!("{path} became shorter while it was copied: {left} bytes are missing")));
        }
        out.write_all(buffer.get(..count).unwrap_or_default()).await?;
        left = left.saturating_sub(count as u64);
    }
    Ok(out.write_all(&vec![0; padding(header.size)]).await?)
}
