//! Decides which pods to make and delete, and what the status says.

use std::collections::HashMap;
use std::sync::Arc;

use api_types::apps::v1::{ReplicaSetCondition, ReplicaSetStatus};
use api_types::core::v1::Pod;
use jiff::Timestamp;
use machinery::Time;
use machinery::selectors::labels::Selector;
use rules::core::v1::pod::meaning::{is_active, is_available, is_ready, is_terminal};
use rules::meta::is_controlled_by;
use runtime::plan::{Outcome, reference_to};
use runtime::{Action, Plan};

use super::gather::Inputs;
use super::kinds::Replicator;
use crate::ownership::{Claim, claim, reference};
use crate::pods::{Ranked, create, delete, from_template, next_availability, sort_for_deletion};

/// Pods made or deleted in one go at most.
const BURST: usize = 500;
/// The condition that reports a failure to make or delete pods.
const REPLICA_FAILURE: &str = "ReplicaFailure";

/// Adoptions first, then creates or deletes.
pub(super) fn plan<K: Replicator>(inputs: &Inputs<K>, now: Timestamp) -> Plan {
    let set = inputs.set.as_ref();
    let Some(claim) = claim_active(inputs) else { return Plan::nothing() };
    let managed = if set.metadata().deletion_timestamp.is_none() {
        manage(set, &claim.owned, &inputs.related, now)
    } else {
        Vec::new()
    };
    let next = next_availability(&claim.owned, set.min_ready_seconds(), now);
    let plan = Plan::of(claim.actions).then(managed);
    match next.filter(|_| set.min_ready_seconds() > 0) {
        Some(delay) => plan.requeue_after(delay),
        None => plan,
    }
}

/// The active pods that are the set's; none when its selector cannot be read.
fn claim_active<K: Replicator>(inputs: &Inputs<K>) -> Option<Claim<Pod>> {
    let selector = inputs.set.selector()?;
    let active: Vec<Arc<Pod>> = inputs.candidates.iter().filter(|pod| is_active(pod)).cloned().collect();
    Some(claim(inputs.set.as_ref(), &selector, &active))
}

fn desired<K: Replicator>(set: &K) -> usize {
    usize::try_from(set.replicas().unwrap_or(1)).unwrap_or(0)
}

fn manage<K: Replicator>(set: &K, owned: &[Arc<Pod>], related: &[Arc<Pod>], now: Timestamp) -> Vec<Action> {
    let (about, want) = (reference_to(set), desired(set));
    if owned.len() < want {
        let missing = (want - owned.len()).min(BURST);
        let Some(template) = set.template() else { return Vec::new() };
        let pod = from_template(template, set, reference(set));
        return std::iter::repeat_n(pod, missing).map(|pod| create(pod, &about)).collect();
    }
    let surplus = (owned.len() - want).min(BURST);
    choose_for_deletion(owned, related, surplus, now).iter().map(|pod| delete(pod, &about)).collect()
}

fn choose_for_deletion(
    owned: &[Arc<Pod>],
    related: &[Arc<Pod>],
    count: usize,
    now: Timestamp,
) -> Vec<Arc<Pod>> {
    if count == 0 {
        return Vec::new();
    }
    let mut on_node: HashMap<&str, usize> = HashMap::new();
    for pod in related.iter().filter(|pod| is_active(pod)) {
        *on_node.entry(&pod.spec.node_name).or_default() += 1;
    }
    let rank = |pod: &Arc<Pod>| on_node.get(pod.spec.node_name.as_str()).copied().unwrap_or(0);
    let mut ranked: Vec<Ranked> =
        owned.iter().map(|pod| Ranked { pod: Arc::clone(pod), rank: rank(pod) }).collect();
    sort_for_deletion(&mut ranked, now);
    ranked.into_iter().take(count).map(|ranked| ranked.pod).collect()
}

/// The status, written when it differs. A claim that failed leaves it: it is not known what is owned.
pub(super) fn conclude<K: Replicator>(inputs: &Inputs<K>, outcome: &Outcome, now: Timestamp) -> Vec<Action> {
    let set = inputs.set.as_ref();
    let Some(claim) = claim_active(inputs) else { return Vec::new() };
    let claim_failed = outcome.failed_stage == Some(0) && !claim.actions.is_empty();
    if claim_failed {
        return Vec::new();
    }
    let status = status(inputs, &claim.owned, outcome.errors.first(), now);
    let old = set.status();
    if status == old && set.metadata().generation == old.observed_generation {
        return Vec::new();
    }
    let status = ReplicaSetStatus { observed_generation: set.metadata().generation, ..status };
    vec![Action::replace_status(set.with_status(status))]
}

fn status<K: Replicator>(
    inputs: &Inputs<K>,
    owned: &[Arc<Pod>],
    error: Option<&String>,
    now: Timestamp,
) -> ReplicaSetStatus {
    let set = inputs.set.as_ref();
    let labels = Selector::from_labels(&set.template().cloned().unwrap_or_default().metadata.labels);
    let count = |wanted: &dyn Fn(&Pod) -> bool| {
        i32::try_from(owned.iter().filter(|pod| wanted(pod)).count()).unwrap_or(i32::MAX)
    };
    let terminating = inputs.candidates.iter().filter(|pod| {
        pod.metadata.deletion_timestamp.is_some()
            && !is_terminal(pod)
            && is_controlled_by(&pod.metadata, &set.metadata().uid)
    });
    let mut status = ReplicaSetStatus {
        replicas: count(&|_| true),
        fully_labeled_replicas: count(&|pod| labels.matches(&pod.metadata.labels)),
        ready_replicas: count(&is_ready),
        available_replicas: count(&|pod| is_available(pod, set.min_ready_seconds(), now)),
        terminating_replicas: K::COUNTS_TERMINATING
            .then(|| i32::try_from(terminating.count()).unwrap_or(i32::MAX)),
        ..set.status()
    };
    let reported = status.conditions.iter().any(|condition| condition.type_ == REPLICA_FAILURE);
    match error {
        Some(error) if !reported => {
            let reason = if owned.len() < desired(set) { "FailedCreate" } else { "FailedDelete" };
            status.conditions.push(ReplicaSetCondition {
                type_: REPLICA_FAILURE.to_owned(),
                status: "True".to_owned(),
                last_transition_time: Time::from(now),
                reason: reason.to_owned(),
                message: error.clone(),
            });
        }
        None => status.conditions.retain(|condition| condition.type_ != REPLICA_FAILURE),
        Some(_) => {}
    }
    status
}
