//! Reading dynamic objects without fear of what is not there.

use serde_json::{Map, Value};

/// The text at a JSON pointer; empty when there is none.
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at a JSON pointer.
pub fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

/// The truth value at a JSON pointer; false when there is none.
pub fn flag(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or_default()
}

/// The list at a JSON pointer; empty when there is none.
pub fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The entries of the map at a JSON pointer, sorted by key.
pub fn entries<'v>(value: &'v Value, pointer: &str) -> Vec<(&'v str, &'v Value)> {
    let map = value.pointer(pointer).and_then(Value::as_object);
    let mut entries: Vec<_> = map.into_iter().flatten().map(|(key, value)| (key.as_str(), value)).collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

/// A scalar as people read it, without quotes.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The name of an object.
pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// The namespace of an object; empty when it is in none.
pub fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// `group` and `version` of an object.
pub fn group_version(object: &Value) -> (&str, &str) {
    let api_version = text(object, "/apiVersion");
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Labels or annotations (`metadata.<which>`) as `key=value`, sorted and joined.
pub fn joined(object: &Value, pointer: &str, separator: &str) -> String {
    let pairs = entries(object, pointer).into_iter().map(|(key, value)| format!("{key}={}", plain(value)));
    let text = pairs.collect::<Vec<_>>().join(separator);
    if text.is_empty() { "<none>".to_owned() } else { text }
}

/// The map at a path, made when it is missing; whatever else is there is replaced.
pub fn map_at<'v>(value: &'v mut Value, path: &[&str]) -> &'v mut Map<String, Value> {
    let mut here = value;
    for part in path {
        here = as_map(here).entry(*part).or_insert_with(|| Value::Object(Map::new()));
    }
    as_map(here)
}

fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was just made an object"),
    }
}

/// Takes `metadata.managedFields` away.
pub fn without_managed_fields(object: &mut Value) {
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(without_managed_fields);
    }
}
