//! Decides which pods to make, repair and delete: one after the other, or all at once.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::Pod;
use client::Patch;
use jiff::Timestamp;
use machinery::selectors::labels::Selector;
use rules::core::v1::pod::meaning::{is_available, is_ready, is_terminal};
use runtime::plan::reference_to;
use runtime::{Action, Note, Plan};
use serde_json::json;

use super::claims::{Claims, is_stale, missing, retained};
use super::gather::Inputs;
use super::history::{History, history};
use super::identity::{POD_INDEX, POD_NAME, is_labelled, new_pod, ordinal_of, ordinals, revision_of};
use crate::ownership::{Claim, claim};
use crate::pods::next_availability;

/// How soon a pod whose claim is still going is tried again.
const CLAIM_DELAY: Duration = Duration::from_secs(5);

/// What one pass does: claims of volumes before pods.
#[derive(Default)]
pub(super) struct Steps {
    pub claims: Vec<Action>,
    pub pods: Vec<Action>,
    pub notes: Vec<Note>,
    pub again: Option<Duration>,
    /// Pods of the current revision that are deleted for the update.
    pub outdated: i32,
}

/// The pods that are the set's; none when its selector cannot be read.
pub(super) fn claimed(inputs: &Inputs) -> Option<Claim<Pod>> {
    let selector = Selector::from_label_selector(inputs.set.spec.selector.as_deref()).ok()?;
    let mut claim = claim(inputs.set.as_ref(), &selector, &inputs.candidates);
    claim.owned.sort_by_key(|pod| ordinal_of(&inputs.set, pod));
    Some(claim)
}

/// Adoptions and revisions first, then claims, then pods.
pub(super) fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
    let set = inputs.set.as_ref();
    let Some(claim) = claimed(inputs) else { return Plan::nothing() };
    let pods = claim.owned;
    let history = match history(inputs, &pods) {
        Ok(history) => history,
        Err(error) => {
            let note = Note::warning(reference_to(set), "InvalidRevision", error);
            return Plan::of(claim.actions).note(note);
        }
    };
    let plan = Plan::of(claim.actions);
    if set.metadata.deletion_timestamp.is_some() {
        return plan;
    }
    let steps = steps(inputs, &pods, &history, now);
    let mut plan = plan.then(history.actions).then(steps.claims).then(steps.pods);
    plan.notes = steps.notes;
    let next = next_availability(&pods, set.spec.min_ready_seconds, now);
    for delay in next.filter(|_| set.spec.min_ready_seconds > 0).into_iter().chain(steps.again) {
        plan = plan.requeue_after(delay);
    }
    plan
}

pub(super) fn is_created(pod: &Pod) -> bool {
    !pod.status.phase.is_empty()
}

pub(super) fn is_running_and_ready(pod: &Pod) -> bool {
    pod.status.phase == "Running" && is_ready(pod)
}

fn is_going(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Pods to keep, by ordinal, with those that are missing made up; and pods to remove, highest first.
fn divided(inputs: &Inputs, pods: &[Arc<Pod>], history: &History) -> (Vec<Arc<Pod>>, Vec<Arc<Pod>>) {
    let set = inputs.set.as_ref();
    let range = ordinals(set);
    let strategy = &set.spec.update_strategy;
    // Ordinals below this are made anew as they were.
    let kept = match strategy.rolling_update.as_deref() {
        Some(rolling) => rolling.partition.unwrap_or(0),
        None if strategy.type_ == "RollingUpdate" => set.status.current_replicas,
        None => 0,
    };
    let existing = |ordinal| pods.iter().find(|pod| ordinal_of(set, pod) == Some(ordinal)).cloned();
    let make = |ordinal: i32| {
        let of = if ordinal < range.start.saturating_add(kept) { &history.current } else { &history.update };
        Arc::new(new_pod(set, of, ordinal))
    };
    let replicas = range.clone().map(|ordinal| existing(ordinal).unwrap_or_else(|| make(ordinal))).collect();
    let outside = |pod: &&Arc<Pod>| ordinal_of(set, pod).is_some_and(|ordinal| !range.contains(&ordinal));
    let mut condemned: Vec<_> = pods.iter().filter(outside).cloned().collect();
    condemned.reverse();
    (replicas, condemned)
}

/// What is to be done for pods. In order means that each pod waits for those before it to be available.
pub(super) fn steps(inputs: &Inputs, pods: &[Arc<Pod>], history: &History, now: Timestamp) -> Steps {
    let set = inputs.set.as_ref();
    let in_order = set.spec.pod_management_policy != "Parallel";
    let (replicas, condemned) = divided(inputs, pods, history);
    let unavailable = |pod: &Pod| is_going(pod) || !is_available(pod, set.spec.min_ready_seconds, now);
    let first_unavailable = replicas
        .iter()
        .chain(condemned.iter().rev())
        .find(|pod| unavailable(pod))
        .map(|pod| &pod.metadata.name);
    let mut steps = Steps::default();
    for pod in &replicas {
        let waits = keep(inputs, pod, in_order, &unavailable, &mut steps);
        if waits && in_order {
            return steps;
        }
    }
    for pod in &condemned {
        take(retained(inputs, pod), &mut steps);
    }
    for pod in &condemned {
        if is_going(pod) {
            if in_order {
                return steps;
            }
            continue;
        }
        let healthy = is_running_and_ready(pod) && !unavailable(pod);
        if in_order && !healthy && first_unavailable != Some(&pod.metadata.name) {
            return steps;
        }
        steps.pods.push(delete(inputs, pod));
        if in_order {
            return steps;
        }
    }
    if set.spec.update_strategy.type_ != "OnDelete" {
        roll(inputs, &replicas, history, &unavailable, &mut steps);
    }
    steps
}

/// Makes, replaces or repairs a pod that shall be. True when those after it must wait.
fn keep(
    inputs: &Inputs,
    pod: &Arc<Pod>,
    in_order: bool,
    unavailable: &dyn Fn(&Pod) -> bool,
    steps: &mut Steps,
) -> bool {
    // Whatever way it ended: its place is to be filled again.
    if is_terminal(pod) {
        if !is_going(pod) {
            steps.pods.push(delete(inputs, pod));
        }
        return true;
    }
    if !is_created(pod) {
        if !is_stale(inputs, pod) {
            create(inputs, pod, steps);
        }
        return true;
    }
    if pod.status.phase == "Pending" {
        take(missing(inputs, pod), steps);
        take(retained(inputs, pod), steps);
    }
    if in_order && (is_going(pod) || !is_running_and_ready(pod) || unavailable(pod)) {
        return true;
    }
    if pod.status.phase != "Pending" {
        take(retained(inputs, pod), steps);
    }
    if !is_labelled(pod) {
        steps.pods.push(relabel(inputs, pod));
    }
    false
}

fn take(claims: Claims, steps: &mut Steps) {
    steps.claims.extend(claims.actions);
    steps.notes.extend(claims.notes);
}

/// Replaces the last pod that is not of the update; waits for those that are not available yet.
fn roll(
    inputs: &Inputs,
    replicas: &[Arc<Pod>],
    history: &History,
    unavailable: &dyn Fn(&Pod) -> bool,
    steps: &mut Steps,
) {
    let rolling = inputs.set.spec.update_strategy.rolling_update.as_deref();
    let first = rolling.and_then(|rolling| rolling.partition).unwrap_or(0);
    let first = usize::try_from(first).unwrap_or(0);
    for pod in replicas.iter().skip(first).rev() {
        if revision_of(pod) != history.update.name && !is_going(pod) {
            // One that failed is being deleted already.
            if is_created(pod) && !is_terminal(pod) {
                steps.pods.push(delete(inputs, pod));
                steps.outdated += 1;
            }
            return;
        }
        if unavailable(pod) {
            return;
        }
    }
}

fn event(inputs: &Inputs, action: Action, verb: &str, pod: &Pod) -> Action {
    let set = inputs.set.as_ref();
    let what = format!("{verb} Pod {} in StatefulSet {}", pod.metadata.name, set.metadata.name);
    let done = Note::normal(reference_to(set), &format!("Successful{verb}"), format!("{what} successful"));
    let failed = Note::warning(reference_to(set), &format!("Failed{verb}"), format!("{what} failed error: "));
    action.announcing(done).on_failure(failed)
}

fn delete(inputs: &Inputs, pod: &Pod) -> Action {
    event(inputs, Action::delete(pod), "Delete", pod)
}

fn create(inputs: &Inputs, pod: &Pod, steps: &mut Steps) {
    let claims = missing(inputs, pod);
    if let Some(going) = &claims.going {
        let set = inputs.set.as_ref();
        let (name, owner) = (&pod.metadata.name, &set.metadata.name);
        let message =
            format!("Create Pod {name} in StatefulSet {owner} failed error: pvc {going} is being deleted");
        steps.notes.push(Note::warning(reference_to(set), "FailedCreate", message));
        steps.again = Some(CLAIM_DELAY);
    } else {
        steps.pods.push(event(inputs, Action::create(pod.clone()), "Create", pod));
    }
    take(claims, steps);
}

fn relabel(inputs: &Inputs, pod: &Pod) -> Action {
    let ordinal = ordinal_of(&inputs.set, pod).unwrap_or_default().to_string();
    let labels = json!({POD_NAME: pod.metadata.name, POD_INDEX: ordinal});
    let patch = json!({"metadata": {"uid": pod.metadata.uid, "labels": labels}});
    event(inputs, Action::patch(pod, Patch::Strategic(patch)), "Update", pod)
}
