//! Reads tar files as a stream: plain, ustar, GNU long names and pax headers; file contents only.

use std::io::{self, Read};

const BLOCK: usize = 512;

/// A pax header or long name larger than this is refused rather than read into memory.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// A regular file in the archive; its content is read next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Path without leading `./` and `/`.
    pub path: String,
    /// Bytes of content.
    pub size: u64,
}

/// A tar stream. Between two entries the unread rest of the first is skipped.
#[derive(Debug)]
pub(super) struct Archive<R> {
    source: R,
    /// Content bytes of the current entry not yet read.
    unread: u64,
    /// Padding after the current entry.
    padding: u64,
}

impl<R: Read> Archive<R> {
    pub(super) fn new(source: R) -> Archive<R> {
        Archive { source, unread: 0, padding: 0 }
    }

    /// The next regular file; `None` at the end.
    ///
    /// # Errors
    /// `InvalidData` for a damaged header, `UnexpectedEof` for a cut file.
    pub(super) fn next_file(&mut self) -> io::Result<Option<Entry>> {
        let (mut long_path, mut long_size) = (None, None);
        loop {
            self.skip_rest()?;
            let mut header = [0_u8; BLOCK];
            if !self.read_header(&mut header)? {
                return Ok(None);
            }
            let size = number(field(&header, 124, 12))?;
            self.begin(size);
            match header[156] {
                b'x' => {
                    let (path, size) = pax(&self.read_small()?)?;
                    long_path = path.or(long_path);
                    long_size = size.or(long_size);
                }
                b'L' => long_path = Some(text(&self.read_small()?)),
                b'0' | 0 | b'7' => {
                    if let Some(size) = long_size {
                        self.begin(size);
                    }
                    let path = long_path.unwrap_or_else(|| short_path(&header));
                    let path = path.trim_start_matches("./").trim_start_matches('/').to_owned();
                    return Ok(Some(Entry { path, size: self.unread }));
                }
                // Directories, links and global headers carry nothing we need.
                _ => (long_path, long_size) = (None, None),
            }
        }
    }

    /// Reads the current entry's content; zero bytes at its end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.unread).unwrap_or(usize::MAX).min(buffer.len());
        let Some(target) = buffer.get_mut(..most).filter(|target| !target.is_empty()) else { return Ok(0) };
        let count = self.source.read(target)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "archive ends inside a file"));
        }
        self.unread = self.unread.saturating_sub(count as u64);
        Ok(count)
    }

    /// Reads the whole current entry, which must not be larger than a header may be.
    pub(super) fn read_small(&mut self) -> io::Result<Vec<u8>> {
        if self.unread > MAX_HEADER_BYTES {
            return Err(invalid("entry too large to hold in memory"));
        }
        let mut content = vec![0; usize::try_from(self.unread).unwrap_or_default()];
        self.source.read_exact(&mut content)?;
        self.unread = 0;
        Ok(content)
    }

    fn begin(&mut self, size: u64) {
        self.unread = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        let rest = self.unread.saturating_add(self.padding);
        let skipped = io::copy(&mut (&mut self.source).take(rest), &mut io::sink())?;
        if skipped < self.unread {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "archive ends inside a file"));
        }
        (self.unread, self.padding) = (0, 0);
        Ok(())
    }

    /// Reads a header block; false at the end of the archive (a block of zeros, or the end of the file).
    fn read_header(&mut self, header: &mut [u8; BLOCK]) -> io::Result<bool> {
        let mut have = 0;
        while have < BLOCK {
            match self.source.read(&mut header[have..])? {
                0 if have == 0 => return Ok(false),
                0 => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "archive ends inside a header"));
                }
                count => have += count,
            }
        }
        if header.iter().all(|byte| *byte == 0) {
            return Ok(false);
        }
        let sum: u64 = header
            .iter()
            .enumerate()
            .map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte }))
            .sum();
        if number(field(header, 148, 8))? != sum {
            return Err(invalid("header checksum differs: not a tar file"));
        }
        Ok(true)
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.to_owned())
}

fn field(header: &[u8; BLOCK], at: usize, length: usize) -> &[u8] {
    header.get(at..at + length).unwrap_or_default()
}

/// Text up to the first NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

fn short_path(header: &[u8; BLOCK]) -> String {
    let name = text(field(header, 0, 100));
    let prefix =
        if field(header, 257, 5) == b"ustar" { text(field(header, 345, 155)) } else { String::new() };
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

/// An octal number, or a big-endian binary one when its first bit is set (GNU).
fn number(bytes: &[u8]) -> io::Result<u64> {
    if let Some((first, rest)) = bytes.split_first().filter(|(first, _)| **first & 0x80 != 0) {
        return rest
            .iter()
            .try_fold(u64::from(first & 0x7f), |sum, byte| {
                sum.checked_mul(256).map(|sum| sum + u64::from(*byte))
            })
            .ok_or_else(|| invalid("number in header is too large"));
    }
    let digits = text(bytes);
    let digits = digits.trim();
    if digits.is_empty() {
        return Ok(0);
    }
    u64::from_str_radix(digits, 8).map_err(|_| invalid("number in header is not octal"))
}

/// Path and size from pax records, each `<length> <key>=<value>\n`.
fn pax(mut records: &[u8]) -> io::Result<(Option<String>, Option<u64>)> {
    let damaged = || invalid("damaged pax header");
    let (mut path, mut size) = (None, None);
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ').ok_or_else(damaged)?;
        let length: usize = text(records.get(..space).unwrap_or_default()).parse().map_err(|_| damaged())?;
        let record = records.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n"));
        let record = String::from_utf8_lossy(record.ok_or_else(damaged)?).into_owned();
        match record.split_once('=') {
            Some(("path", value)) => path = Some(value.to_owned()),
            Some(("size", value)) => size = Some(value.parse().map_err(|_| damaged())?),
            Some(_) => {}
            None => return Err(damaged()),
        }
        records = records.get(length..).ok_or_else(damaged)?;
    }
    Ok((path, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tar::{append, finish};

    fn names_and_contents(bytes: &[u8]) -> io::Result<Vec<(String, String)>> {
        let mut archive = Archive::new(bytes);
        let mut found = Vec::new();
        while let Some(entry) = archive.next_file()? {
            let mut content = String::new();
            let mut buffer = [0; 7];
            loop {
                match archive.read(&mut buffer)? {
                    0 => break,
                    count => content.push_str(&String::from_utf8_lossy(&buffer[..count])),
                }
            }
            found.push((entry.path, content));
        }
        Ok(found)
    }

    fn pair(path: &str, content: &str) -> (String, String) {
        (path.to_owned(), content.to_owned())
    }

    #[test]
    fn files_in_order() {
        let mut bytes = Vec::new();
        append(&mut bytes, "./index.json", b'0', 0o644, b"{}");
        append(&mut bytes, "blobs/", b'5', 0o755, b"");
        append(&mut bytes, "blobs/a", b'0', 0o644, "x".repeat(513).as_bytes());
        finish(&mut bytes);
        assert_eq!(
            names_and_contents(&bytes).expect("sound"),
            [pair("index.json", "{}"), pair("blobs/a", &"x".repeat(513))]
        );
    }

    #[test]
    fn long_names_of_both_kinds() {
        let mut bytes = Vec::new();
        append(&mut bytes, "head", b'x', 0o644, b"20 path=from/a/pax/\n");
        append(&mut bytes, "short", b'0', 0o644, b"1");
        append(&mut bytes, "././@LongLink", b'L', 0o644, b"from/gnu\0");
        append(&mut bytes, "short", b'0', 0o644, b"2");
        append(&mut bytes, "short", b'0', 0o644, b"3");
        finish(&mut bytes);
        assert_eq!(
            names_and_contents(&bytes).expect("sound"),
            [pair("from/a/pax/", "1"), pair("from/gnu", "2"), pair("short", "3")]
        );
    }

    #[test]
    fn damage_is_an_error() {
        let mut bytes = Vec::new();
        append(&mut bytes, "a", b'0', 0o644, &[b'x'; 600]);
        assert!(names_and_contents(&bytes[..700]).is_err());
        assert!(names_and_contents(&bytes[..100]).is_err());
        bytes[0] = b'b';
        assert!(names_and_contents(&bytes).is_err());
    }
}
