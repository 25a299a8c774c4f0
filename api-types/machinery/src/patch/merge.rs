//! JSON merge patch (RFC 7386): applying one, and making one from two or three objects
//! (`apimachinery/pkg/util/jsonmergepatch`).

use serde_json::{Map, Value};

use crate::codec::yaml;
use crate::patch::go_text::{go_type, go_value};
use crate::status::StatusError;

/// Why a merge patch cannot be applied or made. The texts are upstream's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MergePatchError {
    /// The document is null.
    #[error("Invalid JSON Document")]
    BadDocument,
    /// The patch is neither an object nor a list.
    #[error("Invalid JSON Patch")]
    BadPatch,
    /// The patch changes what it must not change.
    #[error("precondition failed for: {}", go_value(.0))]
    Precondition(Box<Value>),
    /// What is added and what is deleted contradict each other.
    #[error(
        "patch:\n{}\nconflicts with changes made from original to current:\n{}\n",
        yaml::to_string_sorted(.patch),
        yaml::to_string_sorted(.changes)
    )]
    Conflict {
        /// Additions and changes.
        patch: Box<Value>,
        /// Deletions.
        changes: Box<Value>,
    },
}

impl MergePatchError {
    /// How the apiserver answers a patch request which fails so.
    pub fn to_status(&self) -> StatusError {
        match self {
            MergePatchError::BadPatch => StatusError::bad_request(self.to_string()),
            _ => StatusError::new(500, "", self.to_string()),
        }
    }
}

/// Applies a patch. Null removes; what is new loses its nulls.
///
/// # Errors
/// When the document is null or the patch neither object nor list.
pub fn apply(document: Value, patch: Value) -> Result<Value, MergePatchError> {
    match (document, patch) {
        (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            Err(MergePatchError::BadPatch)
        }
        (Value::Null, _) => Err(MergePatchError::BadDocument),
        (Value::Object(mut document), Value::Object(patch)) => {
            merge_maps(&mut document, patch);
            Ok(Value::Object(document))
        }
        (_, mut patch) => {
            prune_nulls(&mut patch);
            Ok(patch)
        }
    }
}

fn merge_maps(document: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, mut value) in patch {
        if value.is_null() {
            document.shift_remove(&key);
            continue;
        }
        match (document.get_mut(&key), value) {
            (Some(Value::Object(current)), Value::Object(wanted)) => merge_maps(current, wanted),
            (Some(current @ Value::Object(_)), wanted) => *current = wanted,
            (_, wanted) => {
                value = wanted;
                prune_nulls(&mut value);
                document.insert(key, value);
            }
        }
    }
}

fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(prune_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(prune_nulls),
        _ => {}
    }
}

/// The patch which turns `original` into `modified`. Whatever is not two objects is replaced.
pub fn create(original: &Value, modified: &Value) -> Value {
    let (Value::Object(original), Value::Object(modified)) = (original, modified) else {
        return modified.clone();
    };
    let mut patch = Map::new();
    for (key, wanted) in modified {
        match (original.get(key), wanted) {
            (Some(current), wanted) if current == wanted => {}
            (Some(current @ Value::Object(_)), Value::Object(_)) => {
                patch.insert(key.clone(), create(current, wanted));
            }
            _ => {
                patch.insert(key.clone(), wanted.clone());
            }
        }
    }
    for key in original.keys().filter(|key| !modified.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Value::Object(patch)
}

/// The patch which brings `current` to `modified`, deleting only what `original` has and `modified` has not.
///
/// # Errors
/// When a precondition fails or additions and deletions contradict each other.
pub fn create_three_way(
    original: &Value,
    modified: &Value,
    current: &Value,
    preconditions: &[super::strategic::Precondition<'_>],
) -> Result<Value, MergePatchError> {
    let empty = Value::Object(Map::new());
    let or_empty = |value: &Value| if value.is_null() { empty.clone() } else { value.clone() };
    let (original, modified, current) = (or_empty(original), or_empty(modified), or_empty(current));
    let additions = keep(create(&current, &modified), false);
    let deletions = keep(create(&original, &modified), true);
    if have_conflicts(&additions, &deletions) {
        return Err(MergePatchError::Conflict { patch: Box::new(additions), changes: Box::new(deletions) });
    }
    let patch = apply(deletions, additions)?;
    if preconditions.iter().any(|precondition| !precondition(&patch)) {
        return Err(MergePatchError::Precondition(Box::new(patch)));
    }
    Ok(patch)
}

/// Keeps either the nulls of a patch or everything else. An empty map is a value, not an empty patch.
fn keep(patch: Value, nulls: bool) -> Value {
    let Value::Object(map) = patch else { return patch };
    let kept = map.into_iter().filter_map(|(key, value)| match value {
        Value::Null => nulls.then_some((key, Value::Null)),
        Value::Object(inner) if inner.is_empty() => (!nulls).then_some((key, Value::Object(inner))),
        Value::Object(_) => {
            let inner = keep(value, nulls);
            inner.as_object().is_some_and(|map| !map.is_empty()).then_some((key, inner))
        }
        other => (!nulls).then_some((key, other)),
    });
    Value::Object(kept.collect())
}

/// Whether both set the same place to different values.
fn have_conflicts(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.iter().any(|(key, value)| right.get(key).is_some_and(|other| have_conflicts(value, other)))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() != right.len()
                || left.iter().zip(right).any(|(left, right)| have_conflicts(left, right))
        }
        _ => go_type(left) != go_type(right) || left != right,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn examples_of_the_standard() {
        for (document, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!({"a": {"b": 1}}), json!({"a": 5}), json!({"a": 5})),
        ] {
            assert_eq!(apply(document, patch.clone()), Ok(expected), "{patch}");
        }
        assert_eq!(apply(json!({}), json!("x")), Err(MergePatchError::BadPatch));
        assert_eq!(MergePatchError::BadPatch.to_status().code(), 400);
    }

    #[test]
    fn making_and_applying_agree() {
        for (original, modified, expected) in [
            (
                json!({"a": 1, "b": {"c": 2, "d": 3}}),
                json!({"a": 1, "b": {"c": 4}}),
                json!({"b": {"c": 4, "d": null}}),
            ),
            (json!({"a": [1]}), json!({"a": [1, 2]}), json!({"a": [1, 2]})),
            (json!({"a": 1}), json!({"a": "1"}), json!({"a": "1"})),
            (json!({"a": 1}), json!({"a": 1}), json!({})),
        ] {
            let patch = create(&original, &modified);
            assert_eq!(patch, expected);
            assert_eq!(apply(original, patch), Ok(modified));
        }
    }

    #[test]
    fn three_ways() {
        let patch = create_three_way(
            &json!({"a": 1, "gone": 1, "m": {"x": 1}}),
            &json!({"a": 2, "m": {}}),
            &json!({"a": 1, "gone": 1, "server": 1, "m": {"x": 1, "z": 2}}),
            &[],
        );
        assert_eq!(patch, Ok(json!({"gone": null, "m": {"x": null}, "a": 2})));
        let unchanged = |patch: &Value| patch.get("a").is_none();
        let refused = create_three_way(&json!({}), &json!({"a": 1}), &json!({}), &[&unchanged]);
        assert_eq!(refused, Err(MergePatchError::Precondition(Box::new(json!({"a": 1})))));
    }
}
