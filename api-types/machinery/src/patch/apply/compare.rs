//! What changed between two values of one shape.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path::{PathElement, same_value};
use super::set::{Filter, Set};
use super::typed::{Atom, ShapeErrors, add, atom_of, element_step};
use crate::patch::shape::{ListShape, MapShape, Shape};
use crate::schema::ListKind;

/// The paths which the new value removed, changed and added. No path is in two of the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Only the old value has them.
    pub removed: Set,
    /// Both have them, with different values.
    pub modified: Set,
    /// Only the new value has them.
    pub added: Set,
}

impl Comparison {
    /// Whether the values are the same.
    pub fn is_same(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    /// Only the paths which count.
    pub(super) fn filtered(self, filter: Option<&Filter>) -> Comparison {
        let Some(filter) = filter else { return self };
        Comparison {
            removed: filter.apply(&self.removed),
            modified: filter.apply(&self.modified),
            added: filter.apply(&self.added),
        }
    }
}

/// Compares two values.
///
/// # Errors
/// When a value does not fit its shape.
pub fn compare(old: &Value, new: &Value, shape: Shape<'_>) -> Result<Comparison, ShapeErrors> {
    let mut errors = ShapeErrors::default();
    let mut found = Found::default();
    compare_values(Some(old), Some(new), shape, &mut found, &mut errors);
    errors.into_result()?;
    Ok(found.below)
}

/// What was found at a place: about the place itself, and below it.
#[derive(Default)]
struct Found {
    removed: bool,
    modified: bool,
    added: bool,
    below: Comparison,
}

impl Found {
    fn is_nothing(&self) -> bool {
        !(self.removed || self.modified || self.added) && self.below.is_same()
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (None, _) => self.added = true,
            (_, None) => self.removed = true,
            (Some(old), Some(new)) => self.modified |= !same_value(old, new),
        }
    }

    /// Takes over what was found one step below.
    fn attach(&mut self, step: impl FnOnce() -> PathElement, found: Found) {
        if found.is_nothing() {
            return;
        }
        let step = step();
        add(&mut self.below.removed, step.clone(), found.removed, found.below.removed);
        add(&mut self.below.modified, step.clone(), found.modified, found.below.modified);
        add(&mut self.below.added, step, found.added, found.below.added);
    }
}

fn compare_values(
    old: Option<&Value>,
    new: Option<&Value>,
    shape: Shape<'_>,
    found: &mut Found,
    errors: &mut ShapeErrors,
) {
    let (Some(old_atom), Some(new_atom)) = (atom_of(shape, old), atom_of(shape, new)) else {
        return errors.push("schema error: invalid atom");
    };
    let is_leaf = match (old, new) {
        (_, None) => compare_atom(old_atom, old, new, found, errors),
        (None, _) => compare_atom(new_atom, old, new, found, errors),
        _ if old_atom.same_kind(&new_atom) => compare_atom(new_atom, old, new, found, errors),
        _ => {
            // The value became another kind of value: both readings count.
            compare_atom(old_atom, old, new, found, errors);
            compare_atom(new_atom, old, new, found, errors)
        }
    };
    if !is_leaf {
        found.added |= old.is_none();
        found.removed |= new.is_none() && old.is_some();
    }
}

/// Compares by one reading; the answer is whether the value counts as one.
fn compare_atom(
    atom: Atom<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
    found: &mut Found,
    errors: &mut ShapeErrors,
) -> bool {
    match atom {
        Atom::Scalar(_) => {
            found.leaf(old, new);
            true
        }
        Atom::List(list) => {
            let (old_items, new_items) = (old.and_then(Value::as_array), new.and_then(Value::as_array));
            let is_empty = |items: Option<&Vec<Value>>| items.is_none_or(Vec::is_empty);
            // Two empty sides are a leaf, which keeps empty and null apart.
            if list.kind == ListKind::Atomic || (is_empty(old_items) && is_empty(new_items)) {
                found.leaf(old, new);
                return true;
            }
            compare_lists(
                &list,
                old_items.map(Vec::as_slice).unwrap_or_default(),
                new_items.map(Vec::as_slice).unwrap_or_default(),
                found,
                errors,
            );
            false
        }
        Atom::Map(map) => {
            let (old_map, new_map) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
            let is_empty = |map: Option<&Map<String, Value>>| map.is_none_or(Map::is_empty);
            if map.atomic || (is_empty(old_map) && is_empty(new_map)) {
                found.leaf(old, new);
                return true;
            }
            compare_maps(&map, old_map, new_map, found, errors);
            false
        }
    }
}

fn compare_maps(
    shape: &MapShape<'_>,
    old: Option<&Map<String, Value>>,
    new: Option<&Map<String, Value>>,
    found: &mut Found,
    errors: &mut ShapeErrors,
) {
    let mut visit = |key: &str, old: Option<&Value>, new: Option<&Value>| {
        let start = errors.count();
        let mut below = Found::default();
        match shape.entry(key) {
            Some(shape) => compare_values(old, new, shape, &mut below, errors),
            None => errors.push("field not declared in schema"),
        }
        errors.prefix(start, || PathElement::field(key));
        found.attach(|| PathElement::field(key), below);
    };
    for (key, value) in old.into_iter().flatten() {
        visit(key, Some(value), new.and_then(|new| new.get(key)));
    }
    for (key, value) in new.into_iter().flatten() {
        if old.is_none_or(|old| !old.contains_key(key)) {
            visit(key, None, Some(value));
        }
    }
}

/// The elements of a list by step; several where a step occurs more than once.
type ByStep<'v> = BTreeMap<PathElement, Vec<&'v Value>>;

fn by_step<'v>(list: &ListShape<'_>, items: &'v [Value], errors: &mut ShapeErrors) -> ByStep<'v> {
    let mut elements = ByStep::new();
    for (position, item) in items.iter().enumerate() {
        match element_step(list, item) {
            Ok(step) => elements.entry(step).or_default().push(item),
            Err(message) => errors.push(format!("element {position}: {message}")),
        }
    }
    elements
}

fn compare_lists(
    list: &ListShape<'_>,
    old: &[Value],
    new: &[Value],
    found: &mut Found,
    errors: &mut ShapeErrors,
) {
    let (old, new) = (by_step(list, old, errors), by_step(list, new, errors));
    let steps: BTreeSet<&PathElement> = old.keys().chain(new.keys()).collect();
    for step in steps {
        let old = old.get(step).map(Vec::as_slice).unwrap_or_default();
        let new = new.get(step).map(Vec::as_slice).unwrap_or_default();
        let mut below = Found::default();
        let mut compare_one = |old: Option<&&Value>, new: Option<&&Value>, below: &mut Found| {
            if old.is_none() && new.is_none() {
                return;
            }
            let start = errors.count();
            compare_values(old.copied(), new.copied(), list.element, below, errors);
            errors.prefix(start, || step.clone());
        };
        match (old.len() > 1, new.len() > 1) {
            (false, false) => compare_one(old.first(), new.first(), &mut below),
            (true, true) => {
                let same =
                    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same_value(old, new));
                below.modified = !same;
            }
            // Duplicates count as one value; what is no longer one gives up the mark and starts anew.
            (true, false) => {
                compare_one(None, new.first(), &mut below);
                below.removed = true;
            }
            (false, true) => {
                compare_one(old.first(), None, &mut below);
                below.added = true;
            }
        }
        found.attach(|| step.clone(), below);
    }
}
