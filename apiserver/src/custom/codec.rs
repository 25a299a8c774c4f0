//! Custom resources as bytes: JSON in the store and on the wire.

use std::borrow::Cow;
use std::sync::Arc;

use apiserver_registry::custom::{CustomKind, CustomObject, CustomVersion, tidy};
use bytes::Bytes;
use machinery::codec::json::{self, Strictness};
use machinery::meta::v1::{ObjectMeta, PartialObjectMetadata};
use machinery::object::Object;
use machinery::patch::apply::Versions;
use machinery::patch::shape::Shape;
use machinery::{Message, schema};
use serde_json::Value;

use super::document;
use crate::endpoints::{DecodedBody, ServedCodec, resets_managers};
use crate::store::StoredCodec;

/// The stored form: JSON of the storage version with a line end, keys sorted, as upstream's serializer writes it.
pub struct CustomStored {
    /// The definition.
    pub kind: Arc<CustomKind>,
}

fn stored_object(kind: &CustomKind, stored: &[u8]) -> Result<CustomObject, String> {
    let mut value: Value = serde_json::from_slice(stored).map_err(|error| error.to_string())?;
    tidy::settle_numbers(&mut value);
    CustomObject::from_value(&kind.storage, value)
}

fn encoded(object: &CustomObject, version: &CustomVersion) -> Vec<u8> {
    let mut text = object.to_value_of(version).to_string().into_bytes();
    text.push(b'\n');
    text
}

impl StoredCodec for CustomStored {
    fn decode(&self, stored: &[u8]) -> Result<Box<dyn Object>, String> {
        Ok(Box::new(stored_object(&self.kind, stored)?))
    }

    fn encode(&self, object: &dyn Object) -> Bytes {
        match object.as_any().downcast_ref::<CustomObject>() {
            Some(object) => encoded(&object.in_version(&self.kind.storage), &self.kind.storage).into(),
            None => {
                tracing::error!(kind = %object.kind(), "a built-in object was given to the store of a custom resource");
                Bytes::new()
            }
        }
    }
}

/// One served version.
pub struct CustomServed {
    /// The definition.
    pub kind: Arc<CustomKind>,
    /// The version.
    pub version: Arc<CustomVersion>,
}

impl CustomServed {
    fn of_stored(&self, stored: &[u8]) -> Result<CustomObject, String> {
        let mut object = stored_object(&self.kind, stored)?.in_version(&self.version);
        object.tidy();
        Ok(object)
    }

    /// Metadata of a body, and the fields it does not have.
    fn metadata(&self, metadata: Option<Value>) -> Result<(ObjectMeta, Vec<String>), String> {
        let Some(metadata) = metadata.filter(|metadata| !metadata.is_null()) else {
            return Ok(Default::default());
        };
        let text = metadata.to_string();
        let decoded = json::decode(ObjectMeta::SCHEMA, text.as_bytes(), Strictness::Report)
            .map_err(|error| error.to_string())?;
        let meta = ObjectMeta::decode(&decoded.protobuf).map_err(|error| error.to_string())?;
        Ok((meta, decoded.unknown.iter().map(|path| format!("metadata.{path}")).collect()))
    }
}

impl Versions for CustomServed {
    fn shape(&self, api_version: &str) -> Option<Shape<'_>> {
        self.kind.version(api_version).map(|version| Shape::Node(&version.shape))
    }

    fn convert(&self, object: &Value, api_version: &str) -> Result<Value, String> {
        let version = self.kind.version(api_version).ok_or_else(|| format!("{api_version} is not served"))?;
        if object.get("apiVersion").and_then(Value::as_str) == Some(api_version) {
            return Ok(object.clone());
        }
        let mut object = CustomObject::from_value(version, object.clone())?;
        object.tidy();
        Ok(object.to_value())
    }
}

impl ServedCodec for CustomServed {
    fn has_protobuf(&self) -> bool {
        false
    }

    fn read_json(&self, text: &[u8], strict: bool) -> Result<DecodedBody, String> {
        let (mut value, duplicates) = document::read(text)?;
        tidy::settle_numbers(&mut value);
        let Value::Object(mut content) = value else {
            return Err("json: cannot unmarshal into Go value of type map[string]interface {}".to_owned());
        };
        let mut text_of = |name: &str| match content.remove(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(format!("{name} must be a string, found {other}")),
        };
        let (api_version, kind) = (text_of("apiVersion")?, text_of("kind")?);
        if kind.is_empty() {
            return Err("Object 'Kind' is missing".to_owned());
        }
        let (metadata, mut unknown) = self.metadata(content.remove("metadata"))?;
        let mut object = CustomObject { version: self.version.clone(), metadata, content };
        unknown.extend(object.tidy());
        unknown.sort();
        let quoted = machinery::quote::go_quote;
        let duplicate = duplicates.iter().map(|path| format!("duplicate field {}", quoted(path)));
        let unknown = unknown.iter().map(|path| format!("unknown field {}", quoted(path)));
        Ok(DecodedBody {
            strict_errors: if strict { duplicate.chain(unknown).collect() } else { Vec::new() },
            object: Box::new(object),
            api_version,
            kind,
            resets_managers: resets_managers(text),
        })
    }

    fn read_protobuf(&self, _raw: &[u8]) -> Result<Box<dyn Object>, String> {
        Err("custom resources have no protobuf form".to_owned())
    }

    fn json(&self, stored: &[u8]) -> Result<Vec<u8>, String> {
        Ok(self.of_stored(stored)?.to_value().to_string().into_bytes())
    }

    fn protobuf<'a>(&self, _stored: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        Err("custom resources have no protobuf form".to_owned())
    }

    fn metadata(&self, stored: &[u8]) -> Result<Vec<u8>, String> {
        let metadata = stored_object(&self.kind, stored)?.metadata;
        Ok(PartialObjectMetadata { metadata }.encode_to_vec())
    }

    fn bookmark(&self, meta: ObjectMeta) -> Bytes {
        let object = CustomObject { metadata: meta, ..CustomObject::new(self.kind.storage.clone()) };
        encoded(&object, &self.kind.storage).into()
    }

    fn to_value(&self, object: &dyn Object) -> Result<Value, String> {
        let object = object.as_any().downcast_ref::<CustomObject>();
        let object = object.ok_or_else(|| format!("object is not a {}", self.version.kind.kind))?;
        Ok(object.in_version(&self.version).to_value())
    }

    fn schema(&self) -> Option<&'static schema::Message> {
        None
    }
}
