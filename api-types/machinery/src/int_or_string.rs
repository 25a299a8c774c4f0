//! `intstr.IntOrString`: a number or a text, most often a port or a percentage.

use std::fmt;

use crate::wire::{Reader, WireError, Writer};

/// A number or a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IntOrString {
    /// A number.
    Int(i32),
    /// A text, such as a port's name or `25%`.
    String(String),
}

impl Default for IntOrString {
    fn default() -> Self {
        Self::Int(0)
    }
}

impl IntOrString {
    /// Puts the fields of the protobuf message: type (0 number, 1 text), number, text.
    pub fn write(&self, out: &mut Writer) {
        let (kind, number, text) = match self {
            Self::Int(number) => (0, *number, ""),
            Self::String(text) => (1, 0, text.as_str()),
        };
        out.put_bytes_field(3, text.as_bytes());
        out.put_varint_field(2, i64::from(number) as u64);
        out.put_varint_field(1, kind);
    }

    /// Takes in the fields of the protobuf message.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let (mut kind, mut number, mut text) = (0, 0, String::new());
        let mut reader = Reader::new(bytes);
        while let Some((field, wire)) = reader.tag()? {
            match field {
                1 => kind = reader.expect_varint(wire)?,
                2 => number = reader.expect_varint(wire)? as i32,
                3 => text = reader.expect_str(wire)?.to_owned(),
                _ => reader.skip(wire)?,
            }
        }
        *self = if kind == 1 { Self::String(text) } else { Self::Int(number) };
        Ok(())
    }

    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i32> {
        match self {
            Self::Int(number) => Some(*number),
            Self::String(_) => None,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Int(_) => None,
            Self::String(text) => Some(text),
        }
    }
}

impl From<i32> for IntOrString {
    fn from(number: i32) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for IntOrString {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::String(text) => f.write_str(text),
        }
    }
}
