//! Removing a set of fields and elements from an object, or keeping nothing else.

use serde_json::{Map, Value};

use super::path::PathElement;
use super::set::Set;
use super::typed::{Atom, atom_of, element_step, field_set};
use crate::patch::shape::{ListShape, MapShape, Shape};
use crate::schema::ListKind;

/// The value without the items.
pub fn remove(value: &Value, items: &Set, shape: Shape<'_>) -> Value {
    walk(value, items, shape, Mode::Remove)
}

/// Nothing of the value but the items, with the key fields of list elements.
pub fn extract(value: &Value, items: &Set, shape: Shape<'_>) -> Value {
    let mut wanted = items.clone();
    if let Ok(present) = field_set(value, shape) {
        for path in items.paths().into_iter().filter(|path| present.has(path)) {
            for (position, step) in path.iter().enumerate() {
                let PathElement::Key(fields) = step else { continue };
                for (name, _) in fields {
                    let mut key_path = path[..=position].to_vec();
                    key_path.push(PathElement::field(name));
                    wanted.insert(&key_path);
                }
            }
        }
    }
    walk(value, &wanted, shape, Mode::Extract)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Remove,
    Extract,
}

fn walk(value: &Value, items: &Set, shape: Shape<'_>, mode: Mode) -> Value {
    let whole = |keep: bool| if keep { value.clone() } else { Value::Null };
    match (atom_of(shape, Some(value)), value) {
        (Some(Atom::Scalar(_)), value) => value.clone(),
        (Some(Atom::List(list)), Value::Array(elements)) => {
            if elements.is_empty() || list.kind == ListKind::Atomic {
                return whole(mode == Mode::Extract);
            }
            walk_list(&list, elements, items, mode)
        }
        (Some(Atom::Map(map)), Value::Object(entries)) => {
            if entries.is_empty() || map.atomic {
                return whole(mode == Mode::Extract);
            }
            walk_map(&map, entries, items, mode)
        }
        _ => Value::Null,
    }
}

/// What is left of a container from which inner parts went is an empty container, not nothing.
fn descend(value: &Value, items: &Set, shape: Shape<'_>, mode: Mode) -> Value {
    match (walk(value, items, shape, mode), value) {
        (Value::Null, Value::Object(_)) if mode == Mode::Remove => Value::Object(Map::new()),
        (Value::Null, Value::Array(_)) if mode == Mode::Remove => Value::Array(Vec::new()),
        (rest, _) => rest,
    }
}

fn walk_list(list: &ListShape<'_>, elements: &[Value], items: &Set, mode: Mode) -> Value {
    let mut rest = Vec::new();
    let mut went_deeper = false;
    for element in elements {
        let step = element_step(list, element).ok();
        let is_item = step.as_ref().is_some_and(|step| items.members.contains(step));
        let below = step.as_ref().and_then(|step| items.below(step));
        match (mode, below) {
            (Mode::Remove, _) if is_item => {}
            (Mode::Remove, Some(below)) => {
                went_deeper = true;
                rest.push(descend(element, below, list.element, mode));
            }
            (Mode::Remove, None) => rest.push(element.clone()),
            (Mode::Extract, Some(below)) => rest.push(walk(element, below, list.element, mode)),
            (Mode::Extract, None) if is_item => rest.push(element.clone()),
            (Mode::Extract, None) => {}
        }
    }
    let keep = !rest.is_empty() || (went_deeper && mode == Mode::Remove);
    if keep { Value::Array(rest) } else { Value::Null }
}

fn walk_map(map: &MapShape<'_>, entries: &Map<String, Value>, items: &Set, mode: Mode) -> Value {
    let mut rest = Map::new();
    let mut went_deeper = false;
    for (key, value) in entries {
        let step = PathElement::field(key);
        let shape = map.entry(key).unwrap_or(Shape::Atomic);
        if items.members.contains(&step) {
            if mode == Mode::Extract {
                rest.insert(key.clone(), walk(value, items, shape, mode));
            }
            continue;
        }
        match items.below(&step) {
            Some(below) => {
                went_deeper = true;
                rest.insert(key.clone(), descend(value, below, shape, mode));
            }
            None if mode == Mode::Remove => {
                rest.insert(key.clone(), value.clone());
            }
            None => {}
        }
    }
    let keep = !rest.is_empty() || (went_deeper && mode == Mode::Remove);
    if keep { Value::Object(rest) } else { Value::Null }
}
