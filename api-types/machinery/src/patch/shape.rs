//! How a kind merges under server-side apply: one view for built-in kinds, which the table of facts describes,
//! and for custom resources, whose structural schema is compiled into [`Node`]s.
//!
//! A value may be allowed to be several of scalar, list and map; the value at hand then decides.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::schema::{Field, Label, ListKind, Message, Type};

mod structural;

pub use structural::{Node, NodeList, NodeMap, custom_resource};

/// The shape of a value.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'s> {
    /// A built-in struct.
    Struct(&'static Message),
    /// The whole value of a built-in field.
    Field(&'static Field),
    /// An element of a built-in list or map.
    Element(&'static Field),
    /// A part of a custom resource.
    Node(&'s Node),
    /// One scalar.
    Scalar(ScalarKind),
    /// Anything; maps merge, lists do not.
    Deduced,
    /// Anything, as one value.
    Atomic,
}

/// What a scalar may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarKind {
    /// Text.
    String,
    /// Integer or float.
    Numeric,
    /// Truth value.
    Boolean,
    /// Any of these.
    Untyped,
}

/// What a value of a [`Shape`] may be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Atoms<'s> {
    pub(crate) scalar: Option<ScalarKind>,
    pub(crate) list: Option<ListShape<'s>>,
    pub(crate) map: Option<MapShape<'s>>,
}

/// How a list merges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListShape<'s> {
    pub(crate) kind: ListKind,
    pub(crate) keys: Keys<'s>,
    pub(crate) element: Shape<'s>,
}

/// The keys of a list whose elements are found by key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keys<'s> {
    BuiltIn(&'static [&'static str]),
    Custom(&'s [String]),
}

impl<'s> Keys<'s> {
    pub(crate) fn iter(self) -> impl Iterator<Item = &'s str> {
        let (built_in, custom): (&[&str], &[String]) = match self {
            Keys::BuiltIn(keys) => (keys, &[]),
            Keys::Custom(keys) => (&[], keys),
        };
        built_in.iter().copied().chain(custom.iter().map(String::as_str))
    }
}

/// How a map or struct merges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapShape<'s> {
    pub(crate) atomic: bool,
    fields: Fields<'s>,
    /// Shape of entries which are no declared fields; nothing when there may be none.
    pub(crate) element: Option<Shape<'s>>,
}

#[derive(Clone, Copy, Debug)]
enum Fields<'s> {
    None,
    BuiltIn(&'static Message),
    Custom(&'s BTreeMap<String, Node>),
}

impl<'s> MapShape<'s> {
    /// Shape of a declared field.
    pub(crate) fn field(&self, name: &str) -> Option<Shape<'s>> {
        match self.fields {
            Fields::None => None,
            Fields::BuiltIn(message) if message.type_meta && matches!(name, "apiVersion" | "kind") => {
                Some(Shape::Scalar(ScalarKind::String))
            }
            Fields::BuiltIn(message) => message.field(name).map(Shape::Field),
            Fields::Custom(fields) => fields.get(name).map(Shape::Node),
        }
    }

    /// Shape of an entry, declared or not.
    pub(crate) fn entry(&self, name: &str) -> Option<Shape<'s>> {
        self.field(name).or(self.element)
    }

    /// Default of a declared field.
    pub(crate) fn default_of(&self, name: &str) -> Option<Value> {
        match self.fields {
            Fields::None => None,
            Fields::BuiltIn(message) => {
                let text = message.field(name)?.default;
                if text.is_empty() { None } else { serde_json::from_str(text).ok() }
            }
            Fields::Custom(fields) => fields.get(name)?.default.clone(),
        }
    }

    /// A map of which nothing is declared and anything may be: nobody said how it merges.
    pub(crate) fn is_undeclared(&self) -> bool {
        matches!(self.fields, Fields::None) && matches!(self.element, Some(Shape::Deduced))
    }
}

impl<'s> Shape<'s> {
    /// What a value of this shape may be.
    pub(crate) fn atoms(self) -> Atoms<'s> {
        match self {
            Shape::Struct(message) => built_in_struct(message, message.atomic),
            Shape::Field(field) => match field.label {
                Label::Single => built_in_value(field),
                Label::Repeated => list(field.list, Keys::BuiltIn(field.keys), Shape::Element(field)),
                Label::Map => map(field.is_map_atomic(), Fields::None, Some(Shape::Element(field))),
            },
            Shape::Element(field) => built_in_value_of(field, false),
            Shape::Node(node) => node.atoms(),
            Shape::Scalar(kind) => scalar(kind),
            Shape::Deduced => anything(false, Shape::Deduced),
            Shape::Atomic => anything(true, Shape::Atomic),
        }
    }
}

fn scalar<'s>(kind: ScalarKind) -> Atoms<'s> {
    Atoms { scalar: Some(kind), ..Atoms::default() }
}

fn list<'s>(kind: ListKind, keys: Keys<'s>, element: Shape<'s>) -> Atoms<'s> {
    Atoms { list: Some(ListShape { kind, keys, element }), ..Atoms::default() }
}

fn map<'s>(atomic: bool, fields: Fields<'s>, element: Option<Shape<'s>>) -> Atoms<'s> {
    Atoms { map: Some(MapShape { atomic, fields, element }), ..Atoms::default() }
}

/// A value of any kind; lists are always one value.
fn anything<'s>(atomic: bool, entries: Shape<'s>) -> Atoms<'s> {
    Atoms {
        scalar: Some(ScalarKind::Untyped),
        list: Some(ListShape { kind: ListKind::Atomic, keys: Keys::BuiltIn(&[]), element: Shape::Atomic }),
        map: Some(MapShape { atomic, fields: Fields::None, element: Some(entries) }),
    }
}

fn built_in_struct<'s>(message: &'static Message, atomic: bool) -> Atoms<'s> {
    map(atomic, Fields::BuiltIn(message), None)
}

fn built_in_value<'s>(field: &'static Field) -> Atoms<'s> {
    built_in_value_of(field, field.is_map_atomic())
}

fn built_in_value_of<'s>(field: &'static Field, atomic: bool) -> Atoms<'s> {
    match field.ty {
        Type::String | Type::Bytes | Type::Duration => scalar(ScalarKind::String),
        Type::Int32 | Type::Int64 | Type::Double => scalar(ScalarKind::Numeric),
        Type::Bool => scalar(ScalarKind::Boolean),
        Type::Time | Type::MicroTime | Type::Quantity | Type::IntOrString => scalar(ScalarKind::Untyped),
        Type::RawExtension => map(atomic, Fields::None, Some(Shape::Deduced)),
        Type::RawJson | Type::SchemaOr(..) => Shape::Atomic.atoms(),
        Type::StringList => list(ListKind::Atomic, Keys::BuiltIn(&[]), Shape::Scalar(ScalarKind::String)),
        Type::Message(message) => built_in_struct(message, atomic || message.atomic),
    }
}
