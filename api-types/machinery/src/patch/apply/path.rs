//! Steps and paths into an object, their order, and their two text forms: `.spec.containers[name="a"]` for people
//! and `k:{"name":"a"}` in `fieldsV1` (structured-merge-diff `fieldpath`).

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

use crate::quote::{go_float, go_json, go_quote};

/// One step into an object.
#[derive(Clone, Debug)]
pub enum PathElement {
    /// An entry of a map or a field of a struct.
    Field(String),
    /// The element of a list with these values in its key fields, sorted by name.
    Key(Vec<(String, Value)>),
    /// The element of a set with this value.
    Value(Value),
    /// The element at a position.
    Index(i64),
}

/// Why a key of `fieldsV1` is no step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathElementError {
    /// The key has no room for a type and a colon.
    #[error("key must be 2 characters long: {0:?}")]
    TooShort(String),
    /// The second character is no colon.
    #[error("missing colon: {0}")]
    NoColon(String),
    /// What follows the colon does not fit the type.
    #[error("path element {0:?} is malformed")]
    Malformed(String),
}

impl PathElement {
    /// A field or map entry.
    pub fn field(name: impl Into<String>) -> PathElement {
        PathElement::Field(name.into())
    }

    /// An element of a keyed list.
    pub fn key<K: Into<String>>(fields: impl IntoIterator<Item = (K, Value)>) -> PathElement {
        let mut fields: Vec<(String, Value)> =
            fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
        fields.sort_by(|left, right| left.0.cmp(&right.0));
        PathElement::Key(fields)
    }

    /// The form in `fieldsV1`.
    pub fn encode(&self) -> String {
        match self {
            PathElement::Field(name) => format!("f:{name}"),
            PathElement::Key(fields) => {
                let map: Map<String, Value> = fields.iter().cloned().collect();
                format!("k:{}", go_json(&Value::Object(map)))
            }
            PathElement::Value(value) => format!("v:{}", go_json(value)),
            PathElement::Index(index) => format!("i:{index}"),
        }
    }

    /// Reads the form in `fieldsV1`; nothing for a type of step which is not known (a newer writer's).
    ///
    /// # Errors
    /// When the text has not the form.
    pub fn decode(text: &str) -> Result<Option<PathElement>, PathElementError> {
        if text.len() < 2 {
            return Err(PathElementError::TooShort(text.to_owned()));
        }
        let Some(content) = text.get(1..).and_then(|rest| rest.strip_prefix(':')) else {
            return Err(PathElementError::NoColon(text.to_owned()));
        };
        let malformed = || PathElementError::Malformed(text.to_owned());
        Ok(Some(match text.as_bytes().first() {
            Some(b'f') => PathElement::field(content),
            Some(b'v') => PathElement::Value(serde_json::from_str(content).map_err(|_| malformed())?),
            Some(b'k') => {
                let fields: Map<String, Value> = serde_json::from_str(content).map_err(|_| malformed())?;
                PathElement::key(fields)
            }
            Some(b'i') => PathElement::Index(content.parse().map_err(|_| malformed())?),
            _ => return Ok(None),
        }))
    }

    fn rank(&self) -> u8 {
        match self {
            PathElement::Field(_) => 0,
            PathElement::Key(_) => 1,
            PathElement::Value(_) => 2,
            PathElement::Index(_) => 3,
        }
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &PathElement) -> Ordering {
        match (self, other) {
            (PathElement::Field(left), PathElement::Field(right)) => left.cmp(right),
            (PathElement::Key(left), PathElement::Key(right)) => {
                let pairs = left.iter().zip(right);
                pairs
                    .map(|(left, right)| left.0.cmp(&right.0).then_with(|| compare_values(&left.1, &right.1)))
                    .find(|order| order.is_ne())
                    .unwrap_or_else(|| left.len().cmp(&right.len()))
            }
            (PathElement::Value(left), PathElement::Value(right)) => compare_values(left, right),
            (PathElement::Index(left), PathElement::Index(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &PathElement) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for PathElement {
    fn eq(&self, other: &PathElement) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for PathElement {}

impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathElement::Field(name) => write!(f, ".{name}"),
            PathElement::Key(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{name}={}", show(value))).collect();
                write!(f, "[{}]", fields.join(","))
            }
            PathElement::Value(value) => write!(f, "[={}]", show(value)),
            PathElement::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A value as messages show it.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Number(number) if number.is_f64() => go_float(number.as_f64().unwrap_or_default()),
        Value::String(text) => go_quote(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(show).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(map) => map.iter().map(|(key, value)| format!("{key}={}", show(value))).collect(),
        other => other.to_string(),
    }
}

fn kind_rank(value: &Value) -> u8 {
    match value {
        Value::Number(number) if number.is_f64() => 0,
        Value::Number(_) => 1,
        Value::String(_) => 2,
        Value::Bool(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
        Value::Null => 6,
    }
}

/// The order of values: floats, integers, texts, truth values, lists, maps, null; numbers among each other by size.
pub(super) fn compare_values(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.as_f64().unwrap_or_default().total_cmp(&right.as_f64().unwrap_or_default()),
        },
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Array(left), Value::Array(right)) => {
            let pairs = left.iter().zip(right);
            let different =
                pairs.map(|(left, right)| compare_values(left, right)).find(|order| order.is_ne());
            different.unwrap_or_else(|| left.len().cmp(&right.len()))
        }
        (Value::Object(left), Value::Object(right)) => {
            let sorted = |map: &Map<String, Value>| {
                let mut entries: Vec<(String, Value)> =
                    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                entries.sort_by(|left, right| left.0.cmp(&right.0));
                entries
            };
            PathElement::Key(sorted(left)).cmp(&PathElement::Key(sorted(right)))
        }
        _ => kind_rank(left).cmp(&kind_rank(right)),
    }
}

/// Whether two values are the same; `1` and `1.0` are.
pub(super) fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || (left.is_f64() || right.is_f64()) && left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_value(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| same_value(value, other)))
        }
        _ => left == right,
    }
}
