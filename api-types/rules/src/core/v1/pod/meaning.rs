//! Conditions and phases of a pod as its readers understand them.
//!
//! Source: `pkg/api/v1/pod/util.go`.

use api_types::core::v1::{Container, ContainerStatus, Pod, PodCondition, PodStatus};
use machinery::Time;

/// The condition of a type.
pub fn condition<'a>(status: &'a PodStatus, type_: &str) -> Option<&'a PodCondition> {
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

/// True when the pod is ready for traffic.
pub fn is_ready(pod: &Pod) -> bool {
    condition(&pod.status, "Ready").is_some_and(|condition| condition.status == "True")
}

/// When the pod became ready, if it is.
pub fn ready_since(pod: &Pod) -> Option<Time> {
    condition(&pod.status, "Ready")
        .filter(|condition| condition.status == "True")
        .map(|condition| condition.last_transition_time)
}

/// True when the pod has been ready for at least `min_ready_seconds`.
pub fn is_available(pod: &Pod, min_ready_seconds: i32, now: jiff::Timestamp) -> bool {
    match ready_since(pod) {
        None => false,
        Some(since) => {
            min_ready_seconds == 0
                || !since.is_zero() && since.seconds + i64::from(min_ready_seconds) <= now.as_second()
        }
    }
}

/// True when all containers ended and none will start again.
pub fn is_terminal(pod: &Pod) -> bool {
    matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

/// True when the pod is neither ended nor being deleted.
pub fn is_active(pod: &Pod) -> bool {
    !is_terminal(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// Adds or replaces a condition; the transition time moves only when the status changes. True when anything changed.
pub fn set_condition(status: &mut PodStatus, mut condition: PodCondition, now: jiff::Timestamp) -> bool {
    condition.last_transition_time = Time::from(now);
    match status.conditions.iter_mut().find(|present| present.type_ == condition.type_) {
        None => {
            status.conditions.push(condition);
            true
        }
        Some(present) => {
            if present.status == condition.status {
                condition.last_transition_time = present.last_transition_time;
            }
            let changed = *present != condition;
            *present = condition;
            changed
        }
    }
}

/// Every container that may hold volumes, environment or ports: init, main, ephemeral, with the field it stands in.
pub fn each_container<'a>(pod: &'a Pod, mut visit: impl FnMut(&'static str, &'a str)) {
    for container in &pod.spec.init_containers {
        visit("initContainers", &container.name);
    }
    for container in &pod.spec.containers {
        visit("containers", &container.name);
    }
    for container in &pod.spec.ephemeral_containers {
        visit("ephemeralContainers", &container.ephemeral_container_common.name);
    }
}

/// The status of the container called `name` in any of the three lists.
pub fn container_status<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let status = &pod.status;
    status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .chain(&status.ephemeral_container_statuses)
        .find(|status| status.name == name)
}

/// The container called `name`, ephemeral ones excepted.
pub fn container<'a>(pod: &'a Pod, name: &str) -> Option<&'a Container> {
    pod.spec.init_containers.iter().chain(&pod.spec.containers).find(|container| container.name == name)
}

/// True for the mirror of a static pod.
pub fn is_mirror(pod: &Pod) -> bool {
    pod.metadata.annotations.contains_key("kubernetes.io/config.mirror")
}

/// True for pods no one may preempt: static, mirrored or of a system priority.
pub fn is_critical(pod: &Pod) -> bool {
    let source = pod.metadata.annotations.get("kubernetes.io/config.source").map(String::as_str);
    source.is_some_and(|source| source != "api")
        || is_mirror(pod)
        || pod.spec.priority.is_some_and(|priority| priority >= 2_000_000_000)
}

/// True when the pod shares the node's network.
pub fn host_network(pod: &Pod) -> bool {
    pod.spec.host_network
}
