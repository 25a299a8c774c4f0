//! Values of expressions, from JSON and to JSON.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use machinery::quantity::Quantity;
use serde_json::Value as Json;

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`
    Null,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `uint`
    Uint(u64),
    /// `double`
    Double(f64),
    /// `string`
    String(Arc<str>),
    /// `bytes`
    Bytes(Arc<[u8]>),
    /// `list`
    List(Arc<Vec<Value>>),
    /// `map`
    Map(Arc<BTreeMap<Key, Value>>),
    /// `google.protobuf.Duration`
    Duration(SignedDuration),
    /// `google.protobuf.Timestamp`
    Timestamp(Timestamp),
    /// `optional_type`
    Optional(Option<Box<Value>>),
    /// A type itself, by its name.
    Type(&'static str),
    /// `kubernetes.Quantity`
    Quantity(Box<Quantity>),
    /// `net.IP`
    Ip(IpAddr),
    /// `net.CIDR`
    Cidr(IpNet),
    /// `kubernetes.URL`
    Url(Arc<crate::library::Url>),
}

/// A key of a map. Numbers are one kind of keys, whatever their type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `bool`
    Bool(bool),
    /// `int` and `uint`
    Number(i128),
    /// `string`
    String(Arc<str>),
}

impl Value {
    /// A text.
    pub fn text(text: impl AsRef<str>) -> Value {
        Value::String(Arc::from(text.as_ref()))
    }

    /// A list.
    pub fn list(values: Vec<Value>) -> Value {
        Value::List(Arc::new(values))
    }

    /// What JSON says: whole numbers are `int`, others `double`.
    pub fn from_json(json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(value) => Value::Int(value),
                None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::text(text),
            Json::Array(values) => Value::list(values.iter().map(Value::from_json).collect()),
            Json::Object(fields) => Value::Map(Arc::new(
                fields
                    .iter()
                    .map(|(name, value)| (Key::String(Arc::from(name.as_str())), Value::from_json(value)))
                    .collect(),
            )),
        }
    }

    /// Name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Duration(_) => "google.protobuf.Duration",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::Optional(_) => "optional_type",
            Value::Type(_) => "type",
            Value::Quantity(_) => "kubernetes.Quantity",
            Value::Ip(_) => "net.IP",
            Value::Cidr(_) => "net.CIDR",
            Value::Url(_) => "kubernetes.URL",
        }
    }

    /// The key it would be in a map.
    pub fn as_key(&self) -> Option<Key> {
        match self {
            Value::Bool(value) => Some(Key::Bool(*value)),
            Value::Int(value) => Some(Key::Number(i128::from(*value))),
            Value::Uint(value) => Some(Key::Number(i128::from(*value))),
            Value::Double(value) if value.fract() == 0.0 && value.abs() < 1e18 => {
                Some(Key::Number(*value as i128))
            }
            Value::String(text) => Some(Key::String(Arc::clone(text))),
            _ => None,
        }
    }

    /// How much there is to walk through: elements, bytes, 1 for all else.
    pub(crate) fn size(&self) -> u64 {
        let length = match self {
            Value::String(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(values) => values.len(),
            Value::Map(fields) => fields.len(),
            _ => 1,
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }

    /// The order of two values; `None` when they have none.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        use Value::{Bool, Bytes, Double, Duration, Int, Quantity, String, Timestamp, Uint};
        match (self, other) {
            (Bool(left), Bool(right)) => Some(left.cmp(right)),
            (String(left), String(right)) => Some(left.cmp(right)),
            (Bytes(left), Bytes(right)) => Some(left.cmp(right)),
            (Duration(left), Duration(right)) => Some(left.cmp(right)),
            (Timestamp(left), Timestamp(right)) => Some(left.cmp(right)),
            (Quantity(left), Quantity(right)) => Some(left.compare(right)),
            (Double(left), Double(right)) => left.partial_cmp(right),
            (Int(_) | Uint(_), Int(_) | Uint(_)) => Some(self.whole()?.cmp(&other.whole()?)),
            (Double(left), Int(_) | Uint(_)) => left.partial_cmp(&(other.whole()? as f64)),
            (Int(_) | Uint(_), Double(right)) => (self.whole()? as f64).partial_cmp(right),
            _ => None,
        }
    }

    fn whole(&self) -> Option<i128> {
        match self {
            Value::Int(value) => Some(i128::from(*value)),
            Value::Uint(value) => Some(i128::from(*value)),
            _ => None,
        }
    }
}

impl Key {
    /// The key as a value.
    pub fn to_value(&self) -> Value {
        match self {
            Key::Bool(value) => Value::Bool(*value),
            Key::String(text) => Value::String(Arc::clone(text)),
            Key::Number(number) => match i64::try_from(*number) {
                Ok(value) => Value::Int(value),
                Err(_) => Value::Uint(u64::try_from(*number).unwrap_or(u64::MAX)),
            },
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::List(left), Value::List(right)) => left == right,
            (Value::Map(left), Value::Map(right)) => left == right,
            (Value::Optional(left), Value::Optional(right)) => left == right,
            (Value::Type(left), Value::Type(right)) => left == right,
            (Value::Ip(left), Value::Ip(right)) => left == right,
            (Value::Cidr(left), Value::Cidr(right)) => left == right,
            (Value::Url(left), Value::Url(right)) => left == right,
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }
}
