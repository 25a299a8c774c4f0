//! Sets of fields which were written when the shape was another one: what has become one value since is owned as
//! one value.

use super::path::PathElement;
use super::set::Set;
use super::typed::{Atom, atom_of};
use crate::patch::shape::Shape;
use crate::schema::ListKind;

/// The set in terms of the shape of today; nothing when it is in these terms already.
pub(super) fn reconcile(set: &Set, shape: Shape<'_>) -> Option<Set> {
    let mut collapsed = Set::new();
    visit(Some(set), shape, false, &mut Vec::new(), &mut collapsed);
    (!collapsed.is_empty()).then(|| set.recursive_difference(&collapsed).union(&collapsed))
}

fn visit(
    set: Option<&Set>,
    shape: Shape<'_>,
    is_whole: bool,
    path: &mut Vec<PathElement>,
    collapsed: &mut Set,
) {
    let child_shape = |step: &PathElement| match (atom_of(shape, None), step) {
        (Some(Atom::List(list)), _) => Some(list.element),
        (Some(Atom::Map(map)), PathElement::Field(name)) => map.entry(name),
        (Some(Atom::Map(map)), _) => map.element,
        _ => None,
    };
    match atom_of(shape, None) {
        Some(Atom::List(list)) if !is_whole && list.kind == ListKind::Atomic => {
            return collapsed.insert(path);
        }
        Some(Atom::Map(map)) if map.is_undeclared() => return,
        Some(Atom::Map(map)) if !is_whole && map.atomic => {
            if set.is_some_and(|set| !set.is_empty()) {
                collapsed.insert(path);
            }
            return;
        }
        Some(Atom::Scalar(_)) | None => return,
        Some(Atom::List(_) | Atom::Map(_)) => {}
    }
    let Some(set) = set else { return };
    let only_children = set.children.keys().filter(|step| !set.members.contains(*step));
    for step in only_children.chain(&set.members) {
        let Some(shape) = child_shape(step) else { continue };
        let below = set.children.get(step);
        let is_whole = set.members.contains(step) && below.is_none();
        path.push(step.clone());
        visit(below, shape, is_whole, path, collapsed);
        path.pop();
    }
}
