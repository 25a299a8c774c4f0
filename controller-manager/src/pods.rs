//! What the workload controllers share about pods: making them from a template, and choosing which to
//! delete first (`pkg/controller/controller_utils.go`).

use std::cmp::Ordering;
use std::sync::Arc;

use api_types::core::v1::{ObjectReference, Pod, PodTemplateSpec};
use client::Patch;
use jiff::Timestamp;
use machinery::meta::v1::{ObjectMeta, OwnerReference};
use machinery::{Resource, Time};
use rules::core::v1::pod::meaning::{condition, is_ready, ready_since};
use rules::core::v1::resource_quota::usage::crosses_namespaces;
use runtime::{Action, Note};
use serde_json::json;

/// A pod for `owner` from its template; the server completes the name.
pub(crate) fn from_template<O: Resource>(
    template: &PodTemplateSpec,
    owner: &O,
    reference: OwnerReference,
) -> Pod {
    Pod {
        metadata: ObjectMeta {
            namespace: owner.metadata().namespace.clone(),
            generate_name: name_prefix(&owner.metadata().name),
            labels: template.metadata.labels.clone(),
            annotations: template.metadata.annotations.clone(),
            finalizers: template.metadata.finalizers.clone(),
            owner_references: vec![reference],
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        ..Pod::default()
    }
}

/// The owner's name with a dash, unless that is no valid beginning of a name.
pub(crate) fn name_prefix(owner: &str) -> String {
    let prefix = format!("{owner}-");
    if machinery::names::name_is_dns_subdomain(&prefix, true).is_empty() { prefix } else { owner.to_owned() }
}

/// Create `pod` and say so about `owner`.
pub(crate) fn create(pod: Pod, owner: &ObjectReference) -> Action {
    Action::create(pod)
        .on_success(Note::normal(owner.clone(), "SuccessfulCreate", "Created pod: "))
        .on_failure(Note::warning(owner.clone(), "FailedCreate", "Error creating: "))
}

/// Delete `pod` and say so about `owner`.
pub(crate) fn delete(pod: &Pod, owner: &ObjectReference) -> Action {
    Action::delete(pod)
        .on_success(Note::normal(owner.clone(), "SuccessfulDelete", "Deleted pod: "))
        .on_failure(Note::warning(owner.clone(), "FailedDelete", "Error deleting: "))
}

/// Tells in the pod's status that it is about to be disrupted, and why; `None` when it says so already.
pub(crate) fn mark_disrupted(pod: &Pod, reason: &str, message: &str, now: Timestamp) -> Option<Action> {
    let known = condition(&pod.status, "DisruptionTarget");
    if known.is_some_and(|known| {
        (known.status.as_str(), known.reason.as_str(), known.message.as_str()) == ("True", reason, message)
    }) {
        return None;
    }
    let since = known
        .filter(|known| known.status == "True")
        .map_or(Time { nanos: 0, ..Time::from(now) }, |known| known.last_transition_time);
    let mut entry = json!({
        "type": "DisruptionTarget", "status": "True", "reason": reason, "message": message,
        "lastTransitionTime": since.to_string(),
    });
    if pod.status.observed_generation != 0 {
        entry["observedGeneration"] = pod.metadata.generation.into();
    }
    let patch = json!({"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [entry]}});
    Some(Action::patch_status(pod, Patch::Strategic(patch)))
}

/// The annotation that says how much it costs to lose a pod.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// A pod with the number of active pods of related owners on its node.
pub(crate) struct Ranked {
    pub pod: Arc<Pod>,
    pub rank: usize,
}

/// Sorts the pods that should go first to the front.
pub(crate) fn sort_for_deletion(pods: &mut [Ranked], now: Timestamp) {
    pods.sort_by(|left, right| compare(left, right, now));
}

fn compare(left: &Ranked, right: &Ranked, now: Timestamp) -> Ordering {
    let (a, b) = (left.pod.as_ref(), right.pod.as_ref());
    // Unassigned first.
    let assigned = |pod: &Pod| !pod.spec.node_name.is_empty();
    let order = assigned(a).cmp(&assigned(b));
    // Pending, unknown, running.
    let phase = |pod: &Pod| match pod.status.phase.as_str() {
        "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    let order = order.then_with(|| phase(a).cmp(&phase(b)));
    // Not ready first, then cheap ones.
    let order = order
        .then_with(|| is_ready(a).cmp(&is_ready(b)))
        .then_with(|| deletion_cost(a).cmp(&deletion_cost(b)));
    // Doubled up on a node first.
    let order = order.then_with(|| right.rank.cmp(&left.rank));
    // Ready for a shorter time first, restarted more often first, younger first; the UID decides last.
    order
        .then_with(|| age(ready_since(a), now).cmp(&age(ready_since(b), now)))
        .then_with(|| restarts(b).cmp(&restarts(a)))
        .then_with(|| {
            let created = |pod: &Pod| age(Some(pod.metadata.creation_timestamp), now);
            created(a).cmp(&created(b))
        })
        .then_with(|| a.metadata.uid.cmp(&b.metadata.uid))
}

/// Magnitude of an age: ages of the same power of two count as equal, an unknown one as youngest.
///
/// Upstream lets the UID decide at once when two ready times differ within a magnitude, but not when they
/// are equal, which is no order at all for three pods; here the remaining rules come first.
fn age(time: Option<Time>, now: Timestamp) -> i64 {
    match time.and_then(known) {
        None => -2,
        Some(at) => {
            let nanoseconds = now.duration_since(at).as_nanos();
            if nanoseconds > 0 { i64::from(nanoseconds.ilog2()) } else { -1 }
        }
    }
}

fn known(time: Time) -> Option<Timestamp> {
    if time.is_zero() { None } else { time.to_timestamp() }
}

fn deletion_cost(pod: &Pod) -> i32 {
    pod.metadata.annotations.get(DELETION_COST).and_then(|cost| cost.parse().ok()).unwrap_or(0)
}

/// Highest counts of the restartable init containers and of the containers.
fn restarts(pod: &Pod) -> (i32, i32) {
    let sidecar = |name: &str| {
        pod.spec
            .init_containers
            .iter()
            .any(|container| container.name == name && container.restart_policy.as_deref() == Some("Always"))
    };
    let containers = pod.status.container_statuses.iter().map(|status| status.restart_count).max();
    let sidecars = pod.status.init_container_statuses.iter().filter(|status| sidecar(&status.name));
    (containers.unwrap_or(0), sidecars.map(|status| status.restart_count).max().unwrap_or(0))
}

/// How long until the next of the ready pods becomes available; none when none is waiting.
pub(crate) fn next_availability(
    pods: &[Arc<Pod>],
    min_ready_seconds: i32,
    now: Timestamp,
) -> Option<std::time::Duration> {
    let wait = jiff::SignedDuration::from_secs(i64::from(min_ready_seconds));
    pods.iter()
        .filter_map(|pod| Some((known(ready_since(pod)?)? + wait).duration_since(now)))
        .filter(|left| left.is_positive())
        .min()
        .and_then(|left| left.try_into().ok())
}

/// Takes out of a pod what no controller reads, so that caching every pod of the cluster stays cheap.
pub(crate) fn trim(pod: &mut Pod) {
    pod.metadata.managed_fields = Vec::new();
    let containers = pod.spec.init_containers.iter_mut().chain(&mut pod.spec.containers);
    for container in containers {
        container.args = Vec::new();
        container.command = Vec::new();
        container.env = Vec::new();
        container.env_from = Vec::new();
        container.volume_mounts = Vec::new();
        container.liveness_probe = None;
        container.readiness_probe = None;
        container.startup_probe = None;
        container.lifecycle = None;
        container.security_context = None;
    }
    pod.spec.ephemeral_containers = Vec::new();
    // Quota asks whether it reaches into other namespaces, which is rare.
    let crosses_namespaces = crosses_namespaces(pod);
    // Daemons that wait for their node are found by the affinity that binds them to it.
    if let Some(affinity) = &mut pod.spec.affinity {
        if !crosses_namespaces {
            affinity.pod_affinity = None;
            affinity.pod_anti_affinity = None;
        }
        if let Some(nodes) = &mut affinity.node_affinity {
            nodes.preferred_during_scheduling_ignored_during_execution = Vec::new();
        }
    }
    pod.spec.topology_spread_constraints = Vec::new();
    pod.spec.image_pull_secrets = Vec::new();
    pod.spec.security_context = None;
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::{ContainerStatus, PodCondition};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(age: i64) -> Time {
        Time { seconds: NOW - age, nanos: 0 }
    }

    /// A running pod that was created `age` seconds ago and is ready since `ready` seconds.
    fn pod(name: &str, age: i64, ready: Option<i64>) -> Pod {
        let mut pod = Pod::default();
        (pod.metadata.name, pod.metadata.uid) = (name.into(), name.into());
        pod.metadata.creation_timestamp = at(age);
        pod.spec.node_name = "n".into();
        pod.status.phase = "Running".into();
        if let Some(ready) = ready {
            let condition = PodCondition {
                type_: "Ready".into(),
                status: "True".into(),
                last_transition_time: at(ready),
                ..PodCondition::default()
            };
            pod.status.conditions.push(condition);
        }
        pod
    }

    fn check(pods: Vec<(Pod, usize)>, expected: &[&str]) {
        let now = Timestamp::from_second(NOW).expect("in range");
        let ranked = |pods: Vec<(Pod, usize)>| -> Vec<Ranked> {
            pods.into_iter().map(|(pod, rank)| Ranked { pod: Arc::new(pod), rank }).collect()
        };
        for reversed in [false, true] {
            let mut sorted = ranked(pods.clone());
            if reversed {
                sorted.reverse();
            }
            sort_for_deletion(&mut sorted, now);
            let names: Vec<&str> = sorted.iter().map(|ranked| ranked.pod.metadata.name.as_str()).collect();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn the_least_useful_pod_goes_first() {
        let mut unassigned = pod("unassigned", 1000, Some(900));
        unassigned.spec.node_name.clear();
        let mut pending = pod("pending", 1000, None);
        pending.status.phase = "Pending".into();
        let mut cheap = pod("cheap", 1000, Some(900));
        cheap.metadata.annotations.insert(DELETION_COST.into(), "-5".into());
        let mut restarted = pod("restarted", 1000, Some(900));
        restarted.status.container_statuses =
            vec![ContainerStatus { restart_count: 3, ..ContainerStatus::default() }];
        check(
            vec![
                (pod("old", 9000, Some(8000)), 0),
                (restarted, 0),
                (pod("young", 1000, Some(20)), 0),
                (pod("doubled", 9000, Some(8000)), 2),
                (cheap, 0),
                (pod("unready", 9000, None), 0),
                (pending, 0),
                (unassigned, 0),
            ],
            &["unassigned", "pending", "unready", "cheap", "doubled", "young", "restarted", "old"],
        );
        // Ages of the same magnitude: the UID decides.
        check(vec![(pod("b", 9000, Some(1001)), 0), (pod("a", 9000, Some(1002)), 0)], &["a", "b"]);
    }

    #[test]
    fn availability_is_waited_for() {
        let now = Timestamp::from_second(NOW).expect("in range");
        let pods: Vec<_> = [pod("a", 100, Some(4)), pod("b", 100, Some(7)), pod("c", 100, None)]
            .into_iter()
            .map(Arc::new)
            .collect();
        assert_eq!(next_availability(&pods, 10, now), Some(std::time::Duration::from_secs(3)));
        assert_eq!(next_availability(&pods, 2, now), None);
    }

    #[test]
    fn any_number_of_pods_can_be_sorted() {
        // Times and UIDs in many combinations: the order must hold for all of them together.
        let pods: Vec<(Pod, usize)> = (0..500_i64)
            .map(|number| {
                let name = format!("{:03}", number * 7919 % 500);
                let ready = (number % 3 != 0).then_some(number * 31 % 97);
                (pod(&name, 100 + number * 17 % 61, ready), usize::try_from(number % 2).expect("small"))
            })
            .collect();
        let names = |pods: Vec<(Pod, usize)>| -> Vec<String> {
            let mut ranked: Vec<Ranked> =
                pods.into_iter().map(|(pod, rank)| Ranked { pod: Arc::new(pod), rank }).collect();
            sort_for_deletion(&mut ranked, Timestamp::from_second(NOW).expect("in range"));
            ranked.iter().map(|ranked| ranked.pod.metadata.name.clone()).collect()
        };
        let reversed = pods.iter().rev().cloned().collect();
        assert_eq!(names(pods), names(reversed));
    }

    #[test]
    fn prefixes_stay_valid() {
        assert_eq!(name_prefix("web"), "web-");
        let long = "a".repeat(300);
        assert_eq!(name_prefix(&long), long);
    }
}
