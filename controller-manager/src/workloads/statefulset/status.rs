//! What the status of a StatefulSet says.

use api_types::apps::v1::StatefulSetStatus;
use api_types::core::v1::Pod;
use jiff::Timestamp;
use rules::core::v1::pod::meaning::is_available;
use runtime::Action;
use runtime::plan::Outcome;

use super::gather::Inputs;
use super::history::history;
use super::identity::revision_of;
use super::plan::{claimed, is_created, is_running_and_ready, steps};

/// The new status, when it differs.
pub(super) fn conclude(inputs: &Inputs, outcome: &Outcome, now: Timestamp) -> Vec<Action> {
    let set = inputs.set.as_ref();
    let Some(claim) = claimed(inputs) else { return Vec::new() };
    let pods = claim.owned;
    let Ok(history) = history(inputs, &pods) else { return Vec::new() };
    let going = set.metadata.deletion_timestamp.is_some();
    let acted = outcome.failed_stage.is_none() && !going;
    let outdated = if acted { steps(inputs, &pods, &history, now).outdated } else { 0 };
    let count = |wanted: &dyn Fn(&Pod) -> bool| {
        i32::try_from(pods.iter().filter(|pod| is_created(pod) && wanted(pod)).count()).unwrap_or(i32::MAX)
    };
    let of = |revision: &str| {
        count(&|pod| pod.metadata.deletion_timestamp.is_none() && revision_of(pod) == revision)
    };
    let mut status = StatefulSetStatus {
        observed_generation: set.metadata.generation,
        replicas: count(&|_| true),
        ready_replicas: count(&is_running_and_ready),
        available_replicas: count(&|pod| {
            is_running_and_ready(pod) && is_available(pod, set.spec.min_ready_seconds, now)
        }),
        current_replicas: of(&history.current.name) - outdated,
        updated_replicas: of(&history.update.name),
        current_revision: history.current.name,
        update_revision: history.update.name,
        collision_count: Some(history.collisions),
        conditions: set.status.conditions.clone(),
    };
    // A rollout that is over makes its revision the current one.
    let wanted = set.spec.replicas.unwrap_or(1);
    let all = [status.updated_replicas, status.ready_replicas, status.replicas];
    if set.spec.update_strategy.type_ == "RollingUpdate" && all.iter().all(|count| *count == wanted) {
        status.current_replicas = status.updated_replicas;
        status.current_revision.clone_from(&status.update_revision);
    }
    if status == set.status {
        return Vec::new();
    }
    let mut set = set.clone();
    set.status = status;
    vec![Action::replace_status(set)]
}
