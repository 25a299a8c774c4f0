//! Sets of paths, and their form in `fieldsV1`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use super::path::{PathElement, PathElementError};
use crate::patch::shape::Shape;

/// A set of paths: those of one step, and sets of what follows the first step of longer ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    pub(super) members: BTreeSet<PathElement>,
    pub(super) children: BTreeMap<PathElement, Set>,
}

/// A path into an object.
pub type Path = Vec<PathElement>;

impl Set {
    /// The empty set.
    pub fn new() -> Set {
        Set::default()
    }

    /// The set of paths given by field names.
    pub fn of_fields(paths: &[&[&str]]) -> Set {
        let mut set = Set::new();
        for path in paths {
            let path: Path = path.iter().map(|name| PathElement::field(*name)).collect();
            set.insert(&path);
        }
        set
    }

    /// Adds a path; the empty one is no path.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    /// Whether the path is in the set.
    pub fn has(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|child| child.has(rest)),
        }
    }

    /// Whether there is no path in the set.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Set::is_empty)
    }

    /// The paths in either set.
    pub fn union(&self, other: &Set) -> Set {
        let mut union = self.clone();
        union.extend(other);
        union
    }

    /// Adds the paths of another set.
    pub fn extend(&mut self, other: &Set) {
        self.members.extend(other.members.iter().cloned());
        for (step, child) in &other.children {
            self.children.entry(step.clone()).or_default().extend(child);
        }
    }

    /// The paths in both sets.
    pub fn intersection(&self, other: &Set) -> Set {
        let children = self.children.iter().filter_map(|(step, child)| {
            let both = child.intersection(other.children.get(step)?);
            (!both.is_empty()).then(|| (step.clone(), both))
        });
        Set {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: children.collect(),
        }
    }

    /// The paths in this set only.
    pub fn difference(&self, other: &Set) -> Set {
        self.subtract(other, false)
    }

    /// The paths in this set which neither are in the other one nor lie below a path of it.
    pub fn recursive_difference(&self, other: &Set) -> Set {
        self.subtract(other, true)
    }

    fn subtract(&self, other: &Set, recursive: bool) -> Set {
        let children = self.children.iter().filter_map(|(step, child)| {
            if recursive && other.members.contains(step) {
                return None;
            }
            let rest = match other.children.get(step) {
                Some(other) => child.subtract(other, recursive),
                None => return Some((step.clone(), child.clone())),
            };
            (!rest.is_empty()).then(|| (step.clone(), rest))
        });
        Set {
            members: self.members.difference(&other.members).cloned().collect(),
            children: children.collect(),
        }
    }

    /// What follows the given first step.
    pub(super) fn below(&self, step: &PathElement) -> Option<&Set> {
        self.children.get(step).filter(|child| !child.is_empty())
    }

    /// Makes every declared field on the way to a path a path of its own, so that removing what lies below leaves
    /// no shell.
    pub(super) fn with_named_fields(&self, shape: Option<Shape<'_>>) -> Set {
        let atoms = shape.map(Shape::atoms).unwrap_or_default();
        let mut members = self.members.clone();
        let mut children = BTreeMap::new();
        for (step, child) in &self.children {
            let below = match (step, atoms.map, atoms.list) {
                (PathElement::Field(name), Some(map), _) => {
                    if map.field(name).is_some() {
                        members.insert(step.clone());
                    }
                    map.entry(name)
                }
                (PathElement::Key(_), _, Some(list)) => Some(list.element),
                _ => None,
            };
            children.insert(step.clone(), child.with_named_fields(below));
        }
        Set { members, children }
    }

    /// Every path, members before what lies deeper.
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut Path, paths: &mut Vec<Path>) {
        for member in &self.members {
            let mut path = prefix.clone();
            path.push(member.clone());
            paths.push(path);
        }
        for (step, child) in &self.children {
            prefix.push(step.clone());
            child.collect(prefix, paths);
            prefix.pop();
        }
    }

    /// The form in `fieldsV1`.
    pub fn encode(&self) -> Value {
        Value::Object(self.encode_map(false))
    }

    fn encode_map(&self, include_self: bool) -> Map<String, Value> {
        let mut map = Map::new();
        if include_self && !(self.members.is_empty() && self.children.is_empty()) {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        let mut members = self.members.iter().peekable();
        let mut children = self.children.iter().peekable();
        let empty = || Value::Object(Map::new());
        loop {
            let member_first = match (members.peek(), children.peek()) {
                (None, None) => return map,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(member), Some((step, _))) => *member < *step,
            };
            if member_first {
                map.extend(members.next().map(|member| (member.encode(), empty())));
            } else if let Some((step, child)) = children.next() {
                let is_member = members.next_if_eq(&step).is_some();
                map.insert(step.encode(), Value::Object(child.encode_map(is_member)));
            }
        }
    }

    /// Reads the form in `fieldsV1`.
    ///
    /// # Errors
    /// When a key is no step.
    pub fn decode(fields: &Value) -> Result<Set, PathElementError> {
        Ok(Set::decode_map(fields)?.0.unwrap_or_default())
    }

    /// The set below, and whether the place itself is a path.
    fn decode_map(fields: &Value) -> Result<(Option<Set>, bool), PathElementError> {
        let mut set: Option<Set> = None;
        let mut is_member = false;
        for (key, value) in fields.as_object().into_iter().flatten() {
            if key == "." {
                is_member = true;
                continue;
            }
            let Some(step) = PathElement::decode(key)? else { continue };
            let (below, below_is_member) = Set::decode_map(value)?;
            let set = set.get_or_insert_default();
            if below_is_member {
                set.members.insert(step.clone());
            }
            if let Some(below) = below {
                set.children.insert(step, below);
            }
        }
        is_member |= set.is_none();
        Ok((set, is_member))
    }
}

/// A path as messages show it.
pub fn show_path(path: &[PathElement]) -> String {
    path.iter().map(PathElement::to_string).collect()
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<String> = self.paths().iter().map(|path| show_path(path)).collect();
        f.write_str(&paths.join("\n"))
    }
}

/// Which fields of an object count for managers.
#[derive(Clone, Debug)]
pub enum Filter {
    /// All but these and what lies below them: fields which a write resets.
    Exclude(Set),
    /// Only what matches a pattern, or lies below one: fields which a subresource writes. A step of nothing matches
    /// any step.
    Include(Vec<Vec<Option<PathElement>>>),
}

impl Filter {
    /// The paths which count.
    pub fn apply(&self, set: &Set) -> Set {
        match self {
            Filter::Exclude(excluded) => set.recursive_difference(excluded),
            Filter::Include(patterns) => {
                let patterns: Vec<&[Option<PathElement>]> = patterns.iter().map(Vec::as_slice).collect();
                include(set, &patterns)
            }
        }
    }
}

fn include(set: &Set, patterns: &[&[Option<PathElement>]]) -> Set {
    if patterns.iter().any(|pattern| pattern.is_empty()) {
        return set.clone();
    }
    let below = |step: &PathElement| -> Vec<&[Option<PathElement>]> {
        let matching = patterns.iter().filter_map(|pattern| pattern.split_first());
        matching
            .filter(|(first, _)| first.as_ref().is_none_or(|wanted| wanted == step))
            .map(|(_, rest)| rest)
            .collect()
    };
    let children = set.children.iter().filter_map(|(step, child)| {
        let child = include(child, &below(step));
        (!child.is_empty()).then(|| (step.clone(), child))
    });
    Set {
        members: set.members.iter().filter(|step| !below(step).is_empty()).cloned().collect(),
        children: children.collect(),
    }
}
