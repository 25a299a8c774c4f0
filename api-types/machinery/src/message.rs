//! What every generated struct can do: protobuf by expanded code, JSON by the table.

use serde_json::Value;
use thiserror::Error;

use crate::codec::json::{self, Strictness};
use crate::meta::v1::ObjectMeta;
use crate::schema;
use crate::wire::{Reader, WireError, Writer};

/// Why bytes could not be decoded into a struct.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum DecodeError {
    /// The bytes are not protobuf of this message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The text is not JSON of this message.
    #[error(transparent)]
    Json(#[from] json::JsonError),
}

/// A struct of the API with its protobuf form and its row of the table of facts.
///
/// Source: the Go types of `k8s.io/api` and `k8s.io/apimachinery`; the wire forms are theirs.
pub trait Message: Clone + Default + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    /// Row of the table of facts.
    const SCHEMA: &'static schema::Message;

    /// Puts the fields, last one first, into a buffer that grows towards its start.
    fn write(&self, out: &mut Writer);

    /// Takes one field in; unknown numbers are stepped over.
    fn read_field(
        &mut self,
        number: u32,
        wire: u8,
        from: &mut Reader<'_>,
        depth: usize,
    ) -> Result<(), WireError>;

    /// Takes in all fields of `bytes`; `depth` counts the messages around it.
    fn merge(&mut self, bytes: &[u8], depth: usize) -> Result<(), WireError> {
        if depth > crate::wire::MAX_DEPTH {
            return Err(WireError::Depth);
        }
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.tag()? {
            self.read_field(number, wire, &mut reader, depth)?;
        }
        Ok(())
    }

    /// Plain protobuf, without the `k8s\0` envelope.
    fn encode_to_vec(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(512);
        self.write(&mut writer);
        writer.into_vec()
    }

    /// Reads plain protobuf, without the `k8s\0` envelope.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut message = Self::default();
        message.merge(bytes, 0)?;
        Ok(message)
    }

    /// JSON as upstream writes it; a [`Resource`] begins with `kind` and `apiVersion` by
    /// [`Resource::to_json_object`].
    fn to_json(&self) -> Vec<u8> {
        json::encode(Self::SCHEMA, &self.encode_to_vec(), None)
    }

    /// Reads JSON; unknown and repeated fields are passed over.
    fn from_json(text: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(&json::decode(Self::SCHEMA, text, Strictness::Ignore)?.protobuf)
    }

    /// The dynamic form.
    fn to_value(&self) -> Value {
        json::protobuf_to_value(Self::SCHEMA, &self.encode_to_vec(), None)
    }

    /// From the dynamic form.
    fn from_value(value: &Value) -> Result<Self, DecodeError> {
        Self::decode(&json::value_to_protobuf(Self::SCHEMA, value)?)
    }
}

/// A kind with `metadata` that the API serves.
pub trait Resource: Message {
    /// API group; empty for core.
    const GROUP: &'static str;
    /// API version.
    const VERSION: &'static str;
    /// Kind.
    const KIND: &'static str;
    /// Plural resource name; empty for kinds which appear only as a body (`Scale`, `Eviction`).
    const PLURAL: &'static str;
    /// True when objects live in a namespace.
    const NAMESPACED: bool;

    /// The object's metadata.
    fn metadata(&self) -> &ObjectMeta;
    /// The object's metadata, to change.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;

    /// The `apiVersion` field.
    fn api_version() -> String {
        crate::group::api_version(Self::GROUP, Self::VERSION)
    }

    /// JSON that begins with `kind` and `apiVersion`.
    fn to_json_object(&self) -> Vec<u8> {
        json::encode(Self::SCHEMA, &self.encode_to_vec(), Some((&Self::api_version(), Self::KIND)))
    }

    /// The dynamic form with `kind` and `apiVersion`.
    fn to_object_value(&self) -> Value {
        json::protobuf_to_value(Self::SCHEMA, &self.encode_to_vec(), Some((&Self::api_version(), Self::KIND)))
    }

    /// Protobuf in the `k8s\0` envelope, as stored and as sent.
    fn to_protobuf_object(&self) -> Vec<u8> {
        crate::codec::protobuf::wrap(&Self::api_version(), Self::KIND, &self.encode_to_vec())
    }
}
