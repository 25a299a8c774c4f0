//! One step of a rolling update, and scaling in proportion.

use std::sync::Arc;

use api_types::apps::v1::ReplicaSet;
use runtime::Action;

use super::plan::{View, create, replicas, scale};
use super::sets;

/// Up first, as far as the surge allows; then down, as far as enough pods are available.
pub(super) fn step(view: &View<'_>) -> Vec<Action> {
    let up = up(view);
    if up.is_empty() { down(view) } else { up }
}

/// How many pods the new set should have now.
fn new_size(view: &View<'_>) -> i32 {
    let current = view.new.map_or(0, |set| replicas(set));
    if view.asked() >= view.most() {
        return current;
    }
    let room = view.most() - view.asked();
    current + room.min(view.desired() - current)
}

fn up(view: &View<'_>) -> Vec<Action> {
    match view.new {
        None => vec![create(view, new_size(view).max(0))],
        Some(new) if replicas(new) == view.desired() => {
            scale(view, new, view.desired()).into_iter().collect()
        }
        Some(new) if replicas(new) > view.desired() => scale(view, new, view.desired()).into_iter().collect(),
        Some(new) => scale(view, new, new_size(view)).into_iter().collect(),
    }
}

fn down(view: &View<'_>) -> Vec<Action> {
    let old: i32 = view.old.iter().map(|set| replicas(set)).sum();
    if old == 0 {
        return Vec::new();
    }
    let least = view.desired() - view.missing;
    let new_missing = view.new.map_or(0, |set| replicas(set) - set.status.available_replicas);
    // What may go without falling below the least, even if none of the new pods ever gets ready.
    let mut may_go = view.asked() - least - new_missing;
    if may_go <= 0 {
        return Vec::new();
    }
    let mut sizes: Vec<i32> = view.old.iter().map(|set| replicas(set)).collect();
    // Pods that are not available go first: nobody misses them.
    for (size, set) in sizes.iter_mut().zip(&view.old) {
        let broken = (*size - set.status.available_replicas).max(0).min(may_go);
        *size -= broken;
        may_go -= broken;
    }
    let available: i32 = view.all.iter().map(|set| set.status.available_replicas).sum();
    let mut spare = available - least;
    for size in &mut sizes {
        let gone = (*size).min(spare).max(0);
        *size -= gone;
        spare -= gone;
    }
    view.old
        .iter()
        .zip(sizes)
        .filter(|(set, size)| replicas(set) != *size)
        .filter_map(|(set, size)| scale(view, set, size))
        .collect()
}

/// Brings the sets to the wanted number: the only active one alone, or all in proportion to their sizes.
pub(super) fn proportional(view: &View<'_>) -> Vec<Action> {
    let active: Vec<&Arc<ReplicaSet>> = view.all.iter().filter(|set| replicas(set) > 0).collect();
    let only = match active.as_slice() {
        [] => view.new.or_else(|| view.all.last()),
        [one] => Some(*one),
        _ => None,
    };
    if let Some(only) = only {
        return scale(view, only, view.desired()).into_iter().collect();
    }
    let new_is_full = view.new.is_some_and(|new| {
        replicas(new) == view.desired() && new.status.available_replicas == view.desired()
    });
    if new_is_full {
        let old = view.old.iter().filter(|set| replicas(set) > 0);
        return old.filter_map(|set| scale(view, set, 0)).collect();
    }
    if view.deployment.spec.strategy.type_ == "Recreate" {
        return Vec::new();
    }
    let most = if view.desired() > 0 { view.most() } else { 0 };
    let change = most - view.asked();
    let mut ordered = active;
    // The largest take the most; among equals the newest when growing, the oldest when shrinking.
    ordered.sort_by_key(|set| {
        let age = set.metadata.creation_timestamp.seconds;
        (-replicas(set), if change > 0 { -age } else { age })
    });
    let mut left = change;
    let mut sizes = Vec::new();
    for set in &ordered {
        let share = if change == 0 { 0 } else { share(view, set, change, left) };
        left -= share;
        sizes.push(replicas(set) + share);
    }
    if let Some(first) = sizes.first_mut() {
        *first = (*first + left).max(0);
    }
    ordered.iter().zip(sizes).filter_map(|(set, size)| scale(view, set, size)).collect()
}

/// A set's share of a change, by its part of the former total.
fn share(view: &View<'_>, set: &ReplicaSet, change: i32, left: i32) -> i32 {
    let before = sets::desired(set).map_or(view.asked(), |desired| (desired + view.surge).max(1));
    let target = f64::from(replicas(set)) * f64::from(view.most()) / f64::from(before.max(1));
    let share = target.round() as i32 - replicas(set);
    if change > 0 { share.clamp(0, left.max(0)) } else { share.clamp(left.min(0), 0) }
}
