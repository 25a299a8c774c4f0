//! An object of a custom resource: typed metadata, and the rest as JSON.

use std::any::Any;
use std::sync::Arc;

use machinery::meta::v1::{ObjectMeta, PartialObjectMetadata};
use machinery::object::Object;
use machinery::{GroupVersionKind, Message, schema};
use serde_json::{Map, Value};

use super::kind::CustomVersion;
use super::tidy;

/// One object. Its content has neither `apiVersion` nor `kind` nor `metadata`.
#[derive(Clone, Debug)]
pub struct CustomObject {
    /// The version it is in.
    pub version: Arc<CustomVersion>,
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// All other fields.
    pub content: Map<String, Value>,
}

impl CustomObject {
    /// An object with nothing in it.
    pub fn new(version: Arc<CustomVersion>) -> CustomObject {
        CustomObject { version, metadata: ObjectMeta::default(), content: Map::new() }
    }

    /// Reads the dynamic form in whatever version of the kind it is; the content is taken as it comes.
    pub fn from_value(version: &Arc<CustomVersion>, value: Value) -> Result<CustomObject, String> {
        let Value::Object(mut content) = value else {
            return Err(format!("expected an object, found {}", super::validate::type_of(&value)));
        };
        content.remove("apiVersion");
        content.remove("kind");
        let metadata = match content.remove("metadata") {
            None | Some(Value::Null) => ObjectMeta::default(),
            Some(metadata) => ObjectMeta::from_value(&metadata).map_err(|error| error.to_string())?,
        };
        Ok(CustomObject { version: version.clone(), metadata, content })
    }

    /// The dynamic form under the object's own version, keys sorted.
    pub fn to_value(&self) -> Value {
        self.to_value_of(&self.version)
    }

    /// The dynamic form under another version of the kind, keys sorted.
    pub fn to_value_of(&self, version: &CustomVersion) -> Value {
        let mut whole = Map::new();
        whole.insert("apiVersion".to_owned(), version.api_version.clone().into());
        whole.insert("kind".to_owned(), version.kind.kind.to_string().into());
        let mut metadata = self.metadata.to_value();
        if self.metadata.creation_timestamp.is_zero()
            && let Some(metadata) = metadata.as_object_mut()
        {
            metadata.remove("creationTimestamp");
        }
        whole.insert("metadata".to_owned(), metadata);
        whole.extend(self.content.clone());
        let mut whole = Value::Object(whole);
        whole.sort_all_objects();
        whole
    }

    /// The same object in another version: without a conversion of its own, versions differ in name, in what they
    /// keep and in their defaults.
    pub fn in_version(&self, version: &Arc<CustomVersion>) -> CustomObject {
        let mut object = self.clone();
        if !Arc::ptr_eq(&object.version, version) {
            object.version = version.clone();
            object.tidy();
        }
        object
    }

    /// Drops what the version does not know and fills in defaults; the paths that were dropped.
    pub fn tidy(&mut self) -> Vec<String> {
        let mut removed = Vec::new();
        tidy::prune(&mut self.content, &self.version.schema, &mut removed);
        self.set_defaults();
        removed
    }

    /// Fills in the defaults of the version.
    pub fn set_defaults(&mut self) {
        tidy::default(&mut self.content, &self.version.schema);
        tidy::drop_nulls(&mut self.content, &self.version.schema);
    }
}

/// The dynamic form of an object that is of a custom resource; nothing for built-in kinds, which the table describes.
pub fn dynamic(object: &dyn Object) -> Option<Value> {
    object.as_any().downcast_ref::<CustomObject>().map(CustomObject::to_value)
}

impl Object for CustomObject {
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn kind(&self) -> GroupVersionKind {
        self.version.kind.clone()
    }

    /// JSON: these kinds have no protobuf. Whoever needs fields asks for [`CustomObject::to_value`].
    fn encode(&self) -> Vec<u8> {
        self.to_value().to_string().into_bytes()
    }

    /// The table knows the metadata alone.
    fn schema(&self) -> &'static schema::Message {
        PartialObjectMetadata::SCHEMA
    }

    fn clone_box(&self) -> Box<dyn Object> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
