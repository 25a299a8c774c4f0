//! Whether two patches set the same field to different values.

use std::collections::HashMap;

use serde_json::Value;

use super::list::{self, Elements};
use super::meta::{Strategy, Type};
use super::{DIRECTIVE, Object, RETAIN_KEYS, StrategicError};
use crate::patch::go_text::go_value;

/// Whether the patches disagree on a field which both have.
pub(super) fn maps_have_conflicts(left: &Object, right: &Object, kind: Type) -> Result<bool, StrategicError> {
    if left.get(DIRECTIVE) != right.get(DIRECTIVE) {
        return Ok(true);
    }
    for (key, value) in left {
        if key == DIRECTIVE || key == RETAIN_KEYS {
            continue;
        }
        let Some(other) = right.get(key) else { continue };
        let (kind, strategy) = match value {
            // List directives name no field; they are compared as they are.
            _ if key.starts_with('$') => (Type::Leaf, Strategy::default()),
            Value::Array(_) => kind.list_field(key)?,
            Value::Object(_) => kind.field(key)?,
            _ => (Type::Leaf, Strategy::default()),
        };
        if values_have_conflicts(value, other, kind, strategy)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn values_have_conflicts(
    left: &Value,
    right: &Value,
    kind: Type,
    strategy: Strategy,
) -> Result<bool, StrategicError> {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            if left.get(DIRECTIVE) != right.get(DIRECTIVE) {
                return Ok(true);
            }
            if strategy.replace { Ok(false) } else { maps_have_conflicts(left, right, kind) }
        }
        (Value::Array(left), Value::Array(right)) => lists_have_conflicts(left, right, kind, strategy),
        _ => Ok(left != right),
    }
}

fn lists_have_conflicts(
    left: &[Value],
    right: &[Value],
    kind: Type,
    strategy: Strategy,
) -> Result<bool, StrategicError> {
    let elements = list::element_kind(&[left, right])?;
    if strategy.merge {
        if elements != Elements::Maps {
            return Ok(false);
        }
        let mut by_key: HashMap<String, &Value> = HashMap::new();
        for item in right {
            by_key.insert(go_value(list::merge_key_value(item, strategy.merge_key)?), item);
        }
        for item in left {
            let key = go_value(list::merge_key_value(item, strategy.merge_key)?);
            if let Some(other) = by_key.get(&key)
                && values_have_conflicts(item, other, kind, Strategy::default())?
            {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if left.len() != right.len() {
        return Ok(true);
    }
    let (mut left, mut right) = (left.to_vec(), right.to_vec());
    if elements == Elements::Scalars {
        left = list::sorted_scalars(&left);
        right = list::sorted_scalars(&right);
    }
    for (left, right) in left.iter().zip(&right) {
        if values_have_conflicts(left, right, kind, Strategy::default())? {
            return Ok(true);
        }
    }
    Ok(false)
}
