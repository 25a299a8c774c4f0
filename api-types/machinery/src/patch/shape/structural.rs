//! Structural schemas of custom resources as shapes (`kube-openapi/pkg/schemaconv`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Atoms, Fields, Keys, ListShape, MapShape, ScalarKind, Shape};
use crate::meta::v1::OBJECT_META;
use crate::schema::ListKind;

/// A part of a custom resource. More than one of the three may be set.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// It may be a scalar.
    pub scalar: Option<ScalarKind>,
    /// It may be a list.
    pub list: Option<NodeList>,
    /// It may be a map or an object with fields.
    pub map: Option<NodeMap>,
    /// It is a value of a built-in type, or of no declared type; the rest is not looked at.
    pub known: Option<Shape<'static>>,
    /// Default of the field this describes.
    pub default: Option<Value>,
}

/// A list of a custom resource.
#[derive(Clone, Debug)]
pub struct NodeList {
    /// `x-kubernetes-list-type`.
    pub kind: ListKind,
    /// `x-kubernetes-list-map-keys`.
    pub keys: Vec<String>,
    /// The elements; anything when not declared.
    pub element: Option<Box<Node>>,
}

/// A map or object of a custom resource.
#[derive(Clone, Debug)]
pub struct NodeMap {
    /// `x-kubernetes-map-type: atomic`.
    pub atomic: bool,
    /// `properties`.
    pub fields: BTreeMap<String, Node>,
    /// Entries which are no declared fields; nothing when there may be none.
    pub element: Option<Box<Node>>,
}

impl Node {
    fn known(shape: Shape<'static>) -> Node {
        Node { known: Some(shape), ..Node::default() }
    }

    pub(super) fn atoms(&self) -> Atoms<'_> {
        if let Some(shape) = self.known {
            return shape.atoms();
        }
        let list = self.list.as_ref().map(|list| ListShape {
            kind: list.kind,
            keys: Keys::Custom(&list.keys),
            element: list.element.as_deref().map_or(Shape::Deduced, Shape::Node),
        });
        let map = self.map.as_ref().map(|map| MapShape {
            atomic: map.atomic,
            fields: if map.fields.is_empty() { Fields::None } else { Fields::Custom(&map.fields) },
            element: map.element.as_deref().map(|node| node.known.unwrap_or(Shape::Node(node))),
        });
        Atoms { scalar: self.scalar, list, map }
    }

    /// Reads a schema in its JSON form (`spec.versions[].schema.openAPIV3Schema`). Unknown parts of the schema
    /// are passed over: what is no structural schema has been refused before.
    pub fn from_schema(schema: &Value) -> Node {
        Node::read(schema, false)
    }

    fn read(schema: &Value, preserve_unknown: bool) -> Node {
        let set = |name: &str| schema.get(name).and_then(Value::as_bool) == Some(true);
        let preserve_unknown = preserve_unknown || set("x-kubernetes-preserve-unknown-fields");
        let declares_entries =
            ["properties", "additionalProperties"].iter().any(|name| schema.get(name).is_some());
        let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
        let mut node = match kind {
            _ if set("x-kubernetes-int-or-string") => scalar(ScalarKind::Untyped),
            _ if set("x-kubernetes-embedded-resource") => embedded(read_map(schema, preserve_unknown)),
            "object" => Node { map: Some(read_map(schema, preserve_unknown)), ..Node::default() },
            "" if declares_entries => {
                Node { map: Some(read_map(schema, preserve_unknown)), ..Node::default() }
            }
            "array" => Node { list: Some(read_list(schema, preserve_unknown)), ..Node::default() },
            "integer" | "number" => scalar(ScalarKind::Numeric),
            "boolean" => scalar(ScalarKind::Boolean),
            "string" => match schema.get("format").and_then(Value::as_str) {
                Some("int-or-string") => scalar(ScalarKind::Untyped),
                _ => scalar(ScalarKind::String),
            },
            _ => Node::known(Shape::Deduced),
        };
        node.default = schema.get("default").filter(|default| !default.is_null()).cloned();
        node
    }
}

fn scalar(kind: ScalarKind) -> Node {
    Node { scalar: Some(kind), ..Node::default() }
}

fn read_map(schema: &Value, preserve_unknown: bool) -> NodeMap {
    let properties = schema.get("properties").and_then(Value::as_object);
    let fields: BTreeMap<String, Node> = properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.clone(), Node::read(schema, preserve_unknown)))
        .collect();
    let element = match schema.get("additionalProperties") {
        None => (preserve_unknown || fields.is_empty()).then(|| Node::known(Shape::Deduced)),
        Some(Value::Bool(allowed)) => allowed.then(|| Node::known(Shape::Deduced)),
        Some(schema) => Some(Node::read(schema, preserve_unknown)),
    };
    let atomic = schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic");
    NodeMap { atomic, fields, element: element.map(Box::new) }
}

fn read_list(schema: &Value, preserve_unknown: bool) -> NodeList {
    let kind = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListKind::Set,
        Some("map") => ListKind::Map,
        _ => ListKind::Atomic,
    };
    let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
    let keys = keys.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let element = schema.get("items").map(|items| Box::new(Node::read(items, preserve_unknown)));
    NodeList { kind, keys, element }
}

/// Adds what every object has: type and metadata.
fn embedded(mut map: NodeMap) -> Node {
    map.fields.insert("apiVersion".to_owned(), scalar(ScalarKind::String));
    map.fields.insert("kind".to_owned(), scalar(ScalarKind::String));
    map.fields.insert("metadata".to_owned(), Node::known(Shape::Struct(&OBJECT_META)));
    Node { map: Some(map), ..Node::default() }
}

/// The shape of a custom resource with the given schema; without one, anything goes beside type and metadata.
pub fn custom_resource(schema: Option<&Value>) -> Node {
    let map = match schema {
        Some(schema) => {
            let preserve_unknown =
                schema.get("x-kubernetes-preserve-unknown-fields").and_then(Value::as_bool);
            read_map(schema, preserve_unknown == Some(true))
        }
        None => read_map(&Value::Null, true),
    };
    embedded(map)
}
