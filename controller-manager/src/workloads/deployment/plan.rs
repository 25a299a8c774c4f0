//! Decides which ReplicaSets to make, scale and delete.

use std::sync::Arc;

use api_types::apps::v1::{Deployment, ReplicaSet};
use jiff::Timestamp;
use machinery::selectors::labels::Selector;
use rules::core::v1::pod::meaning::is_terminal;
use rules::scaling::fenceposts;
use runtime::plan::reference_to;
use runtime::{Action, Note, Plan};

use super::gather::Inputs;
use super::{progress, rolling, sets};
use crate::ownership::{Claim, claim};

/// The sets of a Deployment, and what its strategy allows.
pub(super) struct View<'a> {
    pub deployment: &'a Deployment,
    /// All its sets, oldest first.
    pub all: &'a [Arc<ReplicaSet>],
    /// The one with its template.
    pub new: Option<&'a Arc<ReplicaSet>>,
    /// The others.
    pub old: Vec<&'a Arc<ReplicaSet>>,
    /// Pods beyond those wanted.
    pub surge: i32,
    /// Pods that may be missing.
    pub missing: i32,
}

impl View<'_> {
    /// Pods that are wanted.
    pub fn desired(&self) -> i32 {
        self.deployment.spec.replicas.unwrap_or(1)
    }

    /// Pods that there may be in all.
    pub fn most(&self) -> i32 {
        self.desired() + self.surge
    }

    /// Pods that all sets ask for.
    pub fn asked(&self) -> i32 {
        self.all.iter().map(|set| replicas(set)).sum()
    }
}

/// Pods that a set asks for.
pub(super) fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.replicas.unwrap_or(1)
}

/// The sets that are the Deployment's; none when its selector is empty or cannot be read.
pub(super) fn claimed(inputs: &Inputs) -> Option<Claim<ReplicaSet>> {
    let selector = Selector::from_label_selector(inputs.deployment.spec.selector.as_deref()).ok()?;
    let real = !selector.is_empty();
    real.then(|| claim(inputs.deployment.as_ref(), &selector, &inputs.candidates))
}

/// Looks at the sets.
pub(super) fn view<'a>(deployment: &'a Deployment, all: &'a [Arc<ReplicaSet>]) -> View<'a> {
    let new = sets::newest(deployment, all);
    let old = all.iter().filter(|set| new.is_none_or(|new| new.metadata.uid != set.metadata.uid)).collect();
    let rolling = deployment.spec.strategy.rolling_update.as_deref();
    let (surge, missing) = if deployment.spec.strategy.type_ == "Recreate" {
        (0, 0)
    } else {
        let (surge, missing) =
            (rolling.and_then(|r| r.max_surge.as_ref()), rolling.and_then(|r| r.max_unavailable.as_ref()));
        let desired = deployment.spec.replicas.unwrap_or(1);
        let (surge, missing) = fenceposts(surge, missing, desired).unwrap_or((1, 0));
        (surge, missing.min(desired))
    };
    View { deployment, all, new, old, surge, missing }
}

/// Adoptions first, then one step of the strategy, then the numbers and the clean-up.
pub(super) fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
    let deployment = inputs.deployment.as_ref();
    let about = reference_to(deployment);
    let Some(claim) = claimed(inputs) else {
        let message = "This deployment is selecting all pods. A non-empty selector is required.";
        return Plan::nothing().note(Note::warning(about, "SelectingAll", message));
    };
    let plan = Plan::of(claim.actions);
    if deployment.metadata.deletion_timestamp.is_some() {
        return plan;
    }
    let view = view(deployment, &claim.owned);
    let actions = if deployment.spec.paused || is_scaling(&view) {
        rolling::proportional(&view)
    } else if deployment.spec.strategy.type_ == "Recreate" {
        recreate(&view, inputs)
    } else {
        rolling::step(&view)
    };
    let mut plan = plan.then(actions);
    if plan.is_empty() {
        plan = plan.then(numbers(&view)).then(clean_up(&view));
    }
    match progress::time_left(&view, now) {
        Some(left) => plan.requeue_after(left),
        None => plan,
    }
}

/// The user has changed the number of pods since the sets were scaled.
fn is_scaling(view: &View<'_>) -> bool {
    let active = view.all.iter().filter(|set| replicas(set) > 0);
    active.filter_map(|set| sets::desired(set)).any(|desired| desired != view.desired())
}

/// The number of the next revision.
fn next_revision(view: &View<'_>) -> i64 {
    view.old.iter().map(|set| sets::revision(set)).max().unwrap_or(0) + 1
}

/// Makes the set for the current template.
pub(super) fn create(view: &View<'_>, replicas: i32) -> Action {
    let set = sets::make(view.deployment, next_revision(view), replicas, view.most());
    let about = reference_to(view.deployment);
    let message = format!("Scaled up replica set {} from 0 to {replicas}", set.metadata.name);
    let action = Action::create(set).existing_is_done();
    let action = action.on_failure(Note::warning(
        about.clone(),
        "ReplicaSetCreateError",
        "Failed to create new replica set: ",
    ));
    if replicas > 0 { action.announcing(Note::normal(about, "ScalingReplicaSet", message)) } else { action }
}

/// Scales a set; nothing when it has that many and remembers what was wanted.
pub(super) fn scale(view: &View<'_>, set: &ReplicaSet, to: i32) -> Option<Action> {
    let from = replicas(set);
    let mut changed = set.clone();
    changed.spec.replicas = Some(to);
    sets::mark_scale(&mut changed, view.desired(), view.most());
    if changed == *set {
        return None;
    }
    let action = Action::replace(changed);
    if from == to {
        return Some(action);
    }
    let way = if to > from { "up" } else { "down" };
    let message = format!("Scaled {way} replica set {} from {from} to {to}", set.metadata.name);
    Some(action.announcing(Note::normal(reference_to(view.deployment), "ScalingReplicaSet", message)))
}

/// All old pods first, then all new ones.
fn recreate(view: &View<'_>, inputs: &Inputs) -> Vec<Action> {
    let down: Vec<Action> =
        view.old.iter().filter(|set| replicas(set) > 0).filter_map(|set| scale(view, set, 0)).collect();
    if !down.is_empty() {
        return down;
    }
    let new = view.new.map(|set| set.metadata.uid.as_str()).unwrap_or_default();
    let old_pods = inputs.pods.iter().any(|pod| {
        !is_terminal(pod)
            && !pod.metadata.owner_references.iter().any(|owner| owner.uid == new)
            && pod
                .metadata
                .owner_references
                .iter()
                .any(|owner| view.old.iter().any(|set| set.metadata.uid == owner.uid))
    });
    if old_pods {
        return Vec::new();
    }
    match view.new {
        None => vec![create(view, view.desired())],
        Some(new) => scale(view, new, view.desired()).into_iter().collect(),
    }
}

/// The newest set has the highest number, and the Deployment has the number of its newest set.
fn numbers(view: &View<'_>) -> Vec<Action> {
    let Some(new) = view.new else { return Vec::new() };
    let mut set = new.as_ref().clone();
    sets::annotate(view.deployment, &mut set, next_revision(view));
    set.spec.min_ready_seconds = view.deployment.spec.min_ready_seconds;
    let number = sets::revision(&set).to_string();
    let mut actions = Vec::new();
    if set != **new {
        actions.push(Action::replace(set));
    }
    if view.deployment.metadata.annotations.get(sets::REVISION) != Some(&number) {
        let mut deployment = view.deployment.clone();
        deployment.metadata.annotations.insert(sets::REVISION.to_owned(), number);
        actions.push(Action::replace(deployment));
    }
    actions
}

/// Deletes the oldest of the sets that have no pods, once all is done.
fn clean_up(view: &View<'_>) -> Vec<Action> {
    let Some(limit) =
        view.deployment.spec.revision_history_limit.and_then(|limit| usize::try_from(limit).ok())
    else {
        return Vec::new();
    };
    if !progress::is_complete(view) {
        return Vec::new();
    }
    let mut idle: Vec<&&Arc<ReplicaSet>> = view
        .old
        .iter()
        .filter(|set| {
            let done = set.status.observed_generation >= set.metadata.generation;
            set.metadata.deletion_timestamp.is_none()
                && replicas(set) == 0
                && set.status.replicas == 0
                && done
        })
        .collect();
    idle.sort_by_key(|set| sets::revision(set));
    let surplus = view.old.len().saturating_sub(limit).min(idle.len());
    idle[..surplus].iter().map(|set| Action::delete(set.as_ref())).collect()
}
