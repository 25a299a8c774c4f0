//! What to do next with one pod: from its spec, what the runtime shows and the time, to an ordered list of actions.
//!
//! [`plan`] is a plain function. The worker carries the list out in order, looks again, and plans again; a plan made
//! from the outcome of its own actions is empty.

mod init;
mod resize;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use api_types::core::v1::{Container, Pod};
use hashbrown::HashMap;
use jiff::Timestamp;

pub use self::resize::{ResourceAmounts, amounts_of, is_resizable};
use crate::backoff::BackOff;
use crate::observed::{self, ObservedPod};
use crate::pod::{self, ContainerKind};
use crate::ports::{ContainerState, ContainerStatus, SandboxState, SandboxStatus};
use crate::restart;
use crate::termination::KillReason;

/// What a probe currently says of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Success,
    Failure,
}

/// The verdicts of a pod's probes, by container id. A probe that has not run yet has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdicts {
    pub liveness: HashMap<String, Verdict>,
    pub readiness: HashMap<String, Verdict>,
    pub startup: HashMap<String, Verdict>,
}

/// Everything a plan depends on.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The pod with the resources allocated to it.
    pub pod: &'a Pod,
    pub observed: &'a ObservedPod,
    pub verdicts: &'a Verdicts,
    pub back_off: &'a BackOff,
    /// The resources last applied to each running container, by name.
    pub actuated: &'a BTreeMap<String, ResourceAmounts>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Stop every container, then every sandbox. `recreate`: a new sandbox follows.
    KillPod { recreate: bool },
    /// Remove every init container: initialization starts over in the new sandbox.
    RemoveInitContainers,
    /// Stop one container. The message is that of its `Killing` event.
    KillContainer { id: String, name: String, message: String, reason: KillReason },
    /// Stop (without grace, if it runs) and remove a container, because all containers start over.
    ResetContainer { id: String, name: String, running: bool },
    /// Make a sandbox. `replaces`: there was one before, which users are told.
    CreateSandbox { attempt: u32, replaces: bool },
    /// Make and start a container. `ended` is when its predecessor ended, which starts or doubles its back-off.
    StartContainer { kind: ContainerKind, index: usize, name: String, ended: Option<Timestamp> },
    /// Leave a container down until its back-off is over.
    WaitForBackOff { kind: ContainerKind, index: usize, name: String, wait: Duration, until: Timestamp },
    /// Change the limits of a running container.
    ResizeContainer { id: String, name: String, kind: ContainerKind, index: usize, to: ResourceAmounts },
}

/// An ordered list of actions, and when to look again though nothing happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub actions: Vec<Action>,
    pub wake_at: Option<Timestamp>,
}

/// The decisions before they are put in order.
#[derive(Debug, Default)]
struct Changes {
    kill_pod: bool,
    to_kill: Vec<Kill>,
    init_to_start: Vec<usize>,
    to_start: Vec<usize>,
    ephemeral_to_start: Vec<usize>,
    to_resize: Vec<Action>,
}

#[derive(Debug)]
struct Kill {
    id: String,
    name: String,
    message: String,
    reason: KillReason,
}

/// The key of a container in the crash-loop back-off. It begins with the pod's uid, and changes with the definition, so
/// that a corrected image starts at once.
pub fn back_off_key(pod: &Pod, container: &Container) -> String {
    format!("{}_{}_{:x}", pod.metadata.uid, container.name, pod::container_hash(container))
}

/// Decides what to do next with a pod that is to run.
pub fn plan(inputs: Inputs<'_>, now: Timestamp) -> Plan {
    let Inputs { pod, observed, .. } = inputs;
    let sandbox = sandbox_decision(pod, observed);

    if restart::all_containers_restart(pod, observed) {
        return Plan { actions: resets(pod, observed), wake_at: None };
    }

    let mut plan = Plan::default();
    let mut changes = Changes::default();
    match sandbox {
        SandboxDecision::Keep => {
            ephemeral_containers(pod, observed, &mut changes);
            let initialized = init::decide(inputs, &mut changes);
            if initialized && !changes.kill_pod {
                regular_containers(inputs, &mut changes);
            }
            if changes.kill_pod {
                if !observed.is_stopped() {
                    plan.actions.push(Action::KillPod { recreate: false });
                }
                return plan;
            }
        }
        SandboxDecision::Replace { attempt, replaces } => {
            let Some(start) = containers_for_new_sandbox(pod, observed, attempt) else {
                if !observed.is_stopped() {
                    plan.actions.push(Action::KillPod { recreate: false });
                }
                return plan;
            };
            if !observed.sandboxes.is_empty() {
                plan.actions.push(Action::KillPod { recreate: true });
            }
            let names: Vec<&str> = pod.spec.init_containers.iter().map(|init| init.name.as_str()).collect();
            if observed.containers.iter().any(|container| names.contains(&container.name.as_str())) {
                plan.actions.push(Action::RemoveInitContainers);
            }
            plan.actions.push(Action::CreateSandbox { attempt, replaces });
            if pod.spec.init_containers.is_empty() {
                changes.to_start = start;
            } else {
                changes.init_to_start = vec![0];
            }
        }
    }

    for kill in changes.to_kill {
        let Kill { id, name, message, reason } = kill;
        plan.actions.push(Action::KillContainer { id, name, message, reason });
    }
    for index in changes.ephemeral_to_start {
        push_start(&mut plan, inputs, ContainerKind::Ephemeral, index, now);
    }
    for index in changes.init_to_start {
        let started = push_start(&mut plan, inputs, ContainerKind::Init, index, now);
        let sidecar = pod.spec.init_containers.get(index).is_some_and(pod::is_sidecar);
        if !started && !sidecar {
            // Nothing after an init container starts before it.
            return plan;
        }
    }
    plan.actions.append(&mut changes.to_resize);
    for index in changes.to_start {
        push_start(&mut plan, inputs, ContainerKind::Regular, index, now);
    }
    plan
}

/// Adds the start of a container, or its wait. Returns whether it starts.
fn push_start(
    plan: &mut Plan,
    inputs: Inputs<'_>,
    kind: ContainerKind,
    index: usize,
    now: Timestamp,
) -> bool {
    let Some(container) = pod::container_at(inputs.pod, kind, index) else { return false };
    let name = container.name.clone();
    let ended = inputs.observed.exited_container(&name).map(|status| status.finished_at.unwrap_or(now));
    if let Some(ended) = ended {
        let key = back_off_key(inputs.pod, &container);
        if let Some(until) = inputs.back_off.waits_since(&key, ended, now) {
            let wait = inputs.back_off.wait(&key);
            plan.actions.push(Action::WaitForBackOff { kind, index, name, wait, until });
            plan.wake_at = Some(plan.wake_at.map_or(until, |earlier| earlier.min(until)));
            return false;
        }
    }
    plan.actions.push(Action::StartContainer { kind, index, name, ended });
    true
}

/// Whether the pod's sandbox stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SandboxDecision {
    Keep,
    Replace { attempt: u32, replaces: bool },
}

/// Upstream's `PodSandboxChanged`: no sandbox, several ready ones, none ready, another network, or no address.
fn sandbox_decision(pod: &Pod, observed: &ObservedPod) -> SandboxDecision {
    let Some(newest) = observed.sandbox() else {
        return SandboxDecision::Replace { attempt: 0, replaces: false };
    };
    let is_ready = |sandbox: &&SandboxStatus| sandbox.summary.state == SandboxState::Ready;
    let attempt = newest.summary.attempt.saturating_add(1);
    let host_network = pod::uses_host_network(pod);
    if observed.sandboxes.iter().filter(is_ready).count() > 1 || !is_ready(&newest) {
        SandboxDecision::Replace { attempt, replaces: true }
    } else if newest.host_network != host_network {
        SandboxDecision::Replace { attempt, replaces: false }
    } else if !host_network && newest.ips.is_empty() {
        SandboxDecision::Replace { attempt, replaces: true }
    } else {
        SandboxDecision::Keep
    }
}

/// Whether the pod has the sandbox it needs.
pub fn keeps_sandbox(pod: &Pod, observed: &ObservedPod) -> bool {
    sandbox_decision(pod, observed) == SandboxDecision::Keep
}

/// The attempt number of the sandbox the pod has or will have after the plan.
pub fn sandbox_attempt(pod: &Pod, observed: &ObservedPod) -> u32 {
    match sandbox_decision(pod, observed) {
        SandboxDecision::Keep => observed.sandbox().map_or(0, |sandbox| sandbox.summary.attempt),
        SandboxDecision::Replace { attempt, .. } => attempt,
    }
}

/// The regular containers a new sandbox starts with. `None`: the pod is done and gets no new sandbox.
fn containers_for_new_sandbox(pod: &Pod, observed: &ObservedPod, attempt: u32) -> Option<Vec<usize>> {
    let restarts = pod.spec.restart_policy != "Never"
        || pod.spec.containers.iter().any(|container| restart::is_restartable(container, "Never"));
    if !restarts && attempt != 0 && !observed.containers.is_empty() {
        return None;
    }
    let start: Vec<usize> = pod
        .spec
        .containers
        .iter()
        .enumerate()
        .filter(|(_, container)| match observed.container(&container.name) {
            // What ran in the old sandbox ended with it; only an end of its own accord may be final.
            Some(status) if status.state == ContainerState::Exited => {
                restart::restarts_after_exit(container, &pod.spec.restart_policy, status.exit_code)
            }
            _ => true,
        })
        .map(|(index, _)| index)
        .collect();
    let any_created = pod.spec.containers.iter().any(|container| {
        observed.container(&container.name).is_some_and(|status| status.state != ContainerState::Unknown)
    });
    (!start.is_empty() || !any_created).then_some(start)
}

/// Ephemeral containers start once, even before initialization is over, and never again.
fn ephemeral_containers(pod: &Pod, observed: &ObservedPod, changes: &mut Changes) {
    for (index, container) in pod.spec.ephemeral_containers.iter().enumerate() {
        if observed.container(&container.ephemeral_container_common.name).is_none() {
            changes.ephemeral_to_start.push(index);
        }
    }
}

fn regular_containers(inputs: Inputs<'_>, changes: &mut Changes) {
    let Inputs { pod, observed, verdicts, .. } = inputs;
    let mut kept = 0;
    for (index, container) in pod.spec.containers.iter().enumerate() {
        let status = match observed.container(&container.name) {
            Some(status) if status.state == ContainerState::Running => status,
            other => {
                if restart::should_start(container, pod, observed) {
                    changes.to_start.push(index);
                    if let Some(status) = other.filter(|status| status.state == ContainerState::Unknown) {
                        changes.to_kill.push(unknown_state_kill(status, "Container"));
                    }
                }
                continue;
            }
        };
        let mut restart = restart::restarts_after_kill(container, &pod.spec.restart_policy);
        let (mut message, reason) = if definition_changed(container, status) {
            restart = true;
            (format!("Container {} definition changed", container.name), KillReason::Other)
        } else if verdicts.liveness.get(&status.id) == Some(&Verdict::Failure) {
            (format!("Container {} failed liveness probe", container.name), KillReason::LivenessProbe)
        } else if verdicts.startup.get(&status.id) == Some(&Verdict::Failure) {
            (format!("Container {} failed startup probe", container.name), KillReason::StartupProbe)
        } else {
            if resize::decide(inputs, ContainerKind::Regular, index, container, status, changes) {
                kept += 1;
            }
            continue;
        };
        if restart {
            message.push_str(", will be restarted");
            changes.to_start.push(index);
        }
        changes.to_kill.push(Kill { id: status.id.clone(), name: status.name.clone(), message, reason });
    }
    if kept == 0 && changes.to_start.is_empty() {
        changes.kill_pod = true;
        changes.init_to_start.clear();
    }
}

/// Whether a running container was made from another definition. One made without a recorded hash is left alone.
fn definition_changed(container: &Container, status: &ContainerStatus) -> bool {
    observed::definition_hash(status).is_some_and(|hash| hash != pod::container_hash(container))
}

/// A container whose state the runtime does not know may run: it is killed before a second one starts.
fn unknown_state_kill(status: &ContainerStatus, what: &str) -> Kill {
    Kill {
        id: status.id.clone(),
        name: status.name.clone(),
        message: format!(
            "{what} is in {:?} state, try killing it before restart",
            observed::state_name(status.state)
        ),
        reason: KillReason::Other,
    }
}

/// All containers go, those whose end asked for it last, so that a crash in between repeats the restart.
fn resets(pod: &Pod, observed: &ObservedPod) -> Vec<Action> {
    let specs = || pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let asked_for_it = |container: &Container, status: &ContainerStatus| {
        status.state == ContainerState::Exited
            && restart::matching_rule(container, status.exit_code)
                .is_some_and(|rule| rule.action == "RestartAllContainers")
    };
    let mut targets = Vec::new();
    let mut sources = Vec::new();
    for container in specs() {
        for status in observed.containers.iter().filter(|status| status.name == container.name) {
            let action = Action::ResetContainer {
                id: status.id.clone(),
                name: status.name.clone(),
                running: status.state != ContainerState::Exited,
            };
            if asked_for_it(container, status) { sources.push(action) } else { targets.push(action) }
        }
    }
    targets.append(&mut sources);
    targets
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::KillPod { recreate: true } => write!(formatter, "kill pod to recreate it"),
            Action::KillPod { recreate: false } => write!(formatter, "kill pod"),
            Action::RemoveInitContainers => write!(formatter, "remove init containers"),
            Action::KillContainer { name, message, .. } => write!(formatter, "kill {name} ({message})"),
            Action::ResetContainer { name, running: true, .. } => write!(formatter, "kill and remove {name}"),
            Action::ResetContainer { name, .. } => write!(formatter, "remove {name}"),
            Action::CreateSandbox { attempt, .. } => write!(formatter, "create sandbox {attempt}"),
            Action::StartContainer { name, .. } => write!(formatter, "start {name}"),
            Action::WaitForBackOff { name, wait, .. } => {
                write!(formatter, "wait {}s for {name}", wait.as_secs())
            }
            Action::ResizeContainer { name, to, .. } => write!(formatter, "resize {name} to {to}"),
        }
    }
}
