//! The statuses of a pod's containers.

use std::collections::BTreeMap;

use api_types::core::v1::{
    Container, ContainerState as ApiState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus as ApiStatus, ContainerUser as ApiUser, LinuxContainerUser,
    PodStatus, ResourceRequirements, VolumeMountStatus,
};
use machinery::Quantity;

use super::{StatusInputs, any_regular_container_created, api_time_or_zero};
use crate::actions::{ResourceAmounts, Verdict};
use crate::observed;
use crate::pod::{self, ContainerKind, is_sidecar};
use crate::ports::{ContainerState, ContainerStatus};
use crate::restart;

/// Reason of a container removed because all containers of its pod start over.
pub const RESTARTING_ALL_CONTAINERS: &str = "RestartingAllContainers";
/// Reason of a container that ended without the kubelet seeing it.
pub const STATUS_UNKNOWN: &str = "ContainerStatusUnknown";

/// Statuses of the regular containers, by name.
pub(super) fn regular(inputs: StatusInputs<'_>) -> Vec<ApiStatus> {
    let containers: Vec<&Container> = inputs.pod.spec.containers.iter().collect();
    sorted_by_name(statuses(inputs, &containers, ContainerKind::Regular, &inputs.old.container_statuses))
}

/// Statuses of the init containers, in the order of the spec.
pub(super) fn init(inputs: StatusInputs<'_>) -> Vec<ApiStatus> {
    let containers: Vec<&Container> = inputs.pod.spec.init_containers.iter().collect();
    statuses(inputs, &containers, ContainerKind::Init, &inputs.old.init_container_statuses)
}

/// Statuses of the ephemeral containers, by name.
pub(super) fn ephemeral(inputs: StatusInputs<'_>) -> Vec<ApiStatus> {
    let owned: Vec<Container> =
        inputs.pod.spec.ephemeral_containers.iter().map(pod::ephemeral_as_container).collect();
    let containers: Vec<&Container> = owned.iter().collect();
    sorted_by_name(statuses(
        inputs,
        &containers,
        ContainerKind::Ephemeral,
        &inputs.old.ephemeral_container_statuses,
    ))
}

fn sorted_by_name(mut statuses: Vec<ApiStatus>) -> Vec<ApiStatus> {
    statuses.sort_by(|a, b| a.name.cmp(&b.name));
    statuses
}

fn statuses(
    inputs: StatusInputs<'_>,
    containers: &[&Container],
    kind: ContainerKind,
    old: &[ApiStatus],
) -> Vec<ApiStatus> {
    let restarting = restart::all_containers_restart(inputs.pod, inputs.observed);
    containers
        .iter()
        .map(|container| {
            let old = old.iter().find(|status| status.name == container.name);
            let observed: Vec<&ContainerStatus> =
                inputs.observed.containers.iter().filter(|status| status.name == container.name).collect();
            let mut status = match observed.first() {
                None => missing(inputs, container, old, restarting),
                Some(newest) => {
                    let mut status = present(inputs, container, newest, old, restarting);
                    if let Some(previous) = observed.get(1) {
                        status.last_state = present(inputs, container, previous, old, restarting).state;
                    }
                    status
                }
            };
            wait_for_start(inputs, container, kind, &mut status);
            status
        })
        .collect()
}

/// The reason a container that was never created waits with.
fn default_waiting(inputs: StatusInputs<'_>) -> &'static str {
    if inputs.pod.spec.init_containers.is_empty() { "ContainerCreating" } else { "PodInitializing" }
}

fn waiting(reason: &str, message: &str) -> ApiState {
    ApiState {
        waiting: Some(Box::new(ContainerStateWaiting {
            reason: reason.to_owned(),
            message: message.to_owned(),
        })),
        ..ApiState::default()
    }
}

fn terminated(reason: &str, message: &str, exit_code: i32) -> ApiState {
    ApiState {
        terminated: Some(Box::new(ContainerStateTerminated {
            reason: reason.to_owned(),
            message: message.to_owned(),
            exit_code,
            ..ContainerStateTerminated::default()
        })),
        ..ApiState::default()
    }
}

/// A container the runtime does not know: not created yet, or gone.
fn missing(
    inputs: StatusInputs<'_>,
    container: &Container,
    old: Option<&ApiStatus>,
    restarting: bool,
) -> ApiStatus {
    let mut status = ApiStatus {
        name: container.name.clone(),
        image: container.image.clone(),
        state: waiting(default_waiting(inputs), ""),
        volume_mounts: volume_mounts(inputs, container),
        ..ApiStatus::default()
    };
    let Some(old) = old else { return status };
    if restarting && old.state.waiting.is_none() {
        let message = "The container is removed because RestartAllContainers in place";
        status.state = waiting(RESTARTING_ALL_CONTAINERS, message);
        status.last_state = terminated(RESTARTING_ALL_CONTAINERS, message, 137);
        status.restart_count = old.restart_count + 1;
        return status;
    }
    if old.state.terminated.is_some() {
        return old.clone();
    }
    status.restart_count = old.restart_count;
    status.last_state = old.last_state.clone();
    if old.state.running.is_some() && status.last_state.terminated.is_none() {
        // It ran, and ended while nobody looked. A termination state keeps the pod from falling back to Pending.
        status.last_state = terminated(
            STATUS_UNKNOWN,
            "The container could not be located when the pod was deleted.  The container used to be Running",
            137,
        );
        if inputs.pod.metadata.deletion_timestamp.is_none() {
            status.restart_count += 1;
        }
    }
    status
}

/// A container the runtime knows.
fn present(
    inputs: StatusInputs<'_>,
    container: &Container,
    observed: &ContainerStatus,
    old: Option<&ApiStatus>,
    restarting: bool,
) -> ApiStatus {
    let container_id = format!("{}://{}", inputs.runtime_name, observed.id);
    let mut status = ApiStatus {
        name: container.name.clone(),
        restart_count: observed::restart_count(observed),
        image: observed.image.clone(),
        image_id: observed.image_ref.clone(),
        container_id: container_id.clone(),
        volume_mounts: volume_mounts(inputs, container),
        ..ApiStatus::default()
    };
    if let Some(old) = old {
        status.restart_count = status.restart_count.max(old.restart_count);
        // The runtime may have lost the container before; what was reported of it stays.
        if old.container_id != container_id && old.state.terminated.is_some() {
            status.last_state.terminated = old.state.terminated.clone();
        } else if old.last_state.terminated.is_some() {
            status.last_state.terminated = old.last_state.terminated.clone();
        }
    }
    status.state = match observed.state {
        ContainerState::Running => ApiState {
            running: Some(Box::new(ContainerStateRunning {
                started_at: api_time_or_zero(observed.started_at.or(Some(observed.created_at))),
            })),
            ..ApiState::default()
        },
        ContainerState::Created => waiting("", ""),
        ContainerState::Exited => ApiState {
            terminated: Some(Box::new(ContainerStateTerminated {
                exit_code: observed.exit_code,
                signal: 0,
                reason: observed.reason.clone(),
                message: observed.message.clone(),
                started_at: api_time_or_zero(observed.started_at),
                finished_at: api_time_or_zero(observed.finished_at),
                container_id,
            })),
            ..ApiState::default()
        },
        ContainerState::Unknown if old.is_some_and(|old| old.state.running.is_some()) => {
            status.restart_count = old.map_or(0, |old| old.restart_count) + 1;
            terminated(
                if restarting { RESTARTING_ALL_CONTAINERS } else { STATUS_UNKNOWN },
                "The container could not be located when the pod was terminated",
                137,
            )
        }
        ContainerState::Unknown => waiting("", ""),
    };
    if observed.state == ContainerState::Running
        && let Some(old) = old.filter(|old| old.container_id != status.container_id)
        && old.state.terminated.is_some()
        && old.restart_count >= observed::restart_count(observed)
    {
        // A restart that removed the old container: its count starts over in the runtime, not in the API.
        status.restart_count = old.restart_count + 1;
    }
    status.resources = Some(Box::new(resources(container, observed, inputs.actuated)));
    status.allocated_resources = container.resources.requests.clone();
    status.user = observed.user.as_ref().map(|user| {
        Box::new(ApiUser {
            linux: Some(Box::new(LinuxContainerUser {
                uid: user.uid,
                gid: user.gid,
                supplemental_groups: user.supplemental_groups.clone(),
            })),
        })
    });
    status
}

/// The resources in force: those allocated, with what was really applied to a running container.
fn resources(
    container: &Container,
    observed: &ContainerStatus,
    actuated: &BTreeMap<String, ResourceAmounts>,
) -> ResourceRequirements {
    let mut resources = container.resources.clone();
    let Some(applied) = actuated.get(&container.name).filter(|_| observed.state == ContainerState::Running)
    else {
        return resources;
    };
    let set = |list: &mut BTreeMap<String, Quantity>, name: &str, value: i64, milli: bool| {
        let Some(known) = list.get_mut(name) else { return };
        let same = if milli { known.milli_value() == value } else { known.value() == value };
        if !same && value > 0 {
            *known = if milli {
                Quantity::from_milli(value, machinery::quantity::Format::DecimalSi)
            } else {
                Quantity::new(value, machinery::quantity::Format::BinarySi)
            };
        }
    };
    set(&mut resources.requests, "cpu", applied.cpu_request_milli, true);
    set(&mut resources.limits, "cpu", applied.cpu_limit_milli, true);
    set(&mut resources.requests, "memory", applied.memory_request_bytes, false);
    set(&mut resources.limits, "memory", applied.memory_limit_bytes, false);
    resources
}

fn volume_mounts(inputs: StatusInputs<'_>, container: &Container) -> Vec<VolumeMountStatus> {
    container
        .volume_mounts
        .iter()
        .map(|mount| VolumeMountStatus {
            name: mount.name.clone(),
            mount_path: mount.mount_path.clone(),
            read_only: mount.read_only,
            recursive_read_only: mount.read_only.then(|| {
                let enabled = match mount.recursive_read_only.as_deref() {
                    Some("Enabled") => true,
                    Some("IfPossible") => inputs.recursive_readonly,
                    _ => false,
                };
                if enabled { "Enabled" } else { "Disabled" }.to_owned()
            }),
            ..VolumeMountStatus::default()
        })
        .collect()
}

/// A container that is to be started but could not be is shown waiting, with the reason.
fn wait_for_start(
    inputs: StatusInputs<'_>,
    container: &Container,
    kind: ContainerKind,
    status: &mut ApiStatus,
) {
    let observed = inputs.observed.container(&container.name);
    if kind == ContainerKind::Init {
        let succeeded =
            |known: &ContainerStatus| known.state == ContainerState::Exited && known.exit_code == 0;
        if observed.is_some_and(succeeded) {
            return;
        }
        let initialized = any_regular_container_created(inputs.pod, inputs.observed);
        if observed.is_none() && initialized && !is_sidecar(container) && status.state.waiting.is_some() {
            status.state = terminated(
                "Completed",
                "Unable to get init container status from container runtime and pod has been initialized, \
                 treat it as exited normally",
                0,
            );
            return;
        }
    }
    if kind == ContainerKind::Ephemeral && observed.is_some() {
        return;
    }
    if !restart::should_start(container, inputs.pod, inputs.observed) {
        return;
    }
    let Some(reason) = inputs.waiting.get(&container.name) else { return };
    if status.state.terminated.is_some() {
        status.last_state = status.state.clone();
    }
    status.state = waiting(&reason.reason, &reason.message);
}

/// Fills in `started` and `ready` from the probes.
pub(super) fn apply_probes(inputs: StatusInputs<'_>, status: &mut PodStatus) {
    let spec = &inputs.pod.spec;
    let runtime_id = |known: &ApiStatus| {
        known.container_id.split_once("://").map_or_else(String::new, |(_, id)| id.to_owned())
    };
    for known in &mut status.container_statuses {
        let Some(container) = spec.containers.iter().find(|container| container.name == known.name) else {
            continue;
        };
        let id = runtime_id(known);
        set_started_and_ready(inputs, container, &id, known);
    }
    for known in &mut status.init_container_statuses {
        let Some(container) = spec.init_containers.iter().find(|container| container.name == known.name)
        else {
            continue;
        };
        let id = runtime_id(known);
        set_started_and_ready(inputs, container, &id, known);
        if !is_sidecar(container) {
            known.ready = known.state.terminated.as_ref().is_some_and(|state| state.exit_code == 0);
        }
    }
}

fn set_started_and_ready(inputs: StatusInputs<'_>, container: &Container, id: &str, status: &mut ApiStatus) {
    let running = status.state.running.is_some();
    let passes = |probe: bool, verdict: Option<&Verdict>| match verdict {
        Some(verdict) => *verdict == Verdict::Success,
        None => !probe,
    };
    let started = running && passes(container.startup_probe.is_some(), inputs.verdicts.startup.get(id));
    status.started = Some(started);
    status.ready = started && passes(container.readiness_probe.is_some(), inputs.verdicts.readiness.get(id));
}
