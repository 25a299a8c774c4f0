//! The envelope around protobuf objects: `k8s\0` and `runtime.Unknown`.
//!
//! Source: `k8s.io/apimachinery/pkg/runtime/serializer/protobuf`.

use thiserror::Error;

use crate::wire::{Reader, WireError, append_bytes_field};

/// First bytes of every protobuf object, on the wire and in storage.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// Bytes that are not a protobuf object.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EnvelopeError {
    /// The four magic bytes are missing.
    #[error("provided data does not appear to be a protobuf message, expected prefix {MAGIC:?}")]
    Magic,
    /// What follows them is not `runtime.Unknown`.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// `runtime.Unknown`: an object's kind and its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The `apiVersion`.
    pub api_version: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The object's plain protobuf.
    pub raw: &'a [u8],
}

/// Puts plain protobuf into the envelope.
pub fn wrap(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + api_version.len() + kind.len() + 24);
    out.extend_from_slice(MAGIC);
    let mut type_meta = Vec::with_capacity(api_version.len() + kind.len() + 4);
    append_bytes_field(&mut type_meta, 1, api_version.as_bytes());
    append_bytes_field(&mut type_meta, 2, kind.as_bytes());
    append_bytes_field(&mut out, 1, &type_meta);
    append_bytes_field(&mut out, 2, raw);
    append_bytes_field(&mut out, 3, b"");
    append_bytes_field(&mut out, 4, b"");
    out
}

/// Takes the envelope off.
pub fn unwrap(bytes: &[u8]) -> Result<Envelope<'_>, EnvelopeError> {
    let body = bytes.strip_prefix(MAGIC).ok_or(EnvelopeError::Magic)?;
    let mut envelope = Envelope::default();
    let mut reader = Reader::new(body);
    while let Some((number, wire)) = reader.tag()? {
        match number {
            1 => {
                let mut type_meta = Reader::new(reader.expect_bytes(wire)?);
                while let Some((number, wire)) = type_meta.tag()? {
                    match number {
                        1 => envelope.api_version = type_meta.expect_str(wire)?,
                        2 => envelope.kind = type_meta.expect_str(wire)?,
                        _ => type_meta.skip(wire)?,
                    }
                }
            }
            2 => envelope.raw = reader.expect_bytes(wire)?,
            _ => reader.skip(wire)?,
        }
    }
    Ok(envelope)
}
