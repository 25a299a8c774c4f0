//! Decides which daemons to make and delete, and which revisions to keep.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::apps::v1::{ControllerRevision, DaemonSet};
use api_types::core::v1::Pod;
use jiff::Timestamp;
use machinery::selectors::labels::Selector;
use rules::core::v1::pod::meaning::{is_available, is_ready};
use rules::scaling::scaled;
use runtime::plan::reference_to;
use runtime::{Action, Note, Plan};

use super::gather::Inputs;
use super::nodes::{node_of, pod_for, suits};
use crate::ownership::{Claim, claim};
use crate::pods::{Ranked, create, delete, next_availability, sort_for_deletion};
use crate::revisions;

/// Pods made or deleted in one go at most.
const BURST: usize = 250;

/// The daemons by the node that they are for.
pub(super) type ByNode = BTreeMap<String, Vec<Arc<Pod>>>;

/// Revisions first, then daemons.
pub(super) fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
    let set = inputs.set.as_ref();
    let Some(claim) = claimed(inputs) else { return Plan::nothing() };
    if set.metadata.deletion_timestamp.is_some() {
        return Plan::of(claim.actions);
    }
    let mut plan = Plan::of(claim.actions);
    let (current, history) = history(inputs, &claim.owned);
    plan = plan.then(history);
    let by_node = by_node(&claim.owned);
    let mut actions = place(inputs, &by_node, &current, now, &mut plan);
    if actions.is_empty() && set.spec.update_strategy.type_ != "OnDelete" {
        actions = roll(inputs, &by_node, &current, now);
    }
    actions.truncate(BURST);
    let next = next_availability(&claim.owned, set.spec.min_ready_seconds, now);
    let plan = plan.then(actions);
    match next.filter(|_| set.spec.min_ready_seconds > 0) {
        Some(delay) => plan.requeue_after(delay),
        None => plan,
    }
}

/// The pods that are the set's; none when its selector is empty or cannot be read.
pub(super) fn claimed(inputs: &Inputs) -> Option<Claim<Pod>> {
    let selector = Selector::from_label_selector(inputs.set.spec.selector.as_deref()).ok()?;
    let real = !selector.is_empty();
    real.then(|| claim(inputs.set.as_ref(), &selector, &inputs.candidates))
}

pub(super) fn by_node(pods: &[Arc<Pod>]) -> ByNode {
    let mut found = ByNode::new();
    for pod in pods {
        if let Some(node) = node_of(pod) {
            found.entry(node.to_owned()).or_default().push(pod.clone());
        }
    }
    found
}

/// The hash of the current template, and what is to be done so that a revision keeps it.
fn history(inputs: &Inputs, pods: &[Arc<Pod>]) -> (String, Vec<Action>) {
    let set = inputs.set.as_ref();
    let template = &set.spec.template;
    let next = revisions::next_number(&inputs.revisions);
    let data = revisions::revision_data(template);
    let (hash, mut actions) = match revisions::equal(&inputs.revisions, &data) {
        None => {
            let taken = |collisions: Option<i32>| {
                let name =
                    format!("{}-{}", set.metadata.name, revisions::template_hash(template, collisions));
                inputs.revisions.iter().any(|revision| revision.metadata.name == name)
            };
            let mut collisions = set.status.collision_count;
            while taken(collisions) {
                collisions = Some(collisions.unwrap_or(0) + 1);
            }
            let revision = revisions::new(set, template, collisions, next);
            (revisions::hash_of(&revision).to_owned(), vec![Action::create(revision).existing_is_done()])
        }
        // A template of before is current again: its revision becomes the newest.
        Some(old) if old.revision + 1 < next => {
            let newest = ControllerRevision { revision: next, ..old.as_ref().clone() };
            (revisions::hash_of(old).to_owned(), vec![Action::replace(newest)])
        }
        Some(current) => (revisions::hash_of(current).to_owned(), Vec::new()),
    };
    let in_use = |of: &str| {
        of == hash
            || pods
                .iter()
                .any(|pod| pod.metadata.labels.get(revisions::REVISION_HASH).is_some_and(|h| h == of))
    };
    let limit = set.spec.revision_history_limit.unwrap_or(10);
    let surplus = revisions::surplus(&inputs.revisions, limit, &in_use);
    actions.extend(surplus.iter().map(|revision| Action::delete(revision.as_ref())));
    (hash, actions)
}

fn is_current(pod: &Pod, hash: &str) -> bool {
    pod.metadata.labels.get(revisions::REVISION_HASH).is_some_and(|of| of == hash)
}

fn surge(set: &DaemonSet, nodes: i32) -> i32 {
    let rolling = set.spec.update_strategy.rolling_update.as_deref();
    let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref());
    surge.and_then(|surge| scaled(surge, nodes, true).ok()).unwrap_or(0)
}

fn max_unavailable(set: &DaemonSet, nodes: i32) -> i32 {
    let rolling = set.spec.update_strategy.rolling_update.as_deref();
    let most = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
    let most = most.map_or(1, |most| scaled(most, nodes, true).unwrap_or(1));
    // Neither surge nor absence would be no progress at all.
    if most == 0 && surge(set, nodes) == 0 { 1 } else { most }
}

/// Daemons for nodes without one; no daemons for nodes that should have none; one where there are several.
fn place(inputs: &Inputs, by_node: &ByNode, hash: &str, now: Timestamp, plan: &mut Plan) -> Vec<Action> {
    let set = inputs.set.as_ref();
    let about = reference_to(set);
    let mut deletes = Vec::new();
    let mut creates = Vec::new();
    for node in &inputs.nodes {
        let name = &node.metadata.name;
        let suits = suits(set, node);
        let daemons = by_node.get(name).map(Vec::as_slice).unwrap_or_default();
        let alive: Vec<&Arc<Pod>> =
            daemons.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect();
        if !suits.stay {
            deletes.extend(alive.iter().map(|pod| delete(pod, &about)));
            continue;
        }
        let (failed, rest): (Vec<&Arc<Pod>>, Vec<&Arc<Pod>>) =
            alive.into_iter().partition(|pod| pod.status.phase == "Failed");
        for pod in failed {
            let message = format!(
                "Found failed daemon pod {}/{} on node {name}, will try to kill it",
                pod.metadata.namespace, pod.metadata.name
            );
            plan.notes.push(Note::warning(about.clone(), "FailedDaemonPod", message));
            deletes.push(delete(pod, &about));
        }
        if daemons.is_empty() && suits.run {
            creates.push(create(pod_for(set, name, hash), &about));
        }
        // Two are right only while a new one grows up beside an old one.
        let surging = surge(set, 1) > 0
            && rest.iter().any(|pod| is_current(pod, hash))
            && rest.iter().any(|pod| !is_current(pod, hash));
        if rest.len() > 1 && !surging {
            let mut ranked: Vec<Ranked> =
                rest.iter().map(|pod| Ranked { pod: (*pod).clone(), rank: 0 }).collect();
            sort_for_deletion(&mut ranked, now);
            ranked.truncate(rest.len() - 1);
            deletes.extend(ranked.iter().map(|ranked| delete(&ranked.pod, &about)));
        }
    }
    // Daemons of nodes that went are the garbage collector's; those never placed would wait for ever.
    let known = |name: &String| inputs.nodes.iter().any(|node| node.metadata.name == *name);
    for pod in by_node.iter().filter(|(name, _)| !known(name)).flat_map(|(_, pods)| pods) {
        if pod.spec.node_name.is_empty() && pod.metadata.deletion_timestamp.is_none() {
            deletes.push(delete(pod, &about));
        }
    }
    deletes.extend(creates);
    deletes
}

/// Replaces daemons of older revisions, a few at a time.
fn roll(inputs: &Inputs, by_node: &ByNode, hash: &str, now: Timestamp) -> Vec<Action> {
    let set = inputs.set.as_ref();
    let about = reference_to(set);
    let nodes: Vec<&str> = inputs
        .nodes
        .iter()
        .filter(|node| suits(set, node).run)
        .map(|node| node.metadata.name.as_str())
        .collect();
    let count = i32::try_from(nodes.len()).unwrap_or(i32::MAX);
    let (surge, most) = (surge(set, count), max_unavailable(set, count));
    let available = |pod: &Pod| is_available(pod, set.spec.min_ready_seconds, now);
    let (mut unavailable, mut growing) = (0, 0);
    let (mut free, mut costly, mut wanting) = (Vec::new(), Vec::new(), Vec::new());
    for name in nodes {
        let daemons = by_node.get(name).map(Vec::as_slice).unwrap_or_default();
        let alive = || daemons.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let new = alive().find(|pod| is_current(pod, hash));
        let old = alive().find(|pod| !is_current(pod, hash));
        match (old, new) {
            (None, Some(new)) => unavailable += i32::from(!available(new)),
            (None, None) => unavailable += 1,
            (Some(old), None) if !is_ready(old) => {
                unavailable += 1;
                free.push(old);
            }
            (Some(old), None) if !available(old) => {
                unavailable += 1;
                free.push(old);
            }
            (Some(old), None) if surge > 0 => wanting.push((name, old)),
            (Some(old), None) => costly.push(old),
            (Some(old), Some(new)) if available(new) => free.push(old),
            (Some(_), Some(_)) => growing += 1,
        }
    }
    let mut actions: Vec<Action> = free.into_iter().map(|pod| delete(pod, &about)).collect();
    let room = usize::try_from(most - unavailable).unwrap_or(0);
    if surge == 0 {
        actions.extend(costly.into_iter().take(room).map(|pod| delete(pod, &about)));
    } else {
        let room = usize::try_from(surge - growing).unwrap_or(0);
        actions
            .extend(wanting.into_iter().take(room).map(|(name, _)| create(pod_for(set, name, hash), &about)));
    }
    actions
}
