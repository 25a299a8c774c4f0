//! Values with a shape: which element of a list is which, validation, and the set of fields a value has.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::path::{PathElement, show};
use super::set::Set;
use crate::patch::shape::{Atoms, ListShape, MapShape, ScalarKind, Shape};
use crate::quote::go_quote;
use crate::schema::ListKind;

/// A value which does not fit its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError {
    path: String,
    message: String,
}

impl ShapeError {
    fn new(message: impl Into<String>) -> ShapeError {
        ShapeError { path: String::new(), message: message.into() }
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// Everything that does not fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShapeErrors(Vec<ShapeError>);

impl ShapeErrors {
    /// Nothing, or the errors as a failure.
    pub(super) fn into_result(self) -> Result<(), ShapeErrors> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    pub(super) fn push(&mut self, message: impl Into<String>) {
        self.0.push(ShapeError::new(message));
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Puts a step before the paths of the errors from `start` on.
    pub(super) fn prefix(&mut self, start: usize, step: impl Fn() -> PathElement) {
        let late = self.0.iter_mut().skip(start);
        let mut prefix = None;
        for error in late {
            let prefix = prefix.get_or_insert_with(|| step().to_string());
            error.path.insert_str(0, prefix);
        }
    }
}

impl fmt::Display for ShapeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => only.fmt(f),
            several => {
                f.write_str("errors:")?;
                several.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
        }
    }
}

impl std::error::Error for ShapeErrors {}

/// What a value turns out to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Atom<'s> {
    Map(MapShape<'s>),
    Scalar(ScalarKind),
    List(ListShape<'s>),
}

/// Chooses among what the shape allows by the value; without a value, or when it fits nothing, the first of map,
/// scalar and list is taken.
pub(super) fn atom_of<'s>(shape: Shape<'s>, value: Option<&Value>) -> Option<Atom<'s>> {
    let atoms: Atoms<'s> = shape.atoms();
    let chosen = match value {
        Some(Value::Object(_)) => atoms.map.map(Atom::Map),
        Some(Value::Array(_)) => atoms.list.map(Atom::List),
        Some(Value::Null) | None => None,
        Some(_) => atoms.scalar.map(Atom::Scalar),
    };
    chosen.or(atoms.map.map(Atom::Map)).or(atoms.scalar.map(Atom::Scalar)).or(atoms.list.map(Atom::List))
}

impl Atom<'_> {
    pub(super) fn same_kind(&self, other: &Atom<'_>) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Which step leads to an element of a list that merges.
pub(super) fn element_step(list: &ListShape<'_>, item: &Value) -> Result<PathElement, String> {
    if list.kind == ListKind::Set {
        return match item {
            Value::Object(_) => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => {
                Err("associative list without keys has an element that's an explicit null".to_owned())
            }
            scalar => Ok(PathElement::Value(scalar.clone())),
        };
    }
    let map = match item {
        Value::Object(map) => map,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let element = list.element.atoms().map;
    let fields: Vec<(&str, Value)> = list
        .keys
        .iter()
        .filter_map(|name| {
            let value = map.get(name).cloned().or_else(|| element.as_ref()?.default_of(name));
            value.map(|value| (name, value))
        })
        .collect();
    if fields.is_empty() {
        let keys: Vec<String> = list.keys.iter().map(go_quote).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            keys.join(" ")
        ));
    }
    Ok(PathElement::key(fields))
}

/// Whether the value fits the shape; without `allow_duplicates`, no element of a list may occur twice.
///
/// # Errors
/// Everything that does not fit.
pub fn validate(value: &Value, shape: Shape<'_>, allow_duplicates: bool) -> Result<(), ShapeErrors> {
    let mut errors = ShapeErrors::default();
    validate_value(value, shape, allow_duplicates, &mut errors);
    errors.into_result()
}

fn validate_value(value: &Value, shape: Shape<'_>, allow_duplicates: bool, errors: &mut ShapeErrors) {
    match (atom_of(shape, Some(value)), value) {
        (_, Value::Null) => {}
        (Some(Atom::Map(map)), Value::Object(entries)) => {
            for (key, entry) in entries {
                let start = errors.count();
                match map.entry(key) {
                    Some(shape) => validate_value(entry, shape, allow_duplicates, errors),
                    None => errors.push("field not declared in schema"),
                }
                errors.prefix(start, || PathElement::field(key));
            }
        }
        (Some(Atom::Map(_)), other) => errors.push(format!("expected map, got {}", show_briefly(other))),
        (Some(Atom::List(list)), Value::Array(items)) => {
            validate_list(&list, items, allow_duplicates, errors)
        }
        (Some(Atom::List(_)), other) => errors.push(format!("expected list, got {}", show_briefly(other))),
        (Some(Atom::Scalar(kind)), value) => {
            let (fits, wanted) = match kind {
                ScalarKind::String => (value.is_string(), "string"),
                ScalarKind::Numeric => (value.is_number(), "numeric (int or float)"),
                ScalarKind::Boolean => (value.is_boolean(), "boolean"),
                ScalarKind::Untyped => (!(value.is_object() || value.is_array()), "any scalar"),
            };
            if !fits {
                errors.push(format!("expected {wanted}, got {}", show_briefly(value)));
            }
        }
        (None, _) => errors.push("schema error: invalid atom"),
    }
}

/// Enough of a value to know it again.
fn show_briefly(value: &Value) -> String {
    const LENGTH: usize = 120;
    let text = show(value);
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn validate_list(list: &ListShape<'_>, items: &[Value], allow_duplicates: bool, errors: &mut ShapeErrors) {
    let mut seen = BTreeSet::new();
    for (position, item) in items.iter().enumerate() {
        let start = errors.count();
        let mut step = PathElement::Index(position as i64);
        if list.kind != ListKind::Atomic {
            step = match element_step(list, item) {
                Ok(step) => step,
                Err(message) => return errors.push(format!("element {position}: {message}")),
            };
            if !allow_duplicates && seen.contains(&step) {
                errors.push(format!("duplicate entries for key {step}"));
            }
        }
        let deeper = errors.count();
        validate_value(item, list.element, allow_duplicates, errors);
        errors.prefix(deeper.max(start), || step.clone());
        if list.kind != ListKind::Atomic {
            seen.insert(step);
        }
    }
}

/// The set of fields and elements which the value has, leaves and named elements.
///
/// # Errors
/// When an element of a list has no key.
pub fn field_set(value: &Value, shape: Shape<'_>) -> Result<Set, ShapeErrors> {
    let mut errors = ShapeErrors::default();
    let mut set = Set::new();
    fill(value, shape, &mut set, &mut errors);
    errors.into_result()?;
    Ok(set)
}

/// Fills in what lies below a value; the answer is whether the value itself is a member.
fn fill(value: &Value, shape: Shape<'_>, set: &mut Set, errors: &mut ShapeErrors) -> bool {
    match atom_of(shape, Some(value)) {
        Some(Atom::Scalar(_)) => true,
        Some(Atom::List(list)) => {
            if list.kind == ListKind::Atomic {
                return true;
            }
            if let Value::Array(items) = value {
                fill_list(&list, items, set, errors);
            }
            false
        }
        Some(Atom::Map(map)) => {
            if map.atomic {
                return true;
            }
            if let Value::Object(entries) = value {
                fill_map(&map, entries, set, errors);
            }
            false
        }
        None => {
            errors.push("schema error: invalid atom");
            false
        }
    }
}

fn fill_map(map: &MapShape<'_>, entries: &Map<String, Value>, set: &mut Set, errors: &mut ShapeErrors) {
    for (key, entry) in entries {
        let start = errors.count();
        let mut below = Set::new();
        let declared = map.field(key);
        let Some(shape) = declared.or(map.element) else {
            errors.push("field not declared in schema");
            errors.prefix(start, || PathElement::field(key));
            continue;
        };
        let is_leaf = fill(entry, shape, &mut below, errors);
        errors.prefix(start, || PathElement::field(key));
        let is_empty = entry.is_null() || entry.as_object().is_some_and(Map::is_empty);
        add(set, PathElement::field(key), is_leaf || is_empty || declared.is_none(), below);
    }
}

fn fill_list(list: &ListShape<'_>, items: &[Value], set: &mut Set, errors: &mut ShapeErrors) {
    let mut steps = Vec::with_capacity(items.len());
    let (mut seen, mut duplicates) = (BTreeSet::new(), BTreeSet::new());
    for (position, item) in items.iter().enumerate() {
        match element_step(list, item) {
            Ok(step) => {
                if !seen.insert(step.clone()) {
                    duplicates.insert(step.clone());
                }
                steps.push((step, item));
            }
            Err(message) => errors.push(format!("element {position}: {message}")),
        }
    }
    for (step, item) in steps {
        let mut below = Set::new();
        if !duplicates.contains(&step) {
            let start = errors.count();
            fill(item, list.element, &mut below, errors);
            errors.prefix(start, || step.clone());
        }
        add(set, step, true, below);
    }
}

/// Adds a step with what lies below it.
pub(super) fn add(set: &mut Set, step: PathElement, is_member: bool, below: Set) {
    if is_member {
        set.members.insert(step.clone());
    }
    if !below.members.is_empty() || !below.children.is_empty() {
        set.children.insert(step, below);
    }
}
