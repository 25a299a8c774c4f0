//! The protobuf wire format: a cursor that reads it and a buffer that is written back to front.
//!
//! Writing backwards (as gogo-protobuf does) needs no length to be known in advance: a message's
//! fields are put first, last field first, then its length, then its tag.

use thiserror::Error;

/// Why bytes could not be read as protobuf.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WireError {
    /// The bytes end inside a value.
    #[error("unexpected end of protobuf data at byte {0}")]
    Truncated(usize),
    /// A varint has more than ten bytes.
    #[error("varint at byte {0} is longer than 10 bytes")]
    Varint(usize),
    /// A wire type other than 0, 1, 2 and 5, or one which does not fit the field.
    #[error("wire type {wire} at byte {at} does not fit the field")]
    WireType {
        /// The wire type found.
        wire: u8,
        /// Offset of the value.
        at: usize,
    },
    /// Text which is not UTF-8.
    #[error("string at byte {0} is not UTF-8")]
    Utf8(usize),
    /// Messages nested deeper than [`MAX_DEPTH`].
    #[error("messages are nested deeper than {MAX_DEPTH} levels")]
    Depth,
}

/// Deepest nesting that is read; deeper input is refused rather than risking the stack.
pub const MAX_DEPTH: usize = 100;

/// Wire type of varints.
pub const VARINT: u8 = 0;
/// Wire type of 8-byte values.
pub const FIXED64: u8 = 1;
/// Wire type of length-delimited values.
pub const BYTES: u8 = 2;
/// Wire type of 4-byte values.
pub const FIXED32: u8 = 5;

/// Reads protobuf from a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Offset of the next byte.
    pub fn position(&self) -> usize {
        self.at
    }

    /// True when nothing is left.
    pub fn is_empty(&self) -> bool {
        self.at >= self.data.len()
    }

    /// Next field's number and wire type, or `None` at the end.
    pub fn tag(&mut self) -> Result<Option<(u32, u8)>, WireError> {
        if self.is_empty() {
            return Ok(None);
        }
        let at = self.at;
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| WireError::Varint(at))?;
        Ok(Some((number, (tag & 7) as u8)))
    }

    /// A varint.
    pub fn varint(&mut self) -> Result<u64, WireError> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = *self.data.get(self.at).ok_or(WireError::Truncated(start))?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift.min(63);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Varint(start))
    }

    /// A length-delimited value.
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let start = self.at;
        let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated(start))?;
        let end = self.at.checked_add(length).ok_or(WireError::Truncated(start))?;
        let value = self.data.get(self.at..end).ok_or(WireError::Truncated(start))?;
        self.at = end;
        Ok(value)
    }

    /// An 8-byte little-endian value.
    pub fn fixed64(&mut self) -> Result<u64, WireError> {
        let value = self
            .data
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<8>())
            .ok_or(WireError::Truncated(self.at))?;
        self.at += 8;
        Ok(u64::from_le_bytes(*value))
    }

    /// Steps over a value of the given wire type.
    pub fn skip(&mut self, wire: u8) -> Result<(), WireError> {
        let at = self.at;
        match wire {
            VARINT => self.varint().map(drop),
            FIXED64 => self.fixed64().map(drop),
            BYTES => self.bytes().map(drop),
            FIXED32 => {
                self.data.get(self.at..self.at + 4).ok_or(WireError::Truncated(at))?;
                self.at += 4;
                Ok(())
            }
            _ => Err(WireError::WireType { wire, at }),
        }
    }

    /// A varint, refusing any other wire type.
    pub fn expect_varint(&mut self, wire: u8) -> Result<u64, WireError> {
        if wire == VARINT { self.varint() } else { Err(WireError::WireType { wire, at: self.at }) }
    }

    /// A length-delimited value, refusing any other wire type.
    pub fn expect_bytes(&mut self, wire: u8) -> Result<&'a [u8], WireError> {
        if wire == BYTES { self.bytes() } else { Err(WireError::WireType { wire, at: self.at }) }
    }

    /// Text, refusing any other wire type.
    pub fn expect_str(&mut self, wire: u8) -> Result<&'a str, WireError> {
        let at = self.at;
        std::str::from_utf8(self.expect_bytes(wire)?).map_err(|_| WireError::Utf8(at))
    }

    /// A float, refusing any other wire type.
    pub fn expect_double(&mut self, wire: u8) -> Result<f64, WireError> {
        if wire == FIXED64 {
            Ok(f64::from_bits(self.fixed64()?))
        } else {
            Err(WireError::WireType { wire, at: self.at })
        }
    }
}

/// A buffer filled from its end towards its start.
#[derive(Debug, Default)]
pub struct Writer {
    /// Free bytes, then the written ones.
    buffer: Vec<u8>,
    /// Where the written bytes begin.
    start: usize,
}

impl Writer {
    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { buffer: vec![0; capacity], start: capacity }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// True before the first byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The written bytes, in reading order.
    pub fn into_vec(mut self) -> Vec<u8> {
        self.buffer.drain(..self.start);
        self.buffer
    }

    /// Puts bytes before everything written so far.
    pub fn put_slice(&mut self, bytes: &[u8]) {
        if self.start < bytes.len() {
            self.grow(bytes.len());
        }
        let from = self.start - bytes.len();
        self.buffer[from..self.start].copy_from_slice(bytes);
        self.start = from;
    }

    fn grow(&mut self, more: usize) {
        let used = self.len();
        let capacity = (self.buffer.len() * 2).max(used + more).max(64);
        let mut larger = vec![0; capacity];
        larger[capacity - used..].copy_from_slice(&self.buffer[self.start..]);
        self.buffer = larger;
        self.start = capacity - used;
    }

    /// Puts a varint.
    pub fn put_varint(&mut self, mut value: u64) {
        let mut scratch = [0u8; 10];
        let mut length = 0;
        loop {
            let byte = (value & 0x7f) as u8;
            value >>= 7;
            scratch[length] = if value == 0 { byte } else { byte | 0x80 };
            length += 1;
            if value == 0 {
                break;
            }
        }
        self.put_slice(&scratch[..length]);
    }

    /// Puts a field's tag.
    pub fn put_tag(&mut self, number: u32, wire: u8) {
        self.put_varint(u64::from(number) << 3 | u64::from(wire));
    }

    /// Puts a whole varint field.
    pub fn put_varint_field(&mut self, number: u32, value: u64) {
        self.put_varint(value);
        self.put_tag(number, VARINT);
    }

    /// Puts a whole length-delimited field.
    pub fn put_bytes_field(&mut self, number: u32, value: &[u8]) {
        self.put_slice(value);
        self.put_varint(value.len() as u64);
        self.put_tag(number, BYTES);
    }

    /// Puts a whole float field.
    pub fn put_double_field(&mut self, number: u32, value: f64) {
        self.put_slice(&value.to_bits().to_le_bytes());
        self.put_tag(number, FIXED64);
    }

    /// Closes a nested message whose fields were put since `mark = self.len()`.
    pub fn close_field(&mut self, number: u32, mark: usize) {
        let length = self.len() - mark;
        self.put_varint(length as u64);
        self.put_tag(number, BYTES);
    }
}

/// Appends a varint to a buffer written front to back.
pub fn append_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a tag to a buffer written front to back.
pub fn append_tag(out: &mut Vec<u8>, number: u32, wire: u8) {
    append_varint(out, u64::from(number) << 3 | u64::from(wire));
}

/// Appends a whole length-delimited field to a buffer written front to back.
pub fn append_bytes_field(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    append_tag(out, number, BYTES);
    append_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut writer = Writer::default();
            let mark = writer.len();
            writer.put_varint_field(2, value);
            writer.put_bytes_field(1, b"abc");
            writer.close_field(7, mark);
            let bytes = writer.into_vec();
            let mut outer = Reader::new(&bytes);
            assert_eq!(outer.tag(), Ok(Some((7, BYTES))));
            let mut inner = Reader::new(outer.bytes().unwrap());
            assert_eq!(inner.tag(), Ok(Some((1, BYTES))));
            assert_eq!(inner.bytes(), Ok(&b"abc"[..]));
            assert_eq!(inner.tag(), Ok(Some((2, VARINT))));
            assert_eq!(inner.varint(), Ok(value));
            assert_eq!(inner.tag(), Ok(None));
        }
    }

    #[test]
    fn cut_bytes_are_refused() {
        assert_eq!(Reader::new(&[0x0a, 5, b'a']).clone().tag().map(|_| ()), Ok(()));
        let mut reader = Reader::new(&[5, b'a']);
        assert_eq!(reader.bytes(), Err(WireError::Truncated(0)));
        assert_eq!(Reader::new(&[0xff; 11]).varint(), Err(WireError::Varint(0)));
    }
}
