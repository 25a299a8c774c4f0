//! How objects of the stored version become the bytes in the store and come back.

use apiserver_registry::Entry;
use bytes::Bytes;
use machinery::codec::{json, protobuf};
use machinery::object::Object;

use super::json_form;

/// Stored bytes to objects and back.
pub trait StoredCodec: Send + Sync {
    /// Reads a stored value; the error says what is broken. Defaults are not applied.
    fn decode(&self, stored: &[u8]) -> Result<Box<dyn Object>, String>;

    /// The bytes upstream would store for this object.
    fn encode(&self, object: &dyn Object) -> Bytes;
}

/// Built-in kinds: protobuf in the `k8s\0` envelope. Definitions of custom resources, which upstream stores as JSON, are
/// read in both forms and written as protobuf, which upstream reads as well.
pub struct BuiltinCodec {
    entry: &'static Entry,
    api_version: String,
    kind: &'static str,
}

impl BuiltinCodec {
    /// The codec of the stored kind of a row; `None` for rows that are never stored.
    pub fn new(entry: &'static Entry) -> Option<Self> {
        let stored = entry.stored?;
        let api_version = machinery::group::api_version(stored.group, stored.version);
        Some(BuiltinCodec { entry, api_version, kind: entry.facts.kind })
    }
}

impl StoredCodec for BuiltinCodec {
    fn decode(&self, stored: &[u8]) -> Result<Box<dyn Object>, String> {
        if stored.first() == Some(&b'{') && self.kind == "CustomResourceDefinition" {
            let value = serde_json::from_slice(stored).map_err(|error| error.to_string())?;
            let value = json_form::definition_as_v1(value);
            let raw = json::value_to_protobuf(self.entry.facts.schema, &value);
            return self
                .entry
                .decode_stored(&raw.map_err(|error| error.to_string())?)
                .map_err(|error| error.to_string());
        }
        let envelope = protobuf::unwrap(stored).map_err(|error| error.to_string())?;
        if envelope.kind != self.kind {
            return Err(format!(
                "expected kind {}, found {:?} in {:?}",
                self.kind, envelope.kind, envelope.api_version
            ));
        }
        self.entry.decode_stored(envelope.raw).map_err(|error| error.to_string())
    }

    fn encode(&self, object: &dyn Object) -> Bytes {
        Bytes::from(protobuf::wrap(&self.api_version, self.kind, &object.encode()))
    }
}
