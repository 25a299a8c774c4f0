//! Merging a partial object into another: what the partial one sets wins, nothing is removed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::path::PathElement;
use super::typed::{Atom, ShapeErrors, atom_of, element_step};
use crate::patch::shape::{ListShape, MapShape, Shape};
use crate::schema::ListKind;

/// Merges `partial` into `live`.
///
/// # Errors
/// When a value does not fit its shape.
pub fn merge(live: &Value, partial: &Value, shape: Shape<'_>) -> Result<Value, ShapeErrors> {
    let mut errors = ShapeErrors::default();
    let merged = merge_values(Some(live), Some(partial), shape, &mut errors);
    errors.into_result()?;
    Ok(merged.unwrap_or_default())
}

fn merge_values(
    live: Option<&Value>,
    partial: Option<&Value>,
    shape: Shape<'_>,
    errors: &mut ShapeErrors,
) -> Option<Value> {
    let deciding = if partial.is_some() { partial } else { live };
    let Some(atom) = atom_of(shape, deciding) else {
        errors.push("schema error: invalid atom");
        return None;
    };
    let is_empty_list = |value: Option<&Value>| value.and_then(Value::as_array).is_none_or(Vec::is_empty);
    let is_empty_map = |value: Option<&Value>| value.and_then(Value::as_object).is_none_or(Map::is_empty);
    match atom {
        Atom::List(list)
            if list.kind != ListKind::Atomic && !(is_empty_list(live) && is_empty_list(partial)) =>
        {
            merge_lists(&list, as_list(live), as_list(partial), errors)
        }
        Atom::Map(map) if !(map.atomic || is_empty_map(live) && is_empty_map(partial)) => {
            merge_maps(&map, live.and_then(Value::as_object), partial.and_then(Value::as_object), errors)
        }
        // A leaf: the partial object's value wins.
        _ => partial.or(live).cloned(),
    }
}

fn as_list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn merge_maps(
    shape: &MapShape<'_>,
    live: Option<&Map<String, Value>>,
    partial: Option<&Map<String, Value>>,
    errors: &mut ShapeErrors,
) -> Option<Value> {
    let mut merged = Map::new();
    let mut visit = |key: &str, live: Option<&Value>, partial: Option<&Value>| {
        let start = errors.count();
        match shape.entry(key) {
            Some(shape) => {
                if let Some(value) = merge_values(live, partial, shape, errors) {
                    merged.insert(key.to_owned(), value);
                }
            }
            None => errors.push("field not declared in schema"),
        }
        errors.prefix(start, || PathElement::field(key));
    };
    for (key, value) in live.into_iter().flatten() {
        visit(key, Some(value), partial.and_then(|partial| partial.get(key)));
    }
    for (key, value) in partial.into_iter().flatten() {
        if live.is_none_or(|live| !live.contains_key(key)) {
            visit(key, None, Some(value));
        }
    }
    (!merged.is_empty()).then_some(Value::Object(merged))
}

/// The elements of a list with their steps, in order, and by step.
struct Indexed<'v> {
    elements: Vec<(PathElement, &'v Value)>,
    by_step: BTreeMap<PathElement, Option<&'v Value>>,
}

static NULL: Value = Value::Null;

impl<'v> Indexed<'v> {
    fn new(
        list: &ListShape<'_>,
        items: &'v [Value],
        allow_duplicates: bool,
        errors: &mut ShapeErrors,
    ) -> Indexed<'v> {
        let mut indexed = Indexed { elements: Vec::with_capacity(items.len()), by_step: BTreeMap::new() };
        for (position, item) in items.iter().enumerate() {
            let step = match element_step(list, item) {
                Ok(step) => step,
                Err(message) => {
                    errors.push(format!("element {position}: {message}"));
                    continue;
                }
            };
            match indexed.by_step.entry(step.clone()) {
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(Some(item));
                }
                std::collections::btree_map::Entry::Occupied(_) if !allow_duplicates => {
                    errors.push(format!("duplicate entries for key {step}"));
                    continue;
                }
                std::collections::btree_map::Entry::Occupied(mut entry) => {
                    // Duplicates do not merge with the new value.
                    entry.insert(Some(&NULL));
                }
            }
            indexed.elements.push((step, item));
        }
        indexed
    }

    fn get(&self, step: &PathElement) -> Option<&'v Value> {
        self.by_step.get(step).copied().flatten()
    }

    fn has(&self, step: &PathElement) -> bool {
        self.by_step.contains_key(step)
    }
}

/// Elements of both lists: those of the partial one in its order, the others kept next to what they stood by.
fn merge_lists(
    list: &ListShape<'_>,
    live: &[Value],
    partial: &[Value],
    errors: &mut ShapeErrors,
) -> Option<Value> {
    let before = errors.count();
    let partial = Indexed::new(list, partial, false, errors);
    let live = Indexed::new(list, live, true, errors);
    if errors.count() > before {
        return None;
    }
    let mut shared: VecDeque<&PathElement> =
        partial.elements.iter().map(|(step, _)| step).filter(|step| live.has(step)).collect();
    let mut next_shared = shared.pop_front();
    let mut merged: Vec<Value> = Vec::with_capacity(live.elements.len().max(partial.elements.len()));
    let mut done: BTreeSet<&PathElement> = BTreeSet::new();
    let mut merge_one = |step: &PathElement, live: Option<&Value>, partial: Option<&Value>| {
        let start = errors.count();
        let value = merge_values(live, partial, list.element, errors);
        errors.prefix(start, || step.clone());
        merged.extend(value);
    };
    let (mut left, mut right) = (0, 0);
    loop {
        let (live_next, partial_next) = (live.elements.get(left), partial.elements.get(right));
        if let (Some((live_step, _)), Some((partial_step, _))) = (live_next, partial_next) {
            if live_step == partial_step {
                done.insert(partial_step);
                merge_one(live_step, live.get(live_step), partial.get(live_step));
                left += 1;
                right += 1;
                next_shared = shared.pop_front();
                continue;
            }
            if partial.has(live_step) && next_shared.is_some_and(|shared| shared != live_step) {
                // Shared, but not the one whose turn it is.
                left += 1;
                continue;
            }
        }
        if let Some((live_step, item)) = live_next {
            if !partial.has(live_step) {
                merge_one(live_step, Some(item), None);
                left += 1;
                continue;
            }
            if done.contains(live_step) {
                left += 1;
            }
        }
        match partial_next {
            Some((step, _)) => {
                done.insert(step);
                merge_one(step, live.get(step), partial.get(step));
                right += 1;
                if next_shared == Some(step) {
                    next_shared = shared.pop_front();
                }
            }
            None if live_next.is_none() => break,
            // What is left of the live list has been merged already; the next rounds step over it.
            None => {}
        }
    }
    (!merged.is_empty()).then_some(Value::Array(merged))
}
