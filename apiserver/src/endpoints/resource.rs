//! One resource in one version, as clients see it: names, codec, store, subresources.

use std::borrow::Cow;
use std::sync::Arc;

use apiserver_registry::custom::CustomVersion;
use apiserver_registry::{Entry, Subresource};
use bytes::Bytes;
use machinery::codec::json::{self, Strictness};
use machinery::codec::protobuf;
use machinery::meta::v1::{ObjectMeta, PartialObjectMetadata};
use machinery::object::Object;
use machinery::patch::apply::Versions;
use machinery::patch::shape::Shape;
use machinery::status::StatusError;
use machinery::{GroupKind, GroupResource, GroupVersionKind, GroupVersionResource, Message, schema};
use serde_json::Value;

use crate::store::{BuiltinCodec, Store, StoredCodec};

/// A resource under one API version.
pub struct ServedResource {
    /// Group, version and plural name.
    pub resource: GroupVersionResource,
    /// Group, version and kind.
    pub kind: GroupVersionKind,
    /// Kind of its lists.
    pub list_kind: String,
    /// `apiVersion` of its objects.
    pub api_version: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs, as discovery shows them.
    pub verbs: Vec<String>,
    /// Bytes and objects of this version.
    pub codec: Arc<dyn ServedCodec>,
    /// `None` for resources that are only computed.
    pub store: Option<Arc<Store>>,
    /// Tells the versions of one store apart, for the shared encodings of cached objects; 0 is the stored one.
    pub version_index: u32,
    /// Row of the table; `None` for custom resources.
    pub entry: Option<&'static Entry>,
    /// The version of the definition; `None` for built-in resources.
    pub custom: Option<Arc<CustomVersion>>,
    /// What can stand behind a name.
    pub subresources: Vec<Subresource>,
    /// Documentation of fields, for the columns of tables.
    pub describe: Describe,
}

/// The documentation of a field, by message (`k8s.io.api.core.v1.PodStatus`) and JSON name.
pub type Describe = fn(&str, &str) -> Option<String>;

impl ServedResource {
    /// The row of a built-in resource.
    pub fn builtin(
        entry: &'static Entry,
        store: Option<Arc<Store>>,
        version_index: u32,
        describe: Describe,
    ) -> ServedResource {
        let facts = entry.facts;
        ServedResource {
            resource: GroupVersionResource::new(facts.group, facts.version, facts.plural),
            kind: GroupVersionKind::new(facts.group, facts.version, facts.kind),
            list_kind: format!("{}List", facts.kind),
            api_version: machinery::group::api_version(facts.group, facts.version),
            namespaced: facts.namespaced,
            verbs: facts.verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            codec: Arc::new(BuiltinServed::new(entry)),
            store,
            version_index,
            entry: Some(entry),
            custom: None,
            subresources: entry.subresources.clone(),
            describe,
        }
    }

    /// Group and plural name, as errors print them.
    pub fn group_resource(&self) -> GroupResource {
        self.resource.group_resource()
    }

    /// Group and kind, as validation errors print them.
    pub fn group_kind(&self) -> GroupKind {
        self.kind.group_kind()
    }

    /// The store, or the error of a verb that needs one.
    pub fn stored(&self, verb: &str) -> Result<&Arc<Store>, StatusError> {
        self.store.as_ref().ok_or_else(|| StatusError::method_not_supported(&self.group_resource(), verb))
    }

    /// The subresource called `name`.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }
}

/// A request body that has been read.
pub struct DecodedBody {
    /// Of the stored kind, with defaults.
    pub object: Box<dyn Object>,
    /// The `apiVersion` the body gave; empty when it gave none.
    pub api_version: String,
    /// The kind the body gave; empty when it gave none.
    pub kind: String,
    /// Unknown and repeated fields, in upstream's words; empty unless asked for.
    pub strict_errors: Vec<String>,
    /// The body asks to forget all field managers, which the object itself cannot show.
    pub resets_managers: bool,
}

/// Bytes and objects of one served version. Objects are of the stored version everywhere outside.
///
/// As [`Versions`] it tells the shapes of all served versions of the kind, for managed fields.
pub trait ServedCodec: Versions + Send + Sync {
    /// Whether this kind has a protobuf form.
    fn has_protobuf(&self) -> bool;

    /// Reads a JSON body. The error is the decoder's text.
    fn read_json(&self, text: &[u8], strict: bool) -> Result<DecodedBody, String>;

    /// Reads plain protobuf of this version. The error is the decoder's text.
    fn read_protobuf(&self, raw: &[u8]) -> Result<Box<dyn Object>, String>;

    /// A stored value as JSON of this version, with `kind` and `apiVersion` in front.
    fn json(&self, stored: &[u8]) -> Result<Vec<u8>, String>;

    /// A stored value as plain protobuf of this version.
    fn protobuf<'a>(&self, stored: &'a [u8]) -> Result<Cow<'a, [u8]>, String>;

    /// Plain protobuf of the `PartialObjectMetadata` of a stored value.
    fn metadata(&self, stored: &[u8]) -> Result<Vec<u8>, String>;

    /// The stored form of an object that has nothing but the given metadata, for bookmarks.
    fn bookmark(&self, meta: ObjectMeta) -> Bytes;

    /// The dynamic form of an object in this version, with `kind` and `apiVersion`.
    fn to_value(&self, object: &dyn Object) -> Result<Value, String>;

    /// The table that patches follow; `None` for kinds without one.
    fn schema(&self) -> Option<&'static schema::Message>;
}

/// Codec of a row of the table.
struct BuiltinServed {
    entry: &'static Entry,
    schema: &'static schema::Message,
    api_version: String,
    stored: Option<BuiltinCodec>,
}

impl BuiltinServed {
    fn new(entry: &'static Entry) -> Self {
        BuiltinServed {
            entry,
            schema: entry.facts.schema,
            api_version: machinery::group::api_version(entry.facts.group, entry.facts.version),
            stored: BuiltinCodec::new(entry),
        }
    }

    /// The row of another version of the same stored resource.
    fn sibling(&self, api_version: &str) -> Option<&'static Entry> {
        let same = |entry: &&'static Entry| {
            entry.facts.kind == self.entry.facts.kind
                && entry.stored == self.entry.stored
                && machinery::group::api_version(entry.facts.group, entry.facts.version) == api_version
        };
        if api_version == self.api_version {
            return Some(self.entry);
        }
        apiserver_registry::all().iter().find(same)
    }

    /// An object of this version becomes one of the stored version, with all defaults.
    fn to_stored(&self, mut object: Box<dyn Object>) -> Result<Box<dyn Object>, String> {
        tracing::debug_span!("default").in_scope(|| self.entry.default(object.as_mut()));
        self.entry.to_stored(object).ok_or_else(|| format!("object is not a {}", self.entry.facts.kind))
    }

    /// The stored version's object as this version's.
    fn as_served(&self, object: Box<dyn Object>) -> Result<Box<dyn Object>, String> {
        self.entry.from_stored(object).ok_or_else(|| format!("object is not a {}", self.entry.facts.kind))
    }
}

impl Versions for BuiltinServed {
    fn shape(&self, api_version: &str) -> Option<Shape<'_>> {
        self.sibling(api_version).map(|entry| Shape::Struct(entry.facts.schema))
    }

    fn convert(&self, object: &Value, api_version: &str) -> Result<Value, String> {
        let wanted = self.sibling(api_version).ok_or_else(|| format!("{api_version} is not served"))?;
        let given = object.get("apiVersion").and_then(Value::as_str).unwrap_or(&self.api_version);
        if given == api_version {
            return Ok(object.clone());
        }
        let given = self.sibling(given).ok_or_else(|| format!("{given} is not served"))?;
        let stored = BuiltinServed::new(given).read_json(object.to_string().as_bytes(), false)?.object;
        BuiltinServed::new(wanted).to_value(stored.as_ref())
    }
}

impl ServedCodec for BuiltinServed {
    fn has_protobuf(&self) -> bool {
        true
    }

    fn read_json(&self, text: &[u8], strict: bool) -> Result<DecodedBody, String> {
        let strictness = if strict { Strictness::Report } else { Strictness::Ignore };
        let decoded = json::decode(self.schema, text, strictness).map_err(|error| error.to_string())?;
        let object = self.entry.decode(&decoded.protobuf).map_err(|error| error.to_string())?;
        let quoted = machinery::quote::go_quote;
        let duplicate = decoded.duplicate.iter().map(|path| format!("duplicate field {}", quoted(path)));
        let unknown = decoded.unknown.iter().map(|path| format!("unknown field {}", quoted(path)));
        Ok(DecodedBody {
            object: self.to_stored(object)?,
            strict_errors: duplicate.chain(unknown).collect(),
            api_version: decoded.api_version,
            kind: decoded.kind,
            resets_managers: resets_managers(text),
        })
    }

    fn read_protobuf(&self, raw: &[u8]) -> Result<Box<dyn Object>, String> {
        self.to_stored(self.entry.decode(raw).map_err(|error| error.to_string())?)
    }

    fn json(&self, stored: &[u8]) -> Result<Vec<u8>, String> {
        let raw = self.protobuf(stored)?;
        json::try_encode(self.schema, &raw, Some((&self.api_version, self.entry.facts.kind)))
            .map_err(|error| error.to_string())
    }

    fn protobuf<'a>(&self, stored: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        let raw = protobuf::unwrap(stored).map_err(|error| error.to_string())?.raw;
        if self.entry.conversion.is_none() {
            return Ok(Cow::Borrowed(raw));
        }
        let mut object = self.entry.decode_stored(raw).map_err(|error| error.to_string())?;
        self.entry.strategy.default(object.as_mut());
        Ok(Cow::Owned(self.as_served(object)?.encode()))
    }

    fn metadata(&self, stored: &[u8]) -> Result<Vec<u8>, String> {
        let raw = protobuf::unwrap(stored).map_err(|error| error.to_string())?.raw;
        let mut reader = machinery::wire::Reader::new(raw);
        let mut out = Vec::new();
        while let Some((number, wire)) = reader.tag().map_err(|error| error.to_string())? {
            // Metadata is field 1 of every kind, as it is of PartialObjectMetadata.
            if number == 1 {
                let bytes = reader.expect_bytes(wire).map_err(|error| error.to_string())?;
                machinery::wire::append_bytes_field(&mut out, 1, bytes);
                break;
            }
            reader.skip(wire).map_err(|error| error.to_string())?;
        }
        Ok(out)
    }

    fn bookmark(&self, meta: ObjectMeta) -> Bytes {
        let mut object = self.entry.empty_stored();
        *object.meta_mut() = meta;
        self.stored.as_ref().map(|codec| codec.encode(object.as_ref())).unwrap_or_default()
    }

    fn to_value(&self, object: &dyn Object) -> Result<Value, String> {
        let object = self.as_served(object.clone_box())?;
        let kind = Some((self.api_version.as_str(), self.entry.facts.kind));
        json::try_protobuf_to_value(self.schema, &object.encode(), kind).map_err(|error| error.to_string())
    }

    fn schema(&self) -> Option<&'static schema::Message> {
        Some(self.schema)
    }
}

/// Whether a body gives `metadata.managedFields` as an empty list or as one empty entry.
pub fn resets_managers(text: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Body {
        metadata: Metadata,
    }
    #[derive(serde::Deserialize)]
    struct Metadata {
        #[serde(rename = "managedFields")]
        managed_fields: Vec<serde_json::Map<String, Value>>,
    }
    // Nearly all bodies say nothing of the kind.
    if memmem(text, b"\"managedFields\"").is_none() {
        return false;
    }
    match serde_json::from_slice::<Body>(text) {
        Ok(body) => match body.metadata.managed_fields.as_slice() {
            [] => true,
            [only] => only.is_empty(),
            _ => false,
        },
        Err(_) => false,
    }
}

fn memmem(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// `PartialObjectMetadata` as JSON under the given version of `meta.k8s.io`.
pub fn metadata_json(raw: &[u8], version: &str) -> Result<Vec<u8>, String> {
    let api_version = format!("meta.k8s.io/{version}");
    json::try_encode(PartialObjectMetadata::SCHEMA, raw, Some((&api_version, "PartialObjectMetadata")))
        .map_err(|error| error.to_string())
}
