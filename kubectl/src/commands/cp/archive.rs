//! The part of the tar format that copying needs: headers with long names, both ways.

use crate::Result;
use crate::error::message;

/// Everything in an archive is in pieces of this size.
pub const BLOCK: usize = 512;
/// The longest text of an extended header that is read.
const LONGEST_TEXT: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file with content.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// Anything else; its content is passed over.
    Other,
}

/// An entry before its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its path.
    pub name: String,
    /// Permissions.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Bytes of content.
    pub size: u64,
    /// Seconds since 1970.
    pub modified: u64,
    /// What it is.
    pub kind: Kind,
    /// Where a link leads.
    pub link: String,
}

/// How many bytes fill the last block of a content.
pub fn padding(size: u64) -> usize {
    let rest = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    if rest == 0 { 0 } else { BLOCK - rest }
}

impl Header {
    /// The header's blocks; names that are too long come before it as GNU's tar writes them.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (text, kind) in [(&self.name, b'L'), (&self.link, b'K')] {
            if text.len() > 100 {
                let size = text.len() as u64 + 1;
                let long = Header { name: "././@LongLink".to_owned(), size, link: String::new(), ..self.clone() };
                bytes.extend(long.block(kind));
                bytes.extend(text.bytes());
                bytes.resize(bytes.len() + 1 + padding(size), 0);
            }
        }
        let kind = match self.kind {
            Kind::File | Kind::Other => b'0',
            Kind::Folder => b'5',
            Kind::Link => b'2',
        };
        bytes.extend(self.block(kind));
        bytes
    }

    fn block(&self, kind: u8) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| {
            for (place, byte) in block.iter_mut().skip(at).zip(bytes) {
                *place = *byte;
            }
        };
        put(0, self.name.as_bytes().get(..100).unwrap_or(self.name.as_bytes()));
        put(100, format!("{:07o}\0", self.mode & 0o7777).as_bytes());
        put(108, number(u64::from(self.owner.0), 8).as_slice());
        put(116, number(u64::from(self.owner.1), 8).as_slice());
        put(124, number(self.size, 12).as_slice());
        put(136, number(self.modified, 12).as_slice());
        put(148, b"        ");
        put(156, &[kind]);
        put(157, self.link.as_bytes().get(..100).unwrap_or(self.link.as_bytes()));
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        for (place, byte) in block.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
            *place = byte;
        }
        block
    }
}

/// An octal field, or GNU's binary form for what does not fit.
fn number(value: u64, width: usize) -> Vec<u8> {
    let text = format!("{value:0digits$o}\0", digits = width - 1);
    if text.len() == width {
        return text.into_bytes();
    }
    let mut bytes = vec![0; width];
    for (place, byte) in bytes.iter_mut().rev().zip(value.to_le_bytes()) {
        *place = byte;
    }
    if let Some(first) = bytes.first_mut() {
        *first |= 0x80;
    }
    bytes
}

/// The value of an octal or binary field.
fn read_number(field: &[u8]) -> Result<u64> {
    let corrupted = || message("archive/tar: invalid tar header");
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let (rest, low) = field.split_at(field.len().saturating_sub(8));
        if rest.iter().skip(1).any(|byte| *byte != 0) {
            return Err(corrupted());
        }
        return Ok(low.iter().enumerate().fold(0, |value, (at, byte)| {
            // In a field of eight bytes the mark is among the low ones.
            let byte = if at == 0 && rest.is_empty() { byte & 0x7f } else { *byte };
            (value << 8) | u64::from(byte)
        }));
    }
    let text: String =
        field.iter().map(|byte| char::from(*byte)).filter(|c| *c != '\0' && *c != ' ').collect();
    if text.is_empty() { Ok(0) } else { u64::from_str_radix(&text, 8).map_err(|_| corrupted()) }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
}

/// What a block of headers tells the reader to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// An entry begins; its content follows.
    Entry(Header),
    /// So many bytes of text for [`Reader::text`] follow.
    Text(u64),
    /// The archive is at its end.
    End,
}

/// Puts the headers of entries together from blocks.
#[derive(Debug, Default)]
pub struct Reader {
    name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    wanted: Option<u8>,
}

impl Reader {
    /// The next block of a header.
    pub fn block(&mut self, block: &[u8; BLOCK]) -> Result<Step> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(Step::End);
        }
        let field = |from: usize, to: usize| block.get(from..to).unwrap_or_default();
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
            .sum();
        if read_number(field(148, 156))? != sum {
            return Err(message("archive/tar: invalid tar header"));
        }
        let size = read_number(field(124, 136))?;
        let flag = field(156, 157).first().copied().unwrap_or_default();
        if matches!(flag, b'L' | b'K' | b'x' | b'g') {
            if size > LONGEST_TEXT {
                return Err(message(format!("archive/tar: a header of {size} bytes is too long")));
            }
            self.wanted = Some(flag);
            return Ok(Step::Text(size));
        }
        let mut name = text(field(0, 100));
        let prefix = text(field(345, 500));
        if field(257, 263) == b"ustar\0" && !prefix.is_empty() {
            name = format!("{prefix}/{name}");
        }
        let kind = match flag {
            b'0' | 0 | b'7' => Kind::File,
            b'5' => Kind::Folder,
            b'2' => Kind::Link,
            _ => Kind::Other,
        };
        let number = |from: usize, to: usize| {
            read_number(field(from, to)).map(|value| u32::try_from(value).unwrap_or_default())
        };
        let name = self.name.take().unwrap_or(name);
        let kind = if kind == Kind::File && name.ends_with('/') { Kind::Folder } else { kind };
        Ok(Step::Entry(Header {
            name,
            mode: number(100, 108)?,
            owner: (number(108, 116)?, number(116, 124)?),
            size: self.size.take().unwrap_or(size),
            modified: read_number(field(136, 148))?,
            kind,
            link: self.link.take().unwrap_or_else(|| text(field(157, 257))),
        }))
    }

    /// The text a [`Step::Text`] announced, without padding.
    pub fn text(&mut self, bytes: &[u8]) {
        match self.wanted.take() {
            Some(b'L') => self.name = Some(text(bytes)),
            Some(b'K') => self.link = Some(text(bytes)),
            Some(b'x') => self.records(bytes),
            // Records for all entries say nothing a copy needs.
            _ => {}
        }
    }

    /// Records of POSIX headers: `length key=value` and a line break each.
    fn records(&mut self, mut bytes: &[u8]) {
        while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
            let length = bytes.get(..space).and_then(|text| std::str::from_utf8(text).ok()?.parse::<usize>().ok());
            let Some(length) = length.filter(|length| *length > space && *length <= bytes.len()) else { return };
            let record = bytes.get(space + 1..length - 1).unwrap_or_default();
            let record = String::from_utf8_lossy(record);
            match record.split_once('=') {
                Some(("path", value)) => self.name = Some(value.to_owned()),
                Some(("linkpath", value)) => self.link = Some(value.to_owned()),
                Some(("size", value)) => self.size = value.parse().ok(),
                _ => {}
            }
            bytes = bytes.get(length..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, link: &str) -> Header {
        Header {
            name: name.to_owned(),
            mode: 0o755,
            owner: (1000, 5_000_000),
            size: 600,
            modified: 1_700_000_000,
            kind: if link.is_empty() { Kind::File } else { Kind::Link },
            link: link.to_owned(),
        }
    }

    /// Reads the headers back as a reader of an archive would.
    fn decode(bytes: &[u8]) -> Result<Header> {
        let (mut reader, mut rest) = (Reader::default(), bytes);
        loop {
            let (block, after) = rest.split_at(BLOCK);
            rest = after;
            match reader.block(block.try_into().expect("a block"))? {
                Step::Entry(header) => return Ok(header),
                Step::End => return Err(message("the end")),
                Step::Text(size) => {
                    let length = usize::try_from(size).expect("short");
                    reader.text(&rest[..length]);
                    rest = &rest[length + padding(size)..];
                }
            }
        }
    }

    #[test]
    fn headers_come_back_as_they_were() {
        let long = "d/".repeat(90);
        for (name, link) in [("a", ""), (long.as_str(), long.as_str()), ("a", "b"), (&format!("{long}x"), "")] {
            let whole = header(name, link);
            let made = decode(&whole.encode()).expect("sound");
            let expected = if name.ends_with('/') && link.is_empty() { Kind::Folder } else { whole.kind };
            assert_eq!(made, Header { kind: expected, ..whole });
        }
        assert_eq!(read_number(&number(1 << 40, 12)).ok(), Some(1 << 40));
    }

    #[test]
    fn other_writers_are_understood() {
        let mut reader = Reader { wanted: Some(b'x'), ..Reader::default() };
        reader.text("16 path=ab/cdef\n11 size=70\n".as_bytes());
        assert_eq!((reader.name.as_deref(), reader.size), (Some("ab/cdef"), Some(70)));
        let mut broken: [u8; BLOCK] = header("a", "").encode().try_into().expect("one block");
        broken[0] = b'b';
        assert!(Reader::default().block(&broken).is_err());
        assert_eq!(Reader::default().block(&[0; BLOCK]).ok(), Some(Step::End));
        assert_eq!((padding(0), padding(512), padding(513)), (0, 0, 511));
    }
}
