//! In-place resize: which running containers get new limits, and which must restart for them.

use std::fmt;

use api_types::core::v1::{Container, Pod, ResourceRequirements};
use machinery::Quantity;

use super::{Action, Changes, Inputs, Kill};
use crate::pod::{self, ContainerKind};
use crate::ports::{ContainerState, ContainerStatus};
use crate::termination::KillReason;

/// The four amounts a running container can be resized in. Zero means unset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceAmounts {
    pub cpu_request_milli: i64,
    pub cpu_limit_milli: i64,
    pub memory_request_bytes: i64,
    pub memory_limit_bytes: i64,
}

impl fmt::Display for ResourceAmounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "cpu {}m/{}m memory {}/{}",
            self.cpu_request_milli, self.cpu_limit_milli, self.memory_request_bytes, self.memory_limit_bytes
        )
    }
}

/// The amounts a container's resources ask for; limits fall back to those of the pod.
pub fn amounts_of(
    of_pod: Option<&ResourceRequirements>,
    of_container: &ResourceRequirements,
) -> ResourceAmounts {
    let limit = |name: &str| {
        of_container.limits.get(name).or_else(|| of_pod.and_then(|resources| resources.limits.get(name)))
    };
    let milli = |quantity: Option<&Quantity>| quantity.map_or(0, Quantity::milli_value);
    let whole = |quantity: Option<&Quantity>| quantity.map_or(0, Quantity::value);
    ResourceAmounts {
        cpu_request_milli: milli(of_container.requests.get("cpu")),
        cpu_limit_milli: milli(limit("cpu")),
        memory_request_bytes: whole(of_container.requests.get("memory")),
        memory_limit_bytes: whole(limit("memory")),
    }
}

/// Whether the pod may be resized in place at all. A static pod's manifest is its only truth.
pub fn is_resizable(pod: &Pod) -> bool {
    !pod::is_static(pod)
}

/// Decides about one running container; returns whether it stays running.
pub(super) fn decide(
    inputs: Inputs<'_>,
    kind: ContainerKind,
    index: usize,
    container: &Container,
    status: &ContainerStatus,
    changes: &mut Changes,
) -> bool {
    if !is_resizable(inputs.pod) || status.state != ContainerState::Running {
        return true;
    }
    // Without a record of what was applied there is nothing to compare with: it runs as it was made.
    let Some(current) = inputs.actuated.get(&container.name).copied() else { return true };
    let desired = amounts_of(inputs.pod.spec.resources.as_deref(), &container.resources);
    if current == desired {
        return true;
    }
    let restarts = |resource: &str| {
        container
            .resize_policy
            .iter()
            .any(|policy| policy.resource_name == resource && policy.restart_policy == "RestartContainer")
    };
    let cpu_changed = (current.cpu_request_milli, current.cpu_limit_milli)
        != (desired.cpu_request_milli, desired.cpu_limit_milli);
    let memory_changed = (current.memory_request_bytes, current.memory_limit_bytes)
        != (desired.memory_request_bytes, desired.memory_limit_bytes);
    if (cpu_changed && restarts("cpu")) || (memory_changed && restarts("memory")) {
        changes.to_kill.push(Kill {
            id: status.id.clone(),
            name: status.name.clone(),
            message: format!("Container {} resize requires restart", container.name),
            reason: KillReason::Other,
        });
        if kind == ContainerKind::Regular {
            changes.to_start.push(index);
        }
        return false;
    }
    let action = Action::ResizeContainer {
        id: status.id.clone(),
        name: status.name.clone(),
        kind,
        index,
        to: desired,
    };
    // What shrinks goes first, so that the pod never asks for more than it is given.
    let shrinks = desired.cpu_limit_milli < current.cpu_limit_milli
        || desired.memory_limit_bytes < current.memory_limit_bytes
        || desired.cpu_request_milli < current.cpu_request_milli;
    if shrinks {
        changes.to_resize.insert(0, action);
    } else {
        changes.to_resize.push(action);
    }
    true
}
