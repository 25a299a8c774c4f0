//! Making a patch from two objects.

use std::cmp::Ordering;

use serde_json::Value;

use super::list::{self, Elements};
use super::meta::Type;
use super::{
    DELETE, DELETE_FROM_PRIMITIVE_LIST, DIRECTIVE, Object, RETAIN_KEYS, SET_ELEMENT_ORDER, StrategicError,
    map_or_error,
};
use crate::patch::go_text::{compare_go_values, go_type, go_value};

/// Which differences become part of the patch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    /// Say the order of lists which merge.
    pub set_element_order: bool,
    /// Leave out what is new or changed.
    pub ignore_changes: bool,
    /// Leave out what is gone.
    pub ignore_deletions: bool,
    /// Say which keys stay.
    pub retain_keys: bool,
}

/// The patch from `original` to `modified`.
pub(super) fn diff_maps(
    original: &Object,
    modified: &Object,
    kind: Type,
    options: Options,
) -> Result<Object, StrategicError> {
    let mut patch = Object::new();
    for (key, wanted) in modified {
        let Some(current) = original.get(key) else {
            if !options.ignore_changes {
                patch.insert(key.clone(), wanted.clone());
            }
            continue;
        };
        if key == DIRECTIVE {
            let (Some(current), Some(text)) = (current.as_str(), wanted.as_str()) else {
                return Err(StrategicError::BadDirectiveValue);
            };
            if current != text {
                patch.insert(key.clone(), wanted.clone());
            }
            continue;
        }
        match (current, wanted) {
            (Value::Object(current), Value::Object(wanted)) => {
                diff_map_field(key, current, wanted, &mut patch, kind, options)?;
            }
            (Value::Array(current), Value::Array(wanted)) => {
                diff_list_field(key, current, wanted, &mut patch, kind, options)?;
            }
            _ if !options.ignore_changes && (go_type(current) != go_type(wanted) || current != wanted) => {
                patch.insert(key.clone(), wanted.clone());
            }
            _ => {}
        }
    }
    if !options.ignore_deletions {
        for key in original.keys().filter(|key| !modified.contains_key(*key)) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    if options.retain_keys {
        let kept: Vec<Value> = modified
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, _)| Value::from(key.as_str()))
            .collect();
        let gone = original.iter().any(|(key, value)| !value.is_null() && !modified.contains_key(key));
        if !kept.is_empty() && (!patch.is_empty() || gone) {
            patch.insert(RETAIN_KEYS.to_owned(), Value::Array(list::sorted_scalars(&kept)));
        }
    }
    Ok(patch)
}

fn diff_map_field(
    key: &str,
    current: &Object,
    wanted: &Object,
    patch: &mut Object,
    kind: Type,
    options: Options,
) -> Result<(), StrategicError> {
    let (kind, strategy) = match kind.field(key) {
        Ok(found) => found,
        // What the kind does not know is no reason to fail while nothing changes.
        Err(_) if current == wanted => return Ok(()),
        Err(error) => return Err(error),
    };
    if strategy.replace {
        if !options.ignore_changes {
            patch.insert(key.to_owned(), Value::Object(wanted.clone()));
        }
        return Ok(());
    }
    let options = Options { retain_keys: strategy.retain_keys, ..options };
    let inner = diff_maps(current, wanted, kind, options)?;
    if !inner.is_empty() {
        patch.insert(key.to_owned(), Value::Object(inner));
    }
    Ok(())
}

fn diff_list_field(
    key: &str,
    current: &[Value],
    wanted: &[Value],
    patch: &mut Object,
    kind: Type,
    options: Options,
) -> Result<(), StrategicError> {
    let (kind, strategy) = match kind.list_field(key) {
        Ok(found) => found,
        Err(_) if current == wanted => return Ok(()),
        Err(error) => return Err(error),
    };
    if !strategy.merge {
        if !options.ignore_changes && current != wanted {
            patch.insert(key.to_owned(), Value::Array(wanted.to_vec()));
        }
        return Ok(());
    }
    let options = Options { retain_keys: strategy.retain_keys, ..options };
    let lists = diff_lists(current, wanted, kind, strategy.merge_key, options)?;
    for (name, list) in [
        (key.to_owned(), lists.changes),
        (format!("{DELETE_FROM_PRIMITIVE_LIST}/{key}"), lists.deletions),
        (format!("{SET_ELEMENT_ORDER}/{key}"), lists.order),
    ] {
        if !list.is_empty() {
            patch.insert(name, Value::Array(list));
        }
    }
    Ok(())
}

#[derive(Default)]
struct ListPatch {
    changes: Vec<Value>,
    deletions: Vec<Value>,
    order: Vec<Value>,
}

fn diff_lists(
    original: &[Value],
    modified: &[Value],
    kind: Type,
    merge_key: &str,
    options: Options,
) -> Result<ListPatch, StrategicError> {
    if original.is_empty() {
        let changes = if options.ignore_changes { Vec::new() } else { modified.to_vec() };
        return Ok(ListPatch { changes, ..ListPatch::default() });
    }
    let elements = list::element_kind(&[original, modified])?;
    if elements == Elements::Maps {
        let (changes, deletions) = diff_lists_of_maps(original, modified, kind, merge_key, options)?;
        let mut changes = list::sort_by_order(changes, modified, merge_key, elements)?;
        changes.extend(deletions);
        let reordered = !same_order(original, modified, merge_key)?;
        let mut order = Vec::new();
        if options.set_element_order
            && ((!options.ignore_changes && (!changes.is_empty() || reordered))
                || (!options.ignore_deletions && !changes.is_empty()))
        {
            for item in modified {
                let value = list::merge_key_value(item, merge_key)?.clone();
                order.push(Value::Object(Object::from_iter([(merge_key.to_owned(), value)])));
            }
        }
        return Ok(ListPatch { changes, deletions: Vec::new(), order });
    }
    // Upstream sorts the original in place before it asks whether the order changed, so an unsorted list
    // always gets an order directive.
    let sorted = list::sorted_scalars(original);
    let (changes, deletions) = diff_lists_of_scalars(&sorted, modified, options);
    let changes = list::sort_by_order(changes, modified, merge_key, elements)?;
    let say_order = options.set_element_order
        && ((!options.ignore_deletions && !deletions.is_empty())
            || (!options.ignore_changes && sorted != modified));
    let order = if say_order { modified.to_vec() } else { Vec::new() };
    Ok(ListPatch { changes, deletions, order })
}

fn same_order(original: &[Value], modified: &[Value], merge_key: &str) -> Result<bool, StrategicError> {
    if original.len() != modified.len() {
        return Ok(false);
    }
    for (left, right) in original.iter().zip(modified) {
        if list::merge_key_value(left, merge_key)? != list::merge_key_value(right, merge_key)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Additions and deletions between two lists, the first one sorted.
fn diff_lists_of_scalars(sorted: &[Value], modified: &[Value], options: Options) -> (Vec<Value>, Vec<Value>) {
    let modified = list::sorted_scalars(modified);
    let (mut left, mut right) = (sorted.iter().peekable(), modified.iter().peekable());
    let (mut added, mut deleted) = (Vec::new(), Vec::new());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => compare_go_values(left, right),
        };
        let from_left = if order != Ordering::Greater { left.next() } else { None };
        let from_right = if order != Ordering::Less { right.next() } else { None };
        match order {
            Ordering::Less if !options.ignore_deletions => deleted.extend(from_left.cloned()),
            Ordering::Greater if !options.ignore_changes => added.extend(from_right.cloned()),
            _ => {}
        }
    }
    (added, list::without_duplicates(deleted))
}

/// Changed or new elements, and delete directives for those gone.
fn diff_lists_of_maps(
    original: &[Value],
    modified: &[Value],
    kind: Type,
    merge_key: &str,
    options: Options,
) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let original = list::sorted_by_key(original, merge_key);
    let modified = list::sorted_by_key(modified, merge_key);
    let (mut left, mut right) = (original.into_iter().peekable(), modified.into_iter().peekable());
    let (mut changes, mut deletions) = (Vec::new(), Vec::new());
    let text = |item: &Value| list::merge_key_value(item, merge_key).map(go_value);
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(left), None) => text(left).map(|_| Ordering::Less)?,
            (None, Some(right)) => text(right).map(|_| Ordering::Greater)?,
            (Some(left), Some(right)) => text(left)?.cmp(&text(right)?),
        };
        let from_left = if order != Ordering::Greater { left.next() } else { None };
        let from_right = if order != Ordering::Less { right.next() } else { None };
        match (from_left, from_right) {
            (Some(current), Some(wanted)) => {
                let mut patch = diff_maps(map_or_error(current)?, map_or_error(wanted)?, kind, options)?;
                if !patch.is_empty() {
                    patch.insert(merge_key.to_owned(), list::merge_key_value(wanted, merge_key)?.clone());
                    changes.push(Value::Object(patch));
                }
            }
            (None, Some(wanted)) if !options.ignore_changes => changes.push(wanted.clone()),
            (Some(current), None) if !options.ignore_deletions => {
                let value = list::merge_key_value(current, merge_key)?.clone();
                deletions.push(Value::Object(Object::from_iter([
                    (merge_key.to_owned(), value),
                    (DIRECTIVE.to_owned(), Value::from(DELETE)),
                ])));
            }
            _ => {}
        }
    }
    Ok((changes, deletions))
}
