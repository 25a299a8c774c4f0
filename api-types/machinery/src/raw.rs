//! Values which the API carries without looking inside.

use crate::wire::{BYTES, Reader, WireError, Writer};

/// JSON text kept as it came: `runtime.RawExtension`, `metav1.FieldsV1` and `apiextensions.JSON`.
///
/// Empty bytes stand for Go's nil and JSON's `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RawJson {
    /// JSON text.
    pub raw: Vec<u8>,
}

/// Any object, as JSON text.
pub type RawExtension = RawJson;

impl RawJson {
    /// Puts the fields of the protobuf message.
    pub fn write(&self, out: &mut Writer) {
        if !self.raw.is_empty() {
            out.put_bytes_field(1, &self.raw);
        }
    }

    /// Takes in the fields of the protobuf message.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.tag()? {
            match (number, wire) {
                (1, BYTES) => self.raw = reader.bytes()?.to_vec(),
                _ => reader.skip(wire)?,
            }
        }
        Ok(())
    }

    /// The value inside; text that is not JSON is an error.
    pub fn to_value(&self) -> Result<serde_json::Value, serde_json::Error> {
        if self.raw.is_empty() { Ok(serde_json::Value::Null) } else { serde_json::from_slice(&self.raw) }
    }
}

impl From<&serde_json::Value> for RawJson {
    fn from(value: &serde_json::Value) -> Self {
        Self { raw: if value.is_null() { Vec::new() } else { value.to_string().into_bytes() } }
    }
}
