//! JSON patch (RFC 6902) with the particulars of upstream's library: negative indexes count from the end,
//! replacing an absent member of an object sets it, and absent members count as null in tests.

use serde_json::Value;

use crate::quote::go_quote;
use crate::status::{ServerResponse, StatusError};

/// Greatest number of operations in one patch.
pub const MAX_OPERATIONS: usize = 10_000;
/// Greatest number of bytes which the copy operations of one patch may add, as JSON text.
pub const MAX_COPY_BYTES: usize = 3 * 1024 * 1024;

/// Why a JSON patch cannot be read or applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonPatchError {
    /// The patch is no list of operations.
    #[error("json: cannot unmarshal {found} into Go value of type jsonpatch.{wanted}")]
    Type {
        /// What stands in the patch.
        found: &'static str,
        /// `Patch` or `Operation`.
        wanted: &'static str,
    },
    /// The patch has too many operations.
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {0}")]
    TooManyOperations(usize),
    /// An operation is none of the six.
    #[error("Unexpected kind: {0}")]
    UnknownOperation(String),
    /// A member of an operation is absent or no text.
    #[error("{operation} operation failed to decode {member}: missing value")]
    Member {
        /// The operation.
        operation: &'static str,
        /// The member.
        member: &'static str,
    },
    /// The object has no such place.
    #[error("{operation} operation does not apply: doc is missing {what}: \"{path}\": missing value")]
    MissingPath {
        /// The operation.
        operation: &'static str,
        /// `path`, `from path` or `destination path`.
        what: &'static str,
        /// The place.
        path: String,
    },
    /// The object has no such member.
    #[error(
        "error in {operation} for path: '{path}': Unable to remove nonexistent key: {key}: missing value"
    )]
    MissingKey {
        /// The operation.
        operation: &'static str,
        /// The place.
        path: String,
        /// The member.
        key: String,
    },
    /// The list has no such element.
    #[error(
        "error in {operation} for path: '{path}': Unable to access invalid index: {index}: invalid index referenced"
    )]
    Index {
        /// The operation.
        operation: &'static str,
        /// The place.
        path: String,
        /// The index.
        index: String,
    },
    /// A test found another value.
    #[error("testing value {0} failed: test failed")]
    TestFailed(String),
    /// The copies grow the object beyond the limit.
    #[error(
        "Unable to complete the copy, the accumulated size increase of copy is {0}, exceeding the limit {MAX_COPY_BYTES}"
    )]
    CopySize(usize),
    /// The whole object may only become an object or a list.
    #[error("replace operation value must be object or array")]
    RootValue,
}

impl JsonPatchError {
    /// How the apiserver answers a patch request which fails so.
    pub fn to_status(&self) -> StatusError {
        let message = self.to_string();
        match self {
            JsonPatchError::Type { .. } => StatusError::bad_request(message),
            JsonPatchError::TooManyOperations(_) => StatusError::request_entity_too_large(&message),
            _ => {
                let resource = Default::default();
                ServerResponse {
                    code: 422,
                    method: "",
                    resource: &resource,
                    name: "",
                    message: &message,
                    retry_after_seconds: 0,
                    unexpected: false,
                }
                .to_error()
                // Upstream says only that something is wrong; the cause says what.
                .with_cause("", message.clone(), "")
            }
        }
    }
}

/// Applies the operations of `patch` to `document`, all or none.
///
/// # Errors
/// When the patch is malformed, does not apply, or exceeds a limit.
pub fn apply(document: &Value, patch: &Value) -> Result<Value, JsonPatchError> {
    let operations = operations(patch)?;
    let mut result = document.clone();
    let mut copied = 0;
    for operation in operations {
        apply_one(&mut result, operation, &mut copied)?;
    }
    Ok(result)
}

/// Members which no operation has, in the words of strict field validation.
pub fn unknown_fields(patch: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    for (position, operation) in patch.as_array().into_iter().flatten().enumerate() {
        for name in operation.as_object().into_iter().flat_map(|members| members.keys()) {
            if !matches!(name.as_str(), "op" | "path" | "from" | "value") {
                let path = go_quote(&format!("[{position}].{name}"));
                unknown.push(format!("json patch unknown field {path}"));
            }
        }
    }
    unknown
}

fn operations(patch: &Value) -> Result<&[Value], JsonPatchError> {
    let list: &[Value] = match patch {
        Value::Array(list) => list,
        Value::Null => &[],
        other => return Err(JsonPatchError::Type { found: json_type(other), wanted: "Patch" }),
    };
    if let Some(other) = list.iter().find(|operation| !operation.is_object()) {
        return Err(JsonPatchError::Type { found: json_type(other), wanted: "Operation" });
    }
    if list.len() > MAX_OPERATIONS {
        return Err(JsonPatchError::TooManyOperations(list.len()));
    }
    Ok(list)
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn apply_one(document: &mut Value, operation: &Value, copied: &mut usize) -> Result<(), JsonPatchError> {
    let kind = operation.get("op").and_then(Value::as_str).unwrap_or("unknown");
    let value = || operation.get("value").cloned().unwrap_or_default();
    match kind {
        "add" => add(document, "add", "path", text(operation, "add", "path")?, value()),
        "remove" => remove(document, "remove", "path", text(operation, "remove", "path")?).map(drop),
        "replace" => replace(document, text(operation, "replace", "path")?, value()),
        "move" => {
            let from = text(operation, "move", "from")?;
            let moved = remove(document, "move", "from path", from)?;
            add(document, "move", "destination path", text(operation, "move", "path")?, moved)
        }
        "test" => test(document, text(operation, "test", "path")?, &value()),
        "copy" => {
            let from = text(operation, "copy", "from")?;
            let copy = get(document, "copy", "from path", from)?.cloned().unwrap_or_default();
            *copied += copy.to_string().len();
            if *copied > MAX_COPY_BYTES {
                return Err(JsonPatchError::CopySize(*copied));
            }
            add(document, "copy", "destination path", text(operation, "copy", "path")?, copy)
        }
        other => Err(JsonPatchError::UnknownOperation(other.to_owned())),
    }
}

fn text<'a>(
    operation: &'a Value,
    name: &'static str,
    member: &'static str,
) -> Result<&'a str, JsonPatchError> {
    let found = operation.get(member).and_then(Value::as_str);
    found.ok_or(JsonPatchError::Member { operation: name, member })
}

/// A place: the container and the last step, decoded.
fn split(path: &str) -> Option<(Vec<String>, String)> {
    let mut steps = path.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
    steps.next()?;
    let mut steps: Vec<String> = steps.collect();
    let last = steps.pop()?;
    Some((steps, last))
}

fn container<'d>(
    document: &'d mut Value,
    operation: &'static str,
    what: &'static str,
    path: &str,
) -> Result<(&'d mut Value, String), JsonPatchError> {
    let missing = || JsonPatchError::MissingPath { operation, what, path: path.to_owned() };
    let (steps, last) = split(path).ok_or_else(missing)?;
    let mut current = document;
    for step in steps {
        current = match current {
            Value::Object(map) => map.get_mut(&step),
            Value::Array(list) => {
                let index = existing_index(&step, list.len());
                index.and_then(|index| list.get_mut(index))
            }
            _ => None,
        }
        .ok_or_else(missing)?;
    }
    if current.is_object() || current.is_array() { Ok((current, last)) } else { Err(missing()) }
}

/// An index into a list; negative ones count from the end.
fn existing_index(step: &str, length: usize) -> Option<usize> {
    let index: i64 = step.parse().ok()?;
    let index = if index < 0 { index.checked_add_unsigned(length as u64)? } else { index };
    usize::try_from(index).ok().filter(|index| *index < length)
}

fn add(
    document: &mut Value,
    operation: &'static str,
    what: &'static str,
    path: &str,
    value: Value,
) -> Result<(), JsonPatchError> {
    let (container, last) = container(document, operation, what, path)?;
    match container {
        Value::Object(map) => {
            map.insert(last, value);
        }
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => {
            let index =
                existing_index(&last, list.len() + 1).ok_or_else(|| bad_index(operation, path, &last))?;
            list.insert(index, value);
        }
        _ => return Err(bad_index(operation, path, &last)),
    }
    Ok(())
}

fn bad_index(operation: &'static str, path: &str, index: &str) -> JsonPatchError {
    JsonPatchError::Index { operation, path: path.to_owned(), index: index.to_owned() }
}

fn remove(
    document: &mut Value,
    operation: &'static str,
    what: &'static str,
    path: &str,
) -> Result<Value, JsonPatchError> {
    let (container, last) = container(document, operation, what, path)?;
    match container {
        Value::Object(map) => map.shift_remove(&last).ok_or_else(|| JsonPatchError::MissingKey {
            operation,
            path: path.to_owned(),
            key: last,
        }),
        Value::Array(list) => match existing_index(&last, list.len()) {
            Some(index) => Ok(list.remove(index)),
            None => Err(bad_index(operation, path, &last)),
        },
        _ => Err(bad_index(operation, path, &last)),
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), JsonPatchError> {
    if path.is_empty() {
        if !(value.is_object() || value.is_array()) {
            return Err(JsonPatchError::RootValue);
        }
        *document = value;
        return Ok(());
    }
    let (container, last) = container(document, "replace", "path", path)?;
    match container {
        Value::Object(map) => {
            map.insert(last, value);
            Ok(())
        }
        Value::Array(list) => {
            let index = existing_index(&last, list.len());
            let slot = index.and_then(|index| list.get_mut(index));
            *slot.ok_or_else(|| bad_index("replace", path, &last))? = value;
            Ok(())
        }
        _ => Err(bad_index("replace", path, &last)),
    }
}

/// The value at a place; nothing for an absent member of an object.
fn get<'d>(
    document: &'d mut Value,
    operation: &'static str,
    what: &'static str,
    path: &str,
) -> Result<Option<&'d Value>, JsonPatchError> {
    let (container, last) = container(document, operation, what, path)?;
    match container {
        Value::Object(map) => Ok(map.get(&last)),
        Value::Array(list) => {
            let found = existing_index(&last, list.len()).and_then(|index| list.get(index));
            found.map(Some).ok_or_else(|| bad_index(operation, path, &last))
        }
        _ => Ok(None),
    }
}

fn test(document: &mut Value, path: &str, value: &Value) -> Result<(), JsonPatchError> {
    let found = if path.is_empty() { Some(&*document) } else { get(document, "test", "path", path)? };
    if found.unwrap_or(&Value::Null) == value {
        return Ok(());
    }
    Err(JsonPatchError::TestFailed(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(document: Value, patch: Value, expected: Result<Value, &str>) {
        let result = apply(&document, &patch).map_err(|error| error.to_string());
        assert_eq!(result, expected.map_err(str::to_owned), "{patch}");
    }

    #[test]
    fn operations_apply() {
        let document = json!({"a": {"b": [1, 2, 3]}, "c~/d": 1});
        for (patch, expected) in [
            (
                json!([{"op": "add", "path": "/e", "value": 5}]),
                json!({"a": {"b": [1, 2, 3]}, "c~/d": 1, "e": 5}),
            ),
            (
                json!([{"op": "add", "path": "/a/b/-", "value": 4}]),
                json!({"a": {"b": [1, 2, 3, 4]}, "c~/d": 1}),
            ),
            (
                json!([{"op": "add", "path": "/a/b/1", "value": 9}]),
                json!({"a": {"b": [1, 9, 2, 3]}, "c~/d": 1}),
            ),
            (
                json!([{"op": "add", "path": "/a/b/-1", "value": 9}]),
                json!({"a": {"b": [1, 2, 3, 9]}, "c~/d": 1}),
            ),
            (json!([{"op": "remove", "path": "/a/b/-1"}]), json!({"a": {"b": [1, 2]}, "c~/d": 1})),
            (
                json!([{"op": "replace", "path": "/c~0~1d", "value": 2}]),
                json!({"a": {"b": [1, 2, 3]}, "c~/d": 2}),
            ),
            (
                json!([{"op": "replace", "path": "/new", "value": 2}]),
                json!({"a": {"b": [1, 2, 3]}, "c~/d": 1, "new": 2}),
            ),
            (
                json!([{"op": "move", "from": "/a/b/0", "path": "/f"}]),
                json!({"a": {"b": [2, 3]}, "c~/d": 1, "f": 1}),
            ),
            (
                json!([{"op": "copy", "from": "/a/b", "path": "/f"}]),
                json!({"a": {"b": [1, 2, 3]}, "c~/d": 1, "f": [1, 2, 3]}),
            ),
            (json!([{"op": "replace", "path": "", "value": {}}]), json!({})),
            (
                json!([{"op": "test", "path": "/a/b/0", "value": 1}, {"op": "test", "path": "/x"}]),
                document.clone(),
            ),
            (json!([]), document.clone()),
        ] {
            check(document.clone(), patch, Ok(expected));
        }
    }

    #[test]
    fn refusals() {
        for (patch, expected) in [
            (json!({}), "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
            (json!(["x"]), "json: cannot unmarshal string into Go value of type jsonpatch.Operation"),
            (json!([{"op": "odd", "path": "/a"}]), "Unexpected kind: odd"),
            (json!([{"op": "add"}]), "add operation failed to decode path: missing value"),
            (
                json!([{"op": "add", "path": "/x/y", "value": 1}]),
                "add operation does not apply: doc is missing path: \"/x/y\": missing value",
            ),
            (
                json!([{"op": "remove", "path": "/x"}]),
                "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
            ),
            (
                json!([{"op": "replace", "path": "/a/7", "value": 1}]),
                "error in replace for path: '/a/7': Unable to access invalid index: 7: invalid index referenced",
            ),
            (json!([{"op": "test", "path": "/b", "value": 1}]), "testing value /b failed: test failed"),
            (
                json!([{"op": "replace", "path": "", "value": 1}]),
                "replace operation value must be object or array",
            ),
        ] {
            check(json!({"a": [1], "b": 2}), patch, Err(expected));
        }
    }

    #[test]
    fn limits() {
        let operation = json!({"op": "test", "path": "/a"});
        let patch = Value::Array(vec![operation; MAX_OPERATIONS + 1]);
        let error = apply(&json!({}), &patch).expect_err("one too many");
        assert_eq!(error.to_status().code(), 413);
        let big = json!({"a": "x".repeat(MAX_COPY_BYTES / 2)});
        let copy = json!([
            {"op": "copy", "from": "/a", "path": "/b"},
            {"op": "copy", "from": "/a", "path": "/c"},
        ]);
        assert!(matches!(apply(&big, &copy), Err(JsonPatchError::CopySize(_))));
    }

    #[test]
    fn answers_of_the_apiserver() {
        let status = JsonPatchError::TestFailed("/a".to_owned()).to_status();
        assert_eq!((status.code(), status.reason()), (422, "Invalid"));
        assert_eq!(status.to_string(), "the server rejected our request due to an error in our request");
        assert_eq!(JsonPatchError::Type { found: "object", wanted: "Patch" }.to_status().code(), 400);
        let patch = json!([{"op": "test", "path": "/a", "extra": 1}]);
        assert_eq!(unknown_fields(&patch), ["json patch unknown field \"[0].extra\""]);
    }
}
