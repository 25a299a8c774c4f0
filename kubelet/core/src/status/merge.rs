//! Joining the kubelet's new status of a pod with what the API has: transition times, final phases, and the patch.

use api_types::core::v1::{
    ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodCondition, PodStatus,
};
use jiff::Timestamp;
use machinery::meta::v1::ObjectMeta;
use machinery::{Message, Time};
use serde_json::{Map, Value, json};

use super::api_time;
use super::conditions::{DISRUPTION_TARGET, OWNED};
use super::containers::STATUS_UNKNOWN;
use crate::pod::{self, is_sidecar, is_static};

/// Bytes of termination messages a whole pod may carry.
const MAX_POD_MESSAGE_BYTES: usize = 12 * 1024;

/// Makes a generated status the kubelet's own: transition times kept while a condition keeps its status, start time,
/// whole seconds, messages cut. `old` is the status this kubelet held before.
pub fn finish(pod: &Pod, old: &PodStatus, mut status: PodStatus, now: Timestamp) -> PodStatus {
    for condition in &mut status.conditions {
        if !OWNED.contains(&condition.type_.as_str()) && condition.type_ != DISRUPTION_TARGET {
            continue;
        }
        let before = old.conditions.iter().find(|before| before.type_ == condition.type_);
        condition.last_transition_time = match before {
            Some(before) if before.status == condition.status && !before.last_transition_time.is_zero() => {
                before.last_transition_time
            }
            _ => api_time(now),
        };
    }
    if status.start_time.is_none_or(|time| time.is_zero()) {
        status.start_time = old.start_time.filter(|time| !time.is_zero()).or(Some(api_time(now)));
    }
    normalize(pod, &mut status);
    status
}

/// Whole seconds in every time, and termination messages within the pod's share.
fn normalize(pod: &Pod, status: &mut PodStatus) {
    let spec = &pod.spec;
    let containers = spec.containers.len() + spec.init_containers.len() + spec.ephemeral_containers.len();
    let limit = MAX_POD_MESSAGE_BYTES / containers.max(1);
    let whole = |time: &mut Time| time.nanos = 0;
    if let Some(time) = &mut status.start_time {
        whole(time);
    }
    for condition in &mut status.conditions {
        whole(&mut condition.last_probe_time);
        whole(&mut condition.last_transition_time);
    }
    let states = status
        .container_statuses
        .iter_mut()
        .chain(&mut status.init_container_statuses)
        .chain(&mut status.ephemeral_container_statuses)
        .flat_map(|container| [&mut container.state, &mut container.last_state]);
    for state in states {
        if let Some(running) = &mut state.running {
            whole(&mut running.started_at);
        }
        if let Some(terminated) = &mut state.terminated {
            whole(&mut terminated.started_at);
            whole(&mut terminated.finished_at);
            if terminated.message.len() > limit {
                let end = (0..=limit).rev().find(|at| terminated.message.is_char_boundary(*at)).unwrap_or(0);
                terminated.message.truncate(end);
            }
        }
    }
}

/// The status of a pod that runs nothing any more and never will: every container has ended, the phase is final.
pub fn terminated(pod: &Pod, status: &PodStatus) -> PodStatus {
    let mut status = status.clone();
    let ended = || ContainerState {
        terminated: Some(Box::new(ContainerStateTerminated {
            reason: STATUS_UNKNOWN.to_owned(),
            message: "The container could not be located when the pod was terminated".to_owned(),
            exit_code: 137,
            ..ContainerStateTerminated::default()
        })),
        ..ContainerState::default()
    };
    if has_initialized(pod, &status) {
        for container in &mut status.container_statuses {
            if container.state.terminated.is_none() {
                container.state = ended();
            }
        }
    }
    // Init containers after the last one that shows any sign of a start never ran.
    let started = |container: &ContainerStatus| {
        container.restart_count > 0
            || container.state.terminated.is_some()
            || container.state.running.is_some()
            || container.last_state.terminated.is_some()
    };
    let reached = status.init_container_statuses.iter().rposition(started).map_or(0, |last| last + 1);
    for container in status.init_container_statuses.iter_mut().take(reached) {
        if container.state.terminated.is_none() {
            container.state = ended();
        }
    }
    for container in status.container_statuses.iter_mut().chain(&mut status.init_container_statuses) {
        let completed = container.state.terminated.as_ref().is_some_and(|state| state.exit_code == 0);
        container.started = Some(false);
        container.ready = container.ready && completed;
    }
    if !is_static(pod) && !pod::is_terminal_phase(&status.phase) {
        status.phase = "Failed".to_owned();
    }
    if pod::is_terminal_phase(&status.phase) {
        unready(&mut status);
    }
    status
}

/// Whether a newer form of a pod differs only in what the kubelet itself writes: its own status come back.
pub fn is_echo(known: &Pod, newer: &Pod) -> bool {
    let same_metadata = || {
        let [known, newer] = [known, newer].map(|pod| ObjectMeta {
            resource_version: String::new(),
            managed_fields: Vec::new(),
            ..pod.metadata.clone()
        });
        known == newer
    };
    known.spec == newer.spec && of_others(&known.status).eq(&of_others(&newer.status)) && same_metadata()
}

/// What others write in a status and the kubelet reads.
fn of_others(status: &PodStatus) -> impl PartialEq + '_ {
    let conditions: Vec<&PodCondition> =
        status.conditions.iter().filter(|condition| !OWNED.contains(&condition.type_.as_str())).collect();
    (conditions, &status.nominated_node_name, &status.resize, &status.resource_claim_statuses)
}

/// Whether the pod's regular containers ever had their turn.
fn has_initialized(pod: &Pod, status: &PodStatus) -> bool {
    if pod.spec.init_containers.is_empty() {
        return true;
    }
    let any_started = status.container_statuses.iter().any(|container| {
        container.restart_count > 0
            || container.last_state.terminated.is_some()
            || container.state.waiting.is_none()
    });
    if any_started {
        return true;
    }
    pod.spec.init_containers.iter().zip(&status.init_container_statuses).next_back().is_some_and(
        |(container, last)| {
            if is_sidecar(container) {
                last.started == Some(true)
            } else {
                last.state.terminated.as_ref().is_some_and(|state| state.exit_code == 0)
            }
        },
    )
}

/// A pod in a final phase is not ready, whatever probes said last.
fn unready(status: &mut PodStatus) {
    let reason = if status.phase == "Failed" { "PodFailed" } else { "PodCompleted" };
    let at = status
        .conditions
        .iter()
        .map(|condition| condition.last_transition_time)
        .max_by_key(|time| time.seconds);
    for condition in &mut status.conditions {
        if matches!(condition.type_.as_str(), "Ready" | "ContainersReady") && condition.status == "True" {
            condition.status = "False".to_owned();
            condition.reason = reason.to_owned();
            condition.message = String::new();
            condition.last_transition_time = at.unwrap_or_default();
        }
    }
}

/// What to send: the kubelet's status over the API's. Conditions of others stay as the API has them. While containers
/// may still run, a final phase is held back, and with it the `DisruptionTarget` condition: what others do at the end of
/// a pod must not happen before it.
pub fn with_api_status(api: &PodStatus, ours: &PodStatus, may_run: bool, now: Timestamp) -> PodStatus {
    let mut status = ours.clone();
    let ends = !pod::is_terminal_phase(&api.phase) && pod::is_terminal_phase(&ours.phase);
    let mut conditions: Vec<_> =
        api.conditions.iter().filter(|known| !OWNED.contains(&known.type_.as_str())).cloned().collect();
    for condition in &ours.conditions {
        if OWNED.contains(&condition.type_.as_str()) {
            conditions.push(condition.clone());
        } else if condition.type_ == DISRUPTION_TARGET && ends && !may_run {
            let mut condition = condition.clone();
            condition.last_transition_time = api_time(now);
            conditions.retain(|known| known.type_ != DISRUPTION_TARGET);
            conditions.push(condition);
        }
    }
    status.conditions = conditions;
    status.resource_claim_statuses = api.resource_claim_statuses.clone();
    status.extended_resource_claim_status = api.extended_resource_claim_status.clone();
    status.node_allocatable_resource_claim_statuses = api.node_allocatable_resource_claim_statuses.clone();
    if ends && may_run {
        status.phase = api.phase.clone();
        status.reason = api.reason.clone();
        status.message = api.message.clone();
    }
    if pod::is_terminal_phase(&status.phase) {
        unready(&mut status);
    }
    status
}

/// The strategic merge patch that turns the API's status into this one; `None` when there is nothing to change. The uid
/// in it makes the API refuse the patch for a pod of the same name that came later.
pub fn patch(uid: &str, api: &PodStatus, status: &PodStatus) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (api.to_value(), status.to_value()) else {
        return None;
    };
    let mut changes = Map::new();
    for (key, value) in &after {
        if before.get(key) == Some(value) {
            continue;
        }
        let change = match key.as_str() {
            "conditions" => condition_changes(before.get(key), value),
            // These lists merge by address: without the directive an old address would stay.
            "podIPs" | "hostIPs" => match value {
                Value::Array(items) => {
                    let mut list = items.clone();
                    if before.contains_key(key) {
                        list.push(json!({"$patch": "replace"}));
                    }
                    Value::Array(list)
                }
                other => other.clone(),
            },
            _ => value.clone(),
        };
        // The same conditions in another order: the API keeps its own.
        if key == "conditions" && change == json!([]) {
            continue;
        }
        changes.insert(key.clone(), change);
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        changes.insert(key.clone(), Value::Null);
    }
    (!changes.is_empty()).then(|| json!({"metadata": {"uid": uid}, "status": changes}))
}

/// Changed and new conditions, and a directive for each one that went. Fields that went become null, because elements
/// merge by type.
fn condition_changes(before: Option<&Value>, after: &Value) -> Value {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let (before, after) = (list(before), list(Some(after)));
    let same_type = |a: &Value, b: &Value| a.get("type") == b.get("type");
    let mut changes: Vec<Value> = Vec::new();
    for condition in &after {
        let known = before.iter().find(|known| same_type(known, condition));
        if known == Some(condition) {
            continue;
        }
        let mut change = condition.clone();
        if let (Some(Value::Object(known)), Some(fields)) = (known, change.as_object_mut()) {
            for key in known.keys() {
                fields.entry(key.clone()).or_insert(Value::Null);
            }
        }
        changes.push(change);
    }
    for condition in &before {
        if !after.iter().any(|kept| same_type(kept, condition)) {
            changes.push(json!({"$patch": "delete", "type": condition.get("type")}));
        }
    }
    Value::Array(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(types: [&str; 2]) -> PodStatus {
        let condition = |name: &str| PodCondition {
            type_: name.to_owned(),
            status: "True".to_owned(),
            ..PodCondition::default()
        };
        PodStatus { conditions: types.map(condition).into(), ..PodStatus::default() }
    }

    #[test]
    fn the_order_of_conditions_is_the_apis() {
        // As after an eviction: a condition of others among the kubelet's own.
        let api = status(["Initialized", DISRUPTION_TARGET]);
        assert_eq!(patch("1", &api, &status([DISRUPTION_TARGET, "Initialized"])), None);
        let changed = patch("1", &api, &status([DISRUPTION_TARGET, "Ready"])).expect("a change");
        assert_eq!(changed["status"]["conditions"].as_array().map(Vec::len), Some(2), "{changed}");
    }
}
