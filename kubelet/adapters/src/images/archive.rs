//! Archive files: opened, unpacked when gzipped, cut into pieces for the content store.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use super::layout::{self, Index};
use super::tar::Archive;

/// Bytes of a blob sent in one message; well below containerd's limit.
const CHUNK: usize = 1 << 20;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What the reading thread finds, in the order of the file.
#[derive(Debug)]
pub(super) enum Piece {
    /// A blob begins.
    Blob {
        /// Such as `sha256:…`, from its path.
        digest: String,
        /// Bytes.
        size: u64,
    },
    /// More of the current blob.
    Data(Bytes),
    /// The layout's `index.json`.
    Index(Index),
}

/// Reads the whole archive and hands over its pieces; stops early when `deliver` says false.
pub(super) fn read_pieces(path: &Path, mut deliver: impl FnMut(Piece) -> bool) -> io::Result<()> {
    let mut archive = open(path)?;
    while let Some(entry) = archive.next_file()? {
        if entry.path == "index.json" {
            let index = serde_json::from_slice(&archive.read_small()?).map_err(io::Error::other)?;
            if !deliver(Piece::Index(index)) {
                return Ok(());
            }
        } else if let Some(digest) = layout::blob_digest(&entry.path) {
            if !deliver(Piece::Blob { digest, size: entry.size }) {
                return Ok(());
            }
            loop {
                let chunk = read_chunk(&mut archive)?;
                if chunk.is_empty() {
                    break;
                }
                if !deliver(Piece::Data(chunk)) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Full names of the images in an archive, sorted, without importing anything. Blocks on file input.
///
/// # Errors
/// The file cannot be read, is no tar file, or has no `index.json`.
pub fn image_names(path: &Path) -> io::Result<Vec<String>> {
    let mut archive = open(path)?;
    while let Some(entry) = archive.next_file()? {
        if entry.path == "index.json" {
            let index: Index = serde_json::from_slice(&archive.read_small()?).map_err(io::Error::other)?;
            let mut names: Vec<String> =
                index.manifests.iter().filter_map(layout::Descriptor::image_name).collect();
            names.sort();
            names.dedup();
            return Ok(names);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "no index.json in the archive: not an OCI image layout"))
}

fn open(path: &Path) -> io::Result<Archive<Box<dyn Read>>> {
    let mut file = BufReader::with_capacity(CHUNK, File::open(path)?);
    let gzipped = io::BufRead::fill_buf(&mut file)?.starts_with(&GZIP_MAGIC);
    let source: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    Ok(Archive::new(source))
}

fn read_chunk(archive: &mut Archive<Box<dyn Read>>) -> io::Result<Bytes> {
    let mut chunk = vec![0; CHUNK];
    let mut have = 0;
    while let Some(rest) = chunk.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match archive.read(rest)? {
            0 => break,
            count => have += count,
        }
    }
    chunk.truncate(have);
    Ok(chunk.into())
}
