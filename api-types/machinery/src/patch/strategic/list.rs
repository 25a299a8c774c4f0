//! Lists under strategic merge: kinds of elements, merge keys, order.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{DELETE, DIRECTIVE, Object, StrategicError, map_or_error};
use crate::patch::go_text::{compare_go_values, go_type, go_value};

/// What the elements of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elements {
    /// Objects.
    Maps,
    /// Texts, numbers or truth values.
    Scalars,
    /// The lists are empty.
    None,
}

/// The one kind of elements in all of the lists.
pub(super) fn element_kind(lists: &[&[Value]]) -> Result<Elements, StrategicError> {
    let mut first: Option<&Value> = None;
    for value in lists.iter().flat_map(|list| list.iter()) {
        if value.is_array() {
            return Err(StrategicError::ListOfLists);
        }
        match first {
            None => first = Some(value),
            Some(other) if go_type(other) == go_type(value) => {}
            Some(_) => {
                let texts: Vec<String> =
                    lists.iter().map(|list| go_value(&Value::Array(list.to_vec()))).collect();
                return Err(StrategicError::MixedList(format!("[{}]", texts.join(" "))));
            }
        }
    }
    Ok(match first {
        None => Elements::None,
        Some(Value::Object(_)) => Elements::Maps,
        Some(_) => Elements::Scalars,
    })
}

/// The value of the merge key, which must be there.
pub(super) fn merge_key_value<'a>(item: &'a Value, merge_key: &str) -> Result<&'a Value, StrategicError> {
    map_or_error(item)?.get(merge_key).ok_or_else(|| no_merge_key(item, merge_key))
}

pub(super) fn no_merge_key(item: &Value, merge_key: &str) -> StrategicError {
    StrategicError::NoMergeKey { map: Box::new(item.clone()), key: merge_key.to_owned() }
}

/// What identifies an element: its merge key in a list of maps, itself otherwise. Text, so that it hashes.
fn identity(item: &Value, merge_key: &str, elements: Elements) -> String {
    match elements {
        Elements::Maps => item.get(merge_key).unwrap_or(&Value::Null).to_string(),
        _ => item.to_string(),
    }
}

/// The set of identities in a list.
pub(super) fn identities(list: &[Value], merge_key: &str) -> HashSet<String> {
    let elements = if merge_key.is_empty() { Elements::Scalars } else { Elements::Maps };
    list.iter().map(|item| identity(item, merge_key, elements)).collect()
}

/// Splits into the elements which `by` has and those it has not.
pub(super) fn partition(
    list: Vec<Value>,
    by: &[Value],
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let known = identities(by, merge_key);
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    for item in list {
        let key = if merge_key.is_empty() {
            item.to_string()
        } else {
            merge_key_value(&item, merge_key)?.to_string()
        };
        if known.contains(&key) { present.push(item) } else { absent.push(item) }
    }
    Ok((present, absent))
}

/// Position of each identity in a list, the first one where there are several.
struct Ranks {
    positions: HashMap<String, usize>,
    elements: Elements,
}

impl Ranks {
    fn new(order: &[Value], merge_key: &str, elements: Elements) -> Ranks {
        let mut positions = HashMap::with_capacity(order.len());
        for (position, item) in order.iter().enumerate() {
            positions.entry(identity(item, merge_key, elements)).or_insert(position);
        }
        Ranks { positions, elements }
    }

    fn of(&self, item: &Value, merge_key: &str) -> Option<usize> {
        self.positions.get(&identity(item, merge_key, self.elements)).copied()
    }
}

/// Sorts by the position in `order`; deletions come last.
pub(super) fn sort_by_order(
    list: Vec<Value>,
    order: &[Value],
    merge_key: &str,
    elements: Elements,
) -> Result<Vec<Value>, StrategicError> {
    let (mut keep, mut deletions) = (list, Vec::new());
    if elements == Elements::Maps {
        for item in keep.iter().chain(order) {
            merge_key_value(item, merge_key)?;
        }
        (keep, deletions) = split_deletions(keep)?;
    }
    let ranks = Ranks::new(order, merge_key, elements);
    let mut ranked: Vec<(Option<usize>, Value)> =
        keep.into_iter().map(|item| (ranks.of(&item, merge_key), item)).collect();
    if ranked.iter().all(|(rank, _)| rank.is_some()) {
        ranked.sort_by_key(|(rank, _)| *rank);
    } else if ranked.len() <= 20 {
        // Upstream's comparison says "before" whenever one side has no rank, so the outcome is that of its
        // insertion sort, which is what its sort is for up to 20 elements.
        for sorted in 1..ranked.len() {
            let mut at = sorted;
            while at > 0 && goes_before(ranked[at].0, ranked[at - 1].0) {
                ranked.swap(at, at - 1);
                at -= 1;
            }
        }
    } else {
        // Longer lists with unknown elements have no defined order upstream; `None` sorts first.
        ranked.sort_by_key(|(rank, _)| *rank);
    }
    let mut sorted: Vec<Value> = ranked.into_iter().map(|(_, item)| item).collect();
    sorted.append(&mut deletions);
    Ok(sorted)
}

fn goes_before(left: Option<usize>, right: Option<usize>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => left < right,
        _ => true,
    }
}

/// Brings the elements of the patch into the patch's order and the server's own into the server's order, and
/// merges both so that the server's elements stay before what they stood before.
pub(super) fn restore_order(
    patch: Vec<Value>,
    server_only: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    merge_key: &str,
    elements: Elements,
) -> Result<Vec<Value>, StrategicError> {
    let patch = sort_by_order(patch, patch_order, merge_key, elements)?;
    let server_only = sort_by_order(server_only, server_order, merge_key, elements)?;
    let ranks = Ranks::new(server_order, merge_key, elements);
    let mut merged = Vec::with_capacity(patch.len() + server_only.len());
    let mut left = server_only.into_iter().peekable();
    let mut right = patch.into_iter().peekable();
    while let (Some(server), Some(wanted)) = (left.peek(), right.peek()) {
        let both = ranks.of(server, merge_key).zip(ranks.of(wanted, merge_key));
        let next =
            if both.is_some_and(|(server, wanted)| server < wanted) { left.next() } else { right.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}

/// Splits into elements without and with `$patch: delete`.
pub(super) fn split_deletions(list: Vec<Value>) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let (mut keep, mut deletions) = (Vec::new(), Vec::new());
    for item in list {
        if is_deletion(map_or_error(&item)?) { deletions.push(item) } else { keep.push(item) }
    }
    Ok((keep, deletions))
}

pub(super) fn is_deletion(map: &Object) -> bool {
    map.get(DIRECTIVE).and_then(Value::as_str) == Some(DELETE)
}

/// Sorted as upstream sorts scalars: by their text.
pub(super) fn sorted_scalars(list: &[Value]) -> Vec<Value> {
    let mut sorted = list.to_vec();
    sorted.sort_by(compare_go_values);
    sorted
}

/// Each value once, the first one staying.
pub(super) fn without_duplicates(list: Vec<Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    list.into_iter().filter(|item| seen.insert(item.to_string())).collect()
}

/// Sorted by the text of the merge key; elements of one key come in reverse, as upstream's sort leaves them.
pub(super) fn sorted_by_key<'a>(list: &'a [Value], merge_key: &str) -> Vec<&'a Value> {
    let mut sorted: Vec<&Value> = list.iter().rev().collect();
    let key = |item: &Value| item.get(merge_key).map_or_else(|| "<nil>".to_owned(), go_value);
    sorted.sort_by_cached_key(|item| key(item));
    sorted
}
