//! The conditions of a pod that the kubelet owns.

use api_types::core::v1::{Container, ContainerStatus, PodCondition, PodStatus};

use super::StatusInputs;
use crate::actions;
use crate::pod::{self, is_sidecar};
use crate::restart;

/// Conditions the kubelet alone writes.
pub const OWNED: [&str; 8] = [
    "PodScheduled",
    "Ready",
    "Initialized",
    "ContainersReady",
    "PodReadyToStartContainers",
    "PodResizePending",
    "PodResizeInProgress",
    "AllContainersRestarting",
];

/// The condition the kubelet shares with others.
pub const DISRUPTION_TARGET: &str = "DisruptionTarget";

/// All conditions: those of others, then the kubelet's, in upstream's order.
pub(super) fn all(inputs: StatusInputs<'_>, status: &PodStatus) -> Vec<PodCondition> {
    let StatusInputs { pod, old, .. } = inputs;
    let mut conditions: Vec<PodCondition> = pod
        .status
        .conditions
        .iter()
        .filter(|condition| !OWNED.contains(&condition.type_.as_str()))
        .cloned()
        .collect();
    if !inputs.terminal {
        conditions.extend(inputs.resize_conditions.iter().cloned());
    }
    // Set once by an eviction: carried, never made from containers.
    if let Some(disruption) = disruption(inputs)
        .or_else(|| old.conditions.iter().find(|condition| condition.type_ == DISRUPTION_TARGET).cloned())
    {
        conditions.retain(|condition| condition.type_ != DISRUPTION_TARGET);
        conditions.push(disruption);
    }
    let mut push = |condition: PodCondition| {
        conditions.push(PodCondition { observed_generation: pod.metadata.generation, ..condition });
    };
    push(ready_to_start(inputs));
    push(initialized(inputs, status));
    let containers_ready = containers_ready(inputs, status);
    push(ready(inputs, &containers_ready));
    push(containers_ready);
    push(condition("PodScheduled", true, "", String::new()));
    if pod.spec.init_containers.iter().chain(&pod.spec.containers).any(|container| {
        container.restart_policy_rules.iter().any(|rule| rule.action == "RestartAllContainers")
    }) {
        push(all_containers_restarting(inputs, status));
    }
    conditions
}

fn condition(type_: &str, holds: bool, reason: &str, message: String) -> PodCondition {
    PodCondition {
        type_: type_.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message,
        ..PodCondition::default()
    }
}

fn disruption(inputs: StatusInputs<'_>) -> Option<PodCondition> {
    let eviction = inputs.eviction.filter(|eviction| !eviction.disruption_reason.is_empty())?;
    Some(PodCondition {
        observed_generation: inputs.pod.metadata.generation,
        ..condition(DISRUPTION_TARGET, true, &eviction.disruption_reason, eviction.message.clone())
    })
}

fn ready_to_start(inputs: StatusInputs<'_>) -> PodCondition {
    let keeps_sandbox = actions::keeps_sandbox(inputs.pod, inputs.observed);
    condition("PodReadyToStartContainers", keeps_sandbox, "", String::new())
}

/// Go prints a list of names as `[a b]`.
fn names(list: &[&str]) -> String {
    format!("[{}]", list.join(" "))
}

fn find<'status>(status: &'status PodStatus, container: &Container) -> Option<&'status ContainerStatus> {
    status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .find(|known| known.name == container.name)
}

fn unready_message(unknown: &[&str], unready: &[&str], word: &str) -> String {
    let mut parts = Vec::new();
    if !unknown.is_empty() {
        parts.push(format!("containers with unknown status: {}", names(unknown)));
    }
    if !unready.is_empty() {
        parts.push(format!("containers with {word} status: {}", names(unready)));
    }
    parts.join(", ")
}

fn initialized(inputs: StatusInputs<'_>, status: &PodStatus) -> PodCondition {
    let make = |holds, reason, message| condition("Initialized", holds, reason, message);
    let mut unknown = Vec::new();
    let mut incomplete = Vec::new();
    for container in &inputs.pod.spec.init_containers {
        match find(status, container) {
            None => unknown.push(container.name.as_str()),
            Some(known) => {
                let done = if is_sidecar(container) { known.started == Some(true) } else { known.ready };
                if !done {
                    incomplete.push(container.name.as_str());
                }
            }
        }
    }
    if status.phase == "Succeeded" && unknown.is_empty() {
        return make(true, "PodCompleted", String::new());
    }
    let any_started = status
        .container_statuses
        .iter()
        .any(|known| known.state.running.is_some() || known.state.terminated.is_some());
    let message = unready_message(&unknown, &incomplete, "incomplete");
    // Once initialized, a pod stays so, even while its sidecars or all its containers restart.
    let was = pod::condition_status(inputs.old, "Initialized") == Some("True");
    if any_started || message.is_empty() || was {
        return make(true, "", String::new());
    }
    make(false, "ContainersNotInitialized", message)
}

fn containers_ready(inputs: StatusInputs<'_>, status: &PodStatus) -> PodCondition {
    let make = |holds, reason, message| condition("ContainersReady", holds, reason, message);
    let spec = &inputs.pod.spec;
    let mut unknown = Vec::new();
    let mut unready = Vec::new();
    for container in spec.init_containers.iter().filter(|init| is_sidecar(init)).chain(&spec.containers) {
        match find(status, container) {
            None => unknown.push(container.name.as_str()),
            Some(known) if !known.ready => unready.push(container.name.as_str()),
            Some(_) => {}
        }
    }
    if status.phase == "Succeeded" && unknown.is_empty() {
        return make(false, "PodCompleted", String::new());
    }
    if status.phase == "Failed" {
        return make(false, "PodFailed", String::new());
    }
    let message = unready_message(&unknown, &unready, "unready");
    if message.is_empty() { make(true, "", message) } else { make(false, "ContainersNotReady", message) }
}

fn ready(inputs: StatusInputs<'_>, containers_ready: &PodCondition) -> PodCondition {
    if containers_ready.status != "True" {
        return PodCondition { type_: "Ready".to_owned(), ..containers_ready.clone() };
    }
    let messages: Vec<String> = inputs
        .pod
        .spec
        .readiness_gates
        .iter()
        .filter_map(|gate| {
            let type_ = gate.condition_type.as_str();
            match pod::condition_status(&inputs.pod.status, type_) {
                None => {
                    Some(format!("corresponding condition of pod readiness gate {type_:?} does not exist."))
                }
                Some("True") => None,
                Some(other) => {
                    Some(format!("the status of pod readiness gate {type_:?} is not \"True\", but {other}"))
                }
            }
        })
        .collect();
    if messages.is_empty() {
        condition("Ready", true, "", String::new())
    } else {
        condition("Ready", false, "ReadinessGatesNotReady", messages.join(", "))
    }
}

fn all_containers_restarting(inputs: StatusInputs<'_>, status: &PodStatus) -> PodCondition {
    let make = |holds, reason, message: &str| {
        condition("AllContainersRestarting", holds, reason, message.to_owned())
    };
    match status.phase.as_str() {
        "Succeeded" => return make(false, "PodCompleted", ""),
        "Failed" => return make(false, "PodFailed", ""),
        _ => {}
    }
    let spec = &inputs.pod.spec;
    let cleaned_up = spec
        .init_containers
        .iter()
        .chain(&spec.containers)
        .all(|container| inputs.observed.container(&container.name).is_none());
    if cleaned_up || !restart::all_containers_restart(inputs.pod, inputs.observed) {
        return make(false, "", "");
    }
    make(true, "RestartAllContainersStarted", "container exited with restart policy rule")
}
