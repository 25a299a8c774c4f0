//! Schemas of kinds, made from the table of facts.

use std::collections::BTreeMap;

use machinery::Message as _;
use machinery::meta::v1::{ListMeta, ObjectMeta};
use machinery::schema::{Field, Label, ListKind, Message, Type, flag, patch};
use serde_json::{Map, Value, json};

use super::{custom, descriptions};
use crate::discovery::catalog::Published;

/// The two versions of OpenAPI that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Swagger 2.0.
    V2,
    /// OpenAPI 3.0.
    V3,
}

impl Dialect {
    /// A reference to the schema of that name.
    pub fn reference(self, name: &str) -> Value {
        let place = if self == Dialect::V2 { "#/definitions/" } else { "#/components/schemas/" };
        json!({"$ref": format!("{place}{name}")})
    }
}

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";

/// Name of a message's schema: `io.k8s.api.core.v1.Pod`.
pub fn schema_name(message: &Message) -> String {
    name_of(message.full_name)
}

/// Name of the schema of a message by its full protobuf name.
pub fn name_of(full_name: &str) -> String {
    let name = full_name.strip_prefix("k8s.io.").unwrap_or(full_name);
    let name = name.replacen("apiextensions_apiserver", "apiextensions-apiserver", 1);
    format!("io.k8s.{}", name.replacen("kube_aggregator", "kube-aggregator", 1))
}

/// Where the schema of a kind comes from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// The table of facts.
    Table(&'static Message),
    /// Its definition.
    Custom(&'a Published),
}

/// Collects the schemas that a document refers to, each once.
pub struct Definitions {
    dialect: Dialect,
    made: BTreeMap<String, Value>,
    /// Group, version and kind of the messages that are kinds.
    kinds: BTreeMap<String, Vec<(String, String, String)>>,
}

impl Definitions {
    /// An empty collection.
    pub fn new(dialect: Dialect) -> Definitions {
        Definitions { dialect, made: BTreeMap::new(), kinds: BTreeMap::new() }
    }

    /// Adds the schema of a message that is a kind, and all it refers to; its name.
    pub fn add_kind(&mut self, message: &'static Message, group: &str, version: &str, kind: &str) -> String {
        let name = schema_name(message);
        let kinds = self.kinds.entry(name.clone()).or_default();
        let this = (group.to_string(), version.to_string(), kind.to_string());
        if !kinds.contains(&this) {
            kinds.push(this);
        }
        self.add(message);
        name
    }

    /// Adds the schema of a kind, and all it refers to; its name.
    pub fn add_source(&mut self, source: Source<'_>, group: &str, version: &str, kind: &str) -> String {
        match source {
            Source::Table(message) => self.add_kind(message, group, version, kind),
            Source::Custom(published) => {
                self.add(ObjectMeta::SCHEMA);
                let name = custom::name(group, version, kind);
                if !self.made.contains_key(&name) {
                    let schema = custom::object(published, self.dialect, group, version, kind);
                    self.made.insert(name.clone(), schema);
                }
                name
            }
        }
    }

    /// Adds the schema of the list of a kind, and all it refers to; its name.
    pub fn add_list_of(&mut self, source: Source<'_>, group: &str, version: &str, kind: &str) -> String {
        match source {
            Source::Table(message) => self.add_list(message, group, version, kind),
            Source::Custom(published) => {
                self.add(ListMeta::SCHEMA);
                let name = custom::name(group, version, &published.list_kind);
                let schema = custom::list(published, self.dialect, group, version, kind);
                self.made.entry(name.clone()).or_insert(schema);
                name
            }
        }
    }

    /// Adds the schema of the list of a kind; its name.
    pub fn add_list(&mut self, message: &'static Message, group: &str, version: &str, kind: &str) -> String {
        let item = self.add_kind(message, group, version, kind);
        let name = format!("{item}List");
        let list_kind = format!("{kind}List");
        let list_meta = format!("{META}ListMeta");
        self.add(ListMeta::SCHEMA);
        let items = json!({
            "description": format!("List of {kind} objects."),
            "type": "array",
            "items": self.element(self.dialect.reference(&item), true),
        });
        let mut properties = type_meta(&list_kind);
        properties.insert("items".into(), items);
        properties.insert(
            "metadata".into(),
            self.described(self.dialect.reference(&list_meta), "Standard list metadata.", true),
        );
        let schema = json!({
            "description": format!("{list_kind} is a list of {kind} objects."),
            "type": "object",
            "required": ["items"],
            "properties": properties,
            "x-kubernetes-group-version-kind": [gvk(group, version, &list_kind)],
        });
        self.made.entry(name.clone()).or_insert(schema);
        name
    }

    /// Adds the schema of any message, and all it refers to; its name.
    pub fn add(&mut self, message: &'static Message) -> String {
        let name = schema_name(message);
        if self.made.contains_key(&name) {
            return name;
        }
        // In place before its fields are looked at: messages may refer to themselves.
        self.made.insert(name.clone(), Value::Null);
        let schema = self.object(message);
        self.made.insert(name.clone(), schema);
        name
    }

    /// All schemas, by name.
    pub fn finish(mut self) -> Map<String, Value> {
        for (name, kinds) in &self.kinds {
            let list: Vec<Value> =
                kinds.iter().map(|(group, version, kind)| gvk(group, version, kind)).collect();
            if let Some(schema) = self.made.get_mut(name).and_then(Value::as_object_mut) {
                schema.insert("x-kubernetes-group-version-kind".into(), list.into());
            }
        }
        self.made.into_iter().collect()
    }

    fn object(&mut self, message: &'static Message) -> Value {
        let mut properties = Map::new();
        if message.type_meta {
            properties.extend(type_meta(message.name()));
        }
        let mut required = Vec::new();
        self.properties(message, &mut properties, &mut required);
        let mut schema = Map::new();
        if let Some(description) = descriptions::of_message(message) {
            schema.insert("description".into(), description.into());
        }
        schema.insert("type".into(), "object".into());
        if !required.is_empty() {
            schema.insert("required".into(), required.into());
        }
        if !properties.is_empty() {
            schema.insert("properties".into(), properties.into());
        }
        if message.atomic {
            schema.insert("x-kubernetes-map-type".into(), "atomic".into());
        }
        schema.into()
    }

    fn properties(
        &mut self,
        message: &'static Message,
        into: &mut Map<String, Value>,
        required: &mut Vec<String>,
    ) {
        for field in message.fields {
            if field.flags & flag::INLINE != 0 {
                if let Type::Message(inner) = field.ty {
                    self.properties(inner, into, required);
                }
                continue;
            }
            if field.flags & flag::REQUIRED != 0 {
                required.push(field.name.to_string());
            }
            let schema = self.field(message, field);
            into.insert(field.name.to_string(), schema);
        }
    }

    fn field(&mut self, message: &'static Message, field: &'static Field) -> Value {
        let value = self.value(field.ty);
        let optional = field.flags & (flag::OMITEMPTY | flag::POINTER) != 0;
        let description = descriptions::of_field(message, field).unwrap_or_default();
        let mut schema = match field.label {
            Label::Single => self.described(value, &description, optional),
            Label::Repeated => json!({"type": "array", "items": self.element(value, true)}),
            Label::Map => json!({"type": "object", "additionalProperties": self.element(value, true)}),
        };
        let Some(object) = schema.as_object_mut() else { return schema };
        if !description.is_empty() && !object.contains_key("description") {
            object.insert("description".into(), description.into());
        }
        if !field.default.is_empty()
            && let Ok(default) = serde_json::from_str::<Value>(field.default)
        {
            object.insert("default".into(), default);
        } else if self.dialect == Dialect::V3 && field.label == Label::Single && !optional {
            // What Go writes when nothing is given.
            if let Some(default) = zero(field.ty) {
                object.entry("default").or_insert(default);
            }
        }
        if field.label == Label::Repeated {
            let kind = match field.list {
                ListKind::Atomic => "atomic",
                ListKind::Set => "set",
                ListKind::Map => "map",
            };
            object.insert("x-kubernetes-list-type".into(), kind.into());
            if !field.keys.is_empty() {
                object.insert("x-kubernetes-list-map-keys".into(), json!(field.keys));
            }
        }
        if field.flags & flag::MAP_ATOMIC != 0 {
            object.insert("x-kubernetes-map-type".into(), "atomic".into());
        }
        if !field.merge_key.is_empty() {
            object.insert("x-kubernetes-patch-merge-key".into(), field.merge_key.into());
        }
        let strategies =
            [(patch::MERGE, "merge"), (patch::REPLACE, "replace"), (patch::RETAIN_KEYS, "retainKeys")];
        let strategies: Vec<&str> =
            strategies.iter().filter(|(bit, _)| field.patch & bit != 0).map(|(_, name)| *name).collect();
        if !strategies.is_empty() {
            object.insert("x-kubernetes-patch-strategy".into(), strategies.join(",").into());
        }
        schema
    }

    /// A value with its description. In v3 nothing may stand beside a reference.
    fn described(&self, value: Value, description: &str, optional: bool) -> Value {
        if value.get("$ref").is_none() {
            return value;
        }
        if self.dialect == Dialect::V2 {
            let mut value = value;
            if let Some(object) = value.as_object_mut().filter(|_| !description.is_empty()) {
                object.insert("description".into(), description.into());
            }
            return value;
        }
        if description.is_empty() && optional {
            return value;
        }
        let mut wrapped = json!({"allOf": [value]});
        if let Some(object) = wrapped.as_object_mut() {
            if !description.is_empty() {
                object.insert("description".into(), description.into());
            }
            if !optional {
                object.insert("default".into(), json!({}));
            }
        }
        wrapped
    }

    /// The element of a list or map.
    fn element(&self, value: Value, optional: bool) -> Value {
        if self.dialect == Dialect::V2 || value.get("$ref").is_none() || !optional {
            return value;
        }
        json!({"allOf": [value], "default": {}})
    }

    fn value(&mut self, ty: Type) -> Value {
        match ty {
            Type::String => json!({"type": "string"}),
            Type::Int32 => json!({"type": "integer", "format": "int32"}),
            Type::Int64 => json!({"type": "integer", "format": "int64"}),
            Type::Bool => json!({"type": "boolean"}),
            Type::Double => json!({"type": "number", "format": "double"}),
            Type::Bytes => json!({"type": "string", "format": "byte"}),
            Type::StringList => json!({"type": "array", "items": {"type": "string"}}),
            Type::Time => self.well_known(&format!("{META}Time")),
            Type::MicroTime => self.well_known(&format!("{META}MicroTime")),
            Type::Duration => self.well_known(&format!("{META}Duration")),
            Type::Quantity => self.well_known(QUANTITY),
            Type::IntOrString => self.well_known(INT_OR_STRING),
            Type::RawExtension => self.well_known(RAW_EXTENSION),
            Type::RawJson => self.well_known(&format!("{META}FieldsV1")),
            Type::SchemaOr(..) => self.well_known(&format!("{EXTENSIONS}JSONSchemaPropsOrBool")),
            Type::Message(message) => {
                let name = self.add(message);
                self.dialect.reference(&name)
            }
        }
    }

    /// A reference to a type whose schema is not made of fields.
    fn well_known(&mut self, name: &str) -> Value {
        if !self.made.contains_key(name) {
            let one_of = |list: Value| {
                if self.dialect == Dialect::V3 { json!({"oneOf": list}) } else { json!({"type": "string"}) }
            };
            let mut schema = match name.rsplit('.').next().unwrap_or_default() {
                "Time" | "MicroTime" => json!({"type": "string", "format": "date-time"}),
                "Duration" => json!({"type": "string"}),
                "Quantity" => one_of(json!([{"type": "string"}, {"type": "number"}])),
                "IntOrString" => one_of(json!([{"type": "integer"}, {"type": "string"}])),
                "JSONSchemaPropsOrBool" => json!({}),
                _ => json!({"type": "object"}),
            };
            if let Some(object) = schema.as_object_mut() {
                if name == INT_OR_STRING {
                    object.insert("format".into(), "int-or-string".into());
                }
                if let Some(description) = descriptions::of_name(name) {
                    object.insert("description".into(), description.into());
                }
            }
            self.made.insert(name.to_string(), schema);
        }
        self.dialect.reference(name)
    }
}

fn zero(ty: Type) -> Option<Value> {
    Some(match ty {
        Type::String | Type::Bytes => json!(""),
        Type::Int32 | Type::Int64 | Type::Double => json!(0),
        Type::Bool => json!(false),
        _ => return None,
    })
}

fn type_meta(_: &str) -> Map<String, Value> {
    let text = |name: &str| json!({"type": "string", "description": descriptions::of_type_meta(name)});
    [("apiVersion".to_string(), text("apiVersion")), ("kind".to_string(), text("kind"))].into_iter().collect()
}

/// A group, version and kind, as extensions name it.
pub fn gvk(group: &str, version: &str, kind: &str) -> Value {
    json!({"group": group, "kind": kind, "version": version})
}
