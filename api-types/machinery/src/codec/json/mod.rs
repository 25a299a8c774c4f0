//! JSON to protobuf and back, driven by the table of facts.
//!
//! Text goes straight to bytes and bytes straight to text: no tree is built between them.

mod decode;
mod encode;
mod go_names;
pub mod scan;

use serde_json::Value;
use thiserror::Error;

use crate::schema::Message;
use crate::wire::WireError;

pub use decode::{Decoded, Strictness, decode};
pub use encode::{compact, encode, pretty, write_string};

/// Why text could not be read as JSON of a kind; messages are those of Go's `encoding/json`.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum JsonError {
    /// The text ends inside a value.
    #[error("unexpected end of JSON input")]
    UnexpectedEnd,
    /// A character where none such may stand.
    #[error("invalid character '{character}' {context}")]
    Syntax {
        /// The character found.
        character: char,
        /// Where it stands, in Go's words.
        context: &'static str,
        /// Byte offset.
        at: usize,
    },
    /// Arrays and objects nested too deep.
    #[error("exceeded max depth of {}", scan::MAX_DEPTH)]
    Depth,
    /// A value of the wrong type.
    #[error("json: cannot unmarshal {found} into Go {place} of type {want}")]
    Type {
        /// What was found: `string`, `number 1.5`, `object` ….
        found: String,
        /// `struct field PodSpec.spec.replicas`, or `value`.
        place: String,
        /// Go's type name.
        want: String,
    },
    /// A value of the right type with content that is refused (quantity, time, base64).
    #[error("{message}")]
    Value {
        /// What is wrong, in upstream's words.
        message: String,
    },
}

/// The dynamic form of `protobuf`.
///
/// # Panics
/// Never for bytes written by this crate; stored bytes go through [`try_protobuf_to_value`].
pub fn protobuf_to_value(schema: &'static Message, protobuf: &[u8], kind: Option<(&str, &str)>) -> Value {
    try_protobuf_to_value(schema, protobuf, kind).expect("bytes written by this crate are well-formed")
}

/// The dynamic form of `protobuf`; `kind` is `(apiVersion, kind)`.
pub fn try_protobuf_to_value(
    schema: &'static Message,
    protobuf: &[u8],
    kind: Option<(&str, &str)>,
) -> Result<Value, WireError> {
    let text = encode::try_encode(schema, protobuf, kind)?;
    Ok(serde_json::from_slice(&text).unwrap_or(Value::Null))
}

/// Protobuf of a dynamic value; unknown fields are passed over.
pub fn value_to_protobuf(schema: &'static Message, value: &Value) -> Result<Vec<u8>, JsonError> {
    Ok(decode(schema, value.to_string().as_bytes(), Strictness::Ignore)?.protobuf)
}

pub use encode::try_encode;
