//! Applying a patch to an object, or one patch to another.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::list::{self, Elements};
use super::meta::{Strategy, Type};
use super::{
    DELETE, DELETE_FROM_PRIMITIVE_LIST, DIRECTIVE, MERGE, Object, REPLACE, RETAIN_KEYS, SET_ELEMENT_ORDER,
    StrategicError, list_or_error,
};
use crate::patch::go_text::{go_type, go_value};

/// The default merges two patches; both flags on merge a patch into an object.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    /// Carry out list directives instead of collecting them.
    pub merge_parallel_lists: bool,
    /// A null for what is not there says nothing.
    pub ignore_unmatched_nulls: bool,
}

/// Merges `patch` into `original`.
pub(super) fn merge_map(
    mut original: Object,
    mut patch: Object,
    kind: Type,
    options: Options,
) -> Result<Object, StrategicError> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some(REPLACE) => {
                patch.shift_remove(DIRECTIVE);
                Ok(patch)
            }
            Some(DELETE) => Ok(Object::new()),
            _ => Err(bad_directive(directive.clone(), &patch)),
        };
    }
    retain_keys(&mut original, &mut patch, options)?;
    merge_ordered_lists(&mut original, &mut patch, kind, options)?;
    for (key, value) in patch {
        merge_field(&mut original, key, value, kind, options)?;
    }
    Ok(original)
}

fn bad_directive(directive: Value, map: &Object) -> StrategicError {
    StrategicError::BadDirective { directive: Box::new(directive), map: Box::new(Value::Object(map.clone())) }
}

fn merge_field(
    original: &mut Object,
    key: String,
    mut value: Value,
    kind: Type,
    options: Options,
) -> Result<(), StrategicError> {
    let mut name = key;
    let mut deletes_from_list = false;
    if name.starts_with(DELETE_FROM_PRIMITIVE_LIST) {
        if !options.merge_parallel_lists {
            original.insert(name, value);
            return Ok(());
        }
        name = strip_prefix(&name, DELETE_FROM_PRIMITIVE_LIST, StrategicError::PrimitiveListFormat)?;
        deletes_from_list = true;
    }
    if value.is_null() {
        original.shift_remove(&name);
        if options.ignore_unmatched_nulls {
            return Ok(());
        }
    }
    let same_type = original.get(&name).is_some_and(|current| go_type(current) == go_type(&value));
    if !same_type {
        if !deletes_from_list {
            if options.ignore_unmatched_nulls {
                discard_nulls(&mut value);
            }
            set_or_remove(original, name, remove_directives(value));
        }
        return Ok(());
    }
    let Some(slot) = original.get_mut(&name) else { return Ok(()) };
    match (slot, value) {
        (Value::Object(current), Value::Object(wanted)) => {
            let (kind, strategy) = kind.field(&name)?;
            let merged = match strategy.replace {
                true => wanted,
                false => merge_map(std::mem::take(current), wanted, kind, options)?,
            };
            *current = merged;
        }
        (Value::Array(current), Value::Array(wanted)) => {
            let (kind, strategy) = kind.list_field(&name)?;
            *current =
                merge_list(std::mem::take(current), wanted, kind, strategy, deletes_from_list, options)?;
        }
        (_, value) => set_or_remove(original, name, remove_directives(value)),
    }
    Ok(())
}

fn set_or_remove(original: &mut Object, key: String, value: Option<Value>) {
    match value {
        Some(value) => {
            original.insert(key, value);
        }
        None => {
            original.shift_remove(&key);
        }
    }
}

fn strip_prefix(key: &str, prefix: &str, error: StrategicError) -> Result<String, StrategicError> {
    match key.split_once('/') {
        Some((found, rest)) if found == prefix => Ok(rest.to_owned()),
        _ => Err(error),
    }
}

/// Drops from `original` what `$retainKeys` does not list.
fn retain_keys(original: &mut Object, patch: &mut Object, options: Options) -> Result<(), StrategicError> {
    let Some(wanted) = patch.shift_remove(RETAIN_KEYS) else { return Ok(()) };
    if !options.merge_parallel_lists {
        return match original.get(RETAIN_KEYS) {
            Some(current) if *current != wanted => {
                Err(StrategicError::RetainKeysDiffer(go_value(current), go_value(&wanted)))
            }
            Some(_) => Ok(()),
            None => {
                original.insert(RETAIN_KEYS.to_owned(), wanted);
                Ok(())
            }
        };
    }
    let Value::Array(wanted) = wanted else { return Err(StrategicError::RetainKeysFormat) };
    let wanted: HashSet<&str> = wanted.iter().filter_map(Value::as_str).collect();
    let is_list_directive =
        |key: &str| key.starts_with(DELETE_FROM_PRIMITIVE_LIST) || key.starts_with(SET_ELEMENT_ORDER);
    if patch
        .iter()
        .any(|(key, value)| !value.is_null() && !is_list_directive(key) && !wanted.contains(key.as_str()))
    {
        return Err(StrategicError::RetainKeysFormat);
    }
    original.retain(|key, _| wanted.contains(key.as_str()));
    Ok(())
}

/// Merges the lists for which the patch gives an order, and takes them out of the patch.
fn merge_ordered_lists(
    original: &mut Object,
    patch: &mut Object,
    kind: Type,
    options: Options,
) -> Result<(), StrategicError> {
    let directives: Vec<String> =
        patch.keys().filter(|key| key.starts_with(SET_ELEMENT_ORDER)).cloned().collect();
    for directive in directives {
        let Some(order) = patch.shift_remove(&directive) else { continue };
        if !options.merge_parallel_lists {
            match original.get(&directive) {
                Some(current) if *current != order => return Err(StrategicError::SetElementOrderFormat),
                Some(_) => {}
                None => {
                    original.insert(directive.clone(), order.clone());
                }
            }
        }
        let order = list_or_error(&order)?.clone();
        let name = strip_prefix(&directive, SET_ELEMENT_ORDER, StrategicError::SetElementOrderFormat)?;
        let current = original.get(&name).map(list_or_error).transpose()?.cloned();
        let wanted = patch.get(&name).map(list_or_error).transpose()?.cloned();
        let (element, strategy) = kind.list_field(&name)?;
        check_order(wanted.as_deref().unwrap_or_default(), &order, strategy.merge_key)?;
        let server_order = current.clone().unwrap_or_default();
        let elements = list::element_kind(&[&server_order, wanted.as_deref().unwrap_or_default()])?;
        let merged = match (current, wanted) {
            (None, None) => continue,
            (Some(current), None) => current,
            (None, Some(wanted)) => wanted.into_iter().filter_map(remove_directives).collect(),
            (Some(current), Some(wanted)) => merge_list(current, wanted, element, strategy, false, options)?,
        };
        let (from_patch, server_only) = list::partition(merged, &order, strategy.merge_key)?;
        let sorted = list::restore_order(
            from_patch,
            server_only,
            &order,
            &server_order,
            strategy.merge_key,
            elements,
        )?;
        patch.shift_remove(&name);
        original.insert(name, Value::Array(sorted));
    }
    Ok(())
}

/// The elements of the patch must come in the order which the directive gives.
fn check_order(patch: &[Value], order: &[Value], merge_key: &str) -> Result<(), StrategicError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut expected = order.iter();
    for item in patch {
        if item.get(DIRECTIVE).is_some() {
            continue;
        }
        let found = loop {
            let Some(candidate) = expected.next() else { break false };
            let same = if merge_key.is_empty() {
                item == candidate
            } else {
                list::merge_key_value(item, merge_key)? == list::merge_key_value(candidate, merge_key)?
            };
            if same {
                break true;
            }
        };
        if !found {
            return Err(StrategicError::OrderMismatch {
                patch: go_value(&Value::Array(patch.to_vec())),
                order: go_value(&Value::Array(order.to_vec())),
            });
        }
    }
    Ok(())
}

fn merge_list(
    original: Vec<Value>,
    patch: Vec<Value>,
    kind: Type,
    strategy: Strategy,
    deletes: bool,
    options: Options,
) -> Result<Vec<Value>, StrategicError> {
    if !strategy.merge && !deletes {
        return Ok(patch);
    }
    let elements = list::element_kind(&[&original, &patch])?;
    let key = strategy.merge_key;
    let (merged, original, patch) = match elements {
        Elements::None => return Ok(original),
        Elements::Scalars if options.merge_parallel_lists && deletes => {
            let gone = list::identities(&patch, "");
            return Ok(original.into_iter().filter(|item| !gone.contains(&item.to_string())).collect());
        }
        Elements::Scalars => {
            let both = original.iter().chain(&patch).cloned().collect();
            (list::without_duplicates(both), original, patch)
        }
        Elements::Maps if key.is_empty() => return Err(StrategicError::NoDeclaredKey),
        Elements::Maps => {
            let (original, patch) = carry_out_directives(original, patch, key)?;
            let server_order = original.clone();
            let patch_order = patch.clone();
            (merge_elements(original, patch, key, kind, options)?, server_order, patch_order)
        }
    };
    let (from_patch, server_only) = list::partition(merged, &patch, key)?;
    list::restore_order(from_patch, server_only, &patch, &original, key, elements)
}

/// Deletes and replaces as the patch's special elements say; what remains are plain elements.
fn carry_out_directives(
    original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut replace = false;
    let mut gone = HashSet::new();
    for item in patch {
        match item.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
            None => plain.push(item),
            Some(DELETE) => {
                gone.insert(list::merge_key_value(&item, key)?.to_string());
            }
            Some(REPLACE) => replace = true,
            Some(MERGE) => return Err(StrategicError::MergeDirectiveInList),
            Some(_) => {
                let directive = Box::new(item.get(DIRECTIVE).cloned().unwrap_or_default());
                return Err(StrategicError::BadDirective { directive, map: Box::new(item) });
            }
        }
    }
    if replace {
        return Ok((plain, Vec::new()));
    }
    let stays = |item: &Value| item.get(key).is_none_or(|value| !gone.contains(&value.to_string()));
    Ok((original.into_iter().filter(stays).collect(), plain))
}

fn merge_elements(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
    kind: Type,
    options: Options,
) -> Result<Vec<Value>, StrategicError> {
    let mut positions: HashMap<String, usize> = HashMap::with_capacity(original.len());
    for (position, item) in original.iter().enumerate() {
        if let Some(value) = item.get(key) {
            positions.entry(value.to_string()).or_insert(position);
        }
    }
    for item in patch {
        let identity = list::merge_key_value(&item, key)?.to_string();
        let slot = positions.get(&identity).and_then(|position| original.get_mut(*position));
        match (slot, item) {
            (Some(Value::Object(current)), Value::Object(wanted)) => {
                *current = merge_map(std::mem::take(current), wanted, kind, options)?;
            }
            (_, item) => {
                positions.insert(identity, original.len());
                original.push(item);
            }
        }
    }
    Ok(original)
}

/// Nulls of a map which is new to the object say nothing.
fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

/// A map with `$patch` has nothing to act on in what is new, so it goes.
fn remove_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let kept = map.into_iter().filter_map(|(key, value)| Some((key, remove_directives(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(remove_directives).collect())),
        other => Some(other),
    }
}
