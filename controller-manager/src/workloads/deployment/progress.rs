//! What the status of a Deployment says: counts, and whether it gets on.

use std::time::Duration;

use api_types::apps::v1::{DeploymentCondition, DeploymentStatus};
use jiff::Timestamp;
use machinery::Time;
use runtime::Action;

use super::gather::Inputs;
use super::plan::{View, claimed, view};

const AVAILABLE: &str = "Available";
const PROGRESSING: &str = "Progressing";
const REPLICA_FAILURE: &str = "ReplicaFailure";

fn condition<'a>(status: &'a DeploymentStatus, type_: &str) -> Option<&'a DeploymentCondition> {
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

/// All pods are of the current template, available, and as many as wanted.
pub(super) fn is_complete(view: &View<'_>) -> bool {
    let status = counts(view);
    let desired = view.desired();
    status.updated_replicas == desired
        && status.replicas == desired
        && status.available_replicas == desired
        && view.deployment.status.observed_generation >= view.deployment.metadata.generation
}

fn counts(view: &View<'_>) -> DeploymentStatus {
    let sum = |of: fn(&api_types::apps::v1::ReplicaSetStatus) -> i32| {
        view.all.iter().map(|set| of(&set.status)).sum::<i32>()
    };
    let available = sum(|status| status.available_replicas);
    let replicas = sum(|status| status.replicas);
    let asked = view.asked();
    DeploymentStatus {
        observed_generation: view.deployment.metadata.generation,
        replicas,
        updated_replicas: view.new.map_or(0, |set| set.status.replicas),
        ready_replicas: sum(|status| status.ready_replicas),
        available_replicas: available,
        unavailable_replicas: (asked - available).max(0),
        terminating_replicas: Some(sum(|status| status.terminating_replicas.unwrap_or(0))),
        collision_count: view.deployment.status.collision_count,
        conditions: view.deployment.status.conditions.clone(),
    }
}

fn deadline(view: &View<'_>) -> Option<i64> {
    view.deployment.spec.progress_deadline_seconds.filter(|seconds| *seconds != i32::MAX).map(i64::from)
}

/// How long until the deadline passes; none when nothing is under way.
pub(super) fn time_left(view: &View<'_>, now: Timestamp) -> Option<Duration> {
    let deadline = deadline(view)?;
    let progressing = condition(&view.deployment.status, PROGRESSING)?;
    if is_complete(view) || view.deployment.spec.paused || progressing.reason == "ProgressDeadlineExceeded" {
        return None;
    }
    let left = progressing.last_update_time.seconds + deadline - now.as_second();
    // A second more, since times are kept in whole seconds.
    Some(Duration::from_secs(u64::try_from(left + 1).unwrap_or(0).max(1)))
}

fn set_condition(
    status: &mut DeploymentStatus,
    type_: &str,
    value: bool,
    reason: &str,
    message: String,
    now: Timestamp,
) {
    let value = if value { "True" } else { "False" };
    let now = Time::from(now);
    let old = status.conditions.iter().position(|condition| condition.type_ == type_);
    let same = old.map(|at| &status.conditions[at]).filter(|old| old.status == value);
    if same.is_some_and(|old| old.reason == reason && (type_ != PROGRESSING || old.message == message)) {
        return;
    }
    let transition = same.map_or(now, |old| old.last_transition_time);
    let condition = DeploymentCondition {
        type_: type_.to_owned(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message,
        last_update_time: now,
        last_transition_time: transition,
    };
    if let Some(at) = old {
        status.conditions.remove(at);
    }
    status.conditions.push(condition);
}

/// The new status, when it differs.
pub(super) fn conclude(inputs: &Inputs, now: Timestamp) -> Vec<Action> {
    let deployment = inputs.deployment.as_ref();
    let Some(claim) = claimed(inputs) else { return Vec::new() };
    let view = view(deployment, &claim.owned);
    let status = status(&view, now);
    if status == deployment.status {
        return Vec::new();
    }
    let mut changed = deployment.clone();
    changed.status = status;
    vec![Action::replace_status(changed)]
}

pub(super) fn status(view: &View<'_>, now: Timestamp) -> DeploymentStatus {
    let mut status = counts(view);
    let enough = status.available_replicas >= view.desired() - view.missing;
    let (reason, message) = if enough {
        ("MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set_condition(&mut status, AVAILABLE, enough, reason, message.to_owned(), now);
    progressing(view, &mut status, now);
    let failure = view.new.into_iter().chain(view.old.iter().copied()).find_map(|set| {
        set.status
            .conditions
            .iter()
            .find(|condition| condition.type_ == REPLICA_FAILURE && condition.status == "True")
    });
    status.conditions.retain(|condition| condition.type_ != REPLICA_FAILURE || failure.is_some());
    if let Some(failure) = failure {
        set_condition(&mut status, REPLICA_FAILURE, true, &failure.reason, failure.message.clone(), now);
    }
    status
}

fn progressing(view: &View<'_>, status: &mut DeploymentStatus, now: Timestamp) {
    let old = &view.deployment.status;
    let subject = match view.new {
        Some(set) => format!("ReplicaSet {:?}", set.metadata.name),
        None => format!("Deployment {:?}", view.deployment.metadata.name),
    };
    let known = condition(old, PROGRESSING).cloned();
    let paused = known.as_ref().is_some_and(|known| known.reason == "DeploymentPaused");
    if view.deployment.spec.paused {
        if !paused {
            let message = "Deployment is paused".to_owned();
            unknown(status, "DeploymentPaused", message, now);
        }
        return;
    }
    if paused {
        unknown(status, "DeploymentResumed", "Deployment is resumed".to_owned(), now);
        return;
    }
    if deadline(view).is_none() {
        status.conditions.retain(|condition| condition.type_ != PROGRESSING);
        return;
    }
    let desired = view.desired();
    let complete = status.updated_replicas == desired
        && status.replicas == desired
        && status.available_replicas == desired;
    let moved = status.updated_replicas > old.updated_replicas
        || old.replicas - old.updated_replicas > status.replicas - status.updated_replicas
        || status.ready_replicas > old.ready_replicas
        || status.available_replicas > old.available_replicas;
    // A rollout that is over stays over until the template changes.
    let over = known.as_ref().is_some_and(|known| known.reason == "NewReplicaSetAvailable")
        && status.updated_replicas == status.replicas
        && view.new.is_some();
    if complete {
        let message = format!("{subject} has successfully progressed.");
        set_condition(status, PROGRESSING, true, "NewReplicaSetAvailable", message, now);
    } else if over {
    } else if known.is_none() && view.new.is_none() {
        let name = &view.deployment.metadata.name;
        let message = format!("Created new replica set for {name:?}");
        set_condition(status, PROGRESSING, true, "NewReplicaSetCreated", message, now);
    } else if moved
        || known.is_none()
        || known.as_ref().is_some_and(|known| known.reason == "NewReplicaSetAvailable")
    {
        // Removed first: progress moves the time even when the words stay.
        let transition = known.filter(|known| known.status == "True").map(|known| known.last_transition_time);
        status.conditions.retain(|condition| condition.type_ != PROGRESSING);
        let message = format!("{subject} is progressing.");
        set_condition(status, PROGRESSING, true, "ReplicaSetUpdated", message, now);
        if let (Some(transition), Some(condition)) = (transition, status.conditions.last_mut()) {
            condition.last_transition_time = transition;
        }
    } else if timed_out(view, now) {
        let message = format!("{subject} has timed out progressing.");
        set_condition(status, PROGRESSING, false, "ProgressDeadlineExceeded", message, now);
    }
}

fn unknown(status: &mut DeploymentStatus, reason: &str, message: String, now: Timestamp) {
    set_condition(status, PROGRESSING, true, reason, message, now);
    if let Some(condition) = status.conditions.iter_mut().find(|condition| condition.type_ == PROGRESSING) {
        condition.status = "Unknown".to_owned();
    }
}

fn timed_out(view: &View<'_>, now: Timestamp) -> bool {
    let Some(known) = condition(&view.deployment.status, PROGRESSING) else { return false };
    known.reason == "ProgressDeadlineExceeded"
        || deadline(view).is_some_and(|deadline| known.last_update_time.seconds + deadline < now.as_second())
}
