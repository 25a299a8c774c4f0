//! Strategic merge patch: applying one to an object, and making one from two or three objects
//! (`apimachinery/pkg/util/strategicpatch`).
//!
//! The table of facts says which lists merge and by which key. Directives in a patch: `$patch` (replace,
//! delete, merge), `$retainKeys`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`.

mod conflict;
mod diff;
mod list;
mod merge;
mod meta;
#[cfg(test)]
mod tests;

pub use meta::Type;

use serde_json::{Map, Value};

use crate::codec::yaml;
use crate::patch::go_text::{go_type, go_value};
use crate::schema::Message;
use crate::status::{ServerResponse, StatusError};

const DIRECTIVE: &str = "$patch";
const DELETE: &str = "delete";
const REPLACE: &str = "replace";
const MERGE: &str = "merge";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_PRIMITIVE_LIST: &str = "$deleteFromPrimitiveList";
const SET_ELEMENT_ORDER: &str = "$setElementOrder";

/// Why a patch cannot be applied or made. The texts are upstream's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StrategicError {
    /// An object or a patch is no JSON object.
    #[error("invalid JSON document")]
    BadDocument,
    /// A list holds lists.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// A `$deleteFromPrimitiveList` directive is malformed.
    #[error("invalid patch format of primitive list")]
    PrimitiveListFormat,
    /// A `$retainKeys` directive is malformed, or the patch sets what it does not list.
    #[error("invalid patch format of retainKeys")]
    RetainKeysFormat,
    /// A `$setElementOrder` directive is malformed.
    #[error("invalid patch format of setElementOrder list")]
    SetElementOrderFormat,
    /// The kind is not built in, so nobody knows how its lists merge.
    #[error("strategic merge patch format is not supported")]
    Unsupported,
    /// An element of a list lacks the key by which the list merges.
    #[error("map: {} does not contain declared merge key: {key}", go_value(.map))]
    NoMergeKey {
        /// The element.
        map: Box<Value>,
        /// The key.
        key: String,
    },
    /// A value has not the type the directive asks for.
    #[error("expected a {expected}, but received a {}", go_type(.actual))]
    BadType {
        /// Upstream's word for the type.
        expected: &'static str,
        /// The value.
        actual: Box<Value>,
    },
    /// `$patch` has an unknown value.
    #[error("unknown patch type: {} in map: {}", go_value(.directive), go_value(.map))]
    BadDirective {
        /// The value of `$patch`.
        directive: Box<Value>,
        /// The map it stands in.
        map: Box<Value>,
    },
    /// The kind has no such field.
    #[error("unable to find api field in struct {message} for the json field {}", crate::quote::go_quote(.field))]
    UnknownField {
        /// Name of the struct.
        message: String,
        /// Name of the field.
        field: String,
    },
    /// An object stands where the kind has no struct and no map.
    #[error("merging an object in json but data type is not struct, instead is: {0}")]
    NotAStruct(&'static str),
    /// A list stands where the kind has none.
    #[error("expected slice or array type, but got: {0}")]
    NotAList(&'static str),
    /// A list has elements of several types.
    #[error("list element types are not identical: {0}")]
    MixedList(String),
    /// A list of objects merges, and the kind names no key.
    #[error("cannot merge lists without merge key for struct")]
    NoDeclaredKey,
    /// `$patch: merge` on an element of a list.
    #[error("merging lists cannot yet be specified in the patch")]
    MergeDirectiveInList,
    /// The patch lists its elements in another order than `$setElementOrder` does.
    #[error("The order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{order}\n")]
    OrderMismatch {
        /// The list of the patch.
        patch: String,
        /// The list of the directive.
        order: String,
    },
    /// A special key has a value that is no text.
    #[error("invalid value for special key: $patch")]
    BadDirectiveValue,
    /// Two retainKeys directives of a three-way merge differ.
    #[error("{0} and {1} are not deep equal: this may happen when calculating the 3-way diff patch")]
    RetainKeysDiffer(String, String),
    /// The patch changes what it must not change.
    #[error("precondition failed for: {}", go_value(.0))]
    Precondition(Box<Value>),
    /// The patch and what happened on the server since touch the same fields.
    #[error(
        "patch:\n{}\nconflicts with changes made from original to current:\n{}\n",
        yaml::to_string_sorted(.patch),
        yaml::to_string_sorted(.changes)
    )]
    Conflict {
        /// The patch.
        patch: Box<Value>,
        /// What the server holds otherwise than the original.
        changes: Box<Value>,
    },
}

impl StrategicError {
    /// How the apiserver answers a patch request which fails so.
    pub fn to_status(&self) -> StatusError {
        match self {
            StrategicError::BadDocument
            | StrategicError::PrimitiveListFormat
            | StrategicError::RetainKeysFormat
            | StrategicError::SetElementOrderFormat
            | StrategicError::Unsupported => StatusError::bad_request(self.to_string()),
            StrategicError::ListOfLists => {
                let message = self.to_string();
                let resource = Default::default();
                let (method, name) = ("", "");
                ServerResponse {
                    code: 422,
                    method,
                    resource: &resource,
                    name,
                    message: &message,
                    retry_after_seconds: 0,
                    unexpected: false,
                }
                .to_error()
            }
            _ => StatusError::new(500, "", self.to_string()),
        }
    }
}

type Object = Map<String, Value>;

/// Applies `patch` to `original`, both objects of the kind `schema` describes.
///
/// # Errors
/// When the patch is malformed or does not fit the kind.
pub fn apply(original: Value, patch: Value, schema: &'static Message) -> Result<Value, StrategicError> {
    let options = merge::Options { merge_parallel_lists: true, ignore_unmatched_nulls: true };
    let merged = merge::merge_map(object(original)?, object(patch)?, Type::Struct(schema), options)?;
    Ok(Value::Object(merged))
}

/// The patch which turns `original` into `modified`.
///
/// # Errors
/// When an object does not fit the kind.
pub fn create_two_way(
    original: &Value,
    modified: &Value,
    schema: &'static Message,
) -> Result<Value, StrategicError> {
    let options = diff::Options { set_element_order: true, ..diff::Options::default() };
    let patch = diff::diff_maps(as_object(original)?, as_object(modified)?, Type::Struct(schema), options)?;
    Ok(Value::Object(patch))
}

/// A test which a made patch must pass.
pub type Precondition<'a> = &'a dyn Fn(&Value) -> bool;

/// Passes when a patch leaves the top-level field alone.
pub fn key_unchanged(key: &str) -> impl Fn(&Value) -> bool + '_ {
    move |patch| patch.get(key).is_none()
}

/// Passes when a patch leaves the field of `metadata` alone.
pub fn metadata_key_unchanged(key: &str) -> impl Fn(&Value) -> bool + '_ {
    move |patch| patch.get("metadata").and_then(|metadata| metadata.get(key)).is_none()
}

/// The patch which brings `current` (what the server has) to `modified` (what the user wants), deleting only
/// what `original` (what the user wanted last) has and `modified` has not. With `overwrite`, changes made on the
/// server to fields of the patch are undone; without, they are an error.
///
/// # Errors
/// When an object does not fit the kind, a precondition fails, or there is a conflict.
pub fn create_three_way(
    original: &Value,
    modified: &Value,
    current: &Value,
    schema: &'static Message,
    overwrite: bool,
    preconditions: &[Precondition<'_>],
) -> Result<Value, StrategicError> {
    let kind = Type::Struct(schema);
    let (original, modified, current) = (as_object(original)?, as_object(modified)?, as_object(current)?);
    let additions = diff::Options { ignore_deletions: true, set_element_order: true, ..Default::default() };
    let delta = diff::diff_maps(current, modified, kind, additions)?;
    let deletions = diff::Options { ignore_changes: true, set_element_order: true, ..Default::default() };
    let deletions = diff::diff_maps(original, modified, kind, deletions)?;
    let patch = Value::Object(merge::merge_map(deletions, delta, kind, merge::Options::default())?);
    if preconditions.iter().any(|precondition| !precondition(&patch)) {
        return Err(StrategicError::Precondition(Box::new(patch)));
    }
    if !overwrite {
        let changes = diff::diff_maps(original, current, kind, diff::Options::default())?;
        if conflict::maps_have_conflicts(as_object(&patch)?, &changes, kind)? {
            return Err(StrategicError::Conflict {
                patch: Box::new(patch),
                changes: Box::new(Value::Object(changes)),
            });
        }
    }
    Ok(patch)
}

fn object(value: Value) -> Result<Object, StrategicError> {
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Object::new()),
        _ => Err(StrategicError::BadDocument),
    }
}

fn as_object(value: &Value) -> Result<&Object, StrategicError> {
    static EMPTY: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Object::new);
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(&EMPTY),
        _ => Err(StrategicError::BadDocument),
    }
}

fn map_or_error(value: &Value) -> Result<&Object, StrategicError> {
    value.as_object().ok_or_else(|| StrategicError::BadType {
        expected: "map[string]interface {}",
        actual: Box::new(value.clone()),
    })
}

fn list_or_error(value: &Value) -> Result<&Vec<Value>, StrategicError> {
    value.as_array().ok_or_else(|| StrategicError::BadType {
        expected: "[]interface {}",
        actual: Box::new(value.clone()),
    })
}
