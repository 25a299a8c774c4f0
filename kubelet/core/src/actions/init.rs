//! Which init containers start, restart or fail the pod.

use api_types::core::v1::Container;

use super::{Changes, Inputs, Kill, Verdict, definition_changed, resize, unknown_state_kill};
use crate::pod::{ContainerKind, is_sidecar};
use crate::ports::{ContainerState, ContainerStatus};
use crate::restart;
use crate::termination::KillReason;

/// Decides about init containers; returns whether the pod is initialized.
///
/// Walks from the last to the first, because earlier ones may have been removed from the runtime after they ended: the
/// last one found says how far initialization got. Sidecars before it are kept running.
pub(super) fn decide(inputs: Inputs<'_>, changes: &mut Changes) -> bool {
    let Inputs { pod, observed, .. } = inputs;
    if pod.spec.init_containers.is_empty() {
        return true;
    }
    // A regular container that was created in this sandbox proves initialization. An ended one proves nothing: after a
    // reboot every container of the old sandbox has ended.
    let mut initialized = pod.spec.containers.iter().any(|container| {
        observed
            .container(&container.name)
            .is_some_and(|status| matches!(status.state, ContainerState::Created | ContainerState::Running))
    });
    let mut reached = initialized;
    let last = pod.spec.init_containers.len() - 1;
    let mut start = Vec::new();

    for (index, container) in pod.spec.init_containers.iter().enumerate().rev() {
        let sidecar = is_sidecar(container);
        let Some(status) = observed.container(&container.name) else {
            if reached && sidecar {
                start.push(index);
            }
            continue;
        };
        if reached && !sidecar {
            continue;
        }
        let step = match status.state {
            // Created but never started: the runtime failed in between.
            ContainerState::Created => Step::Restart,
            ContainerState::Running if sidecar => running_sidecar(inputs, index, container, status, changes),
            ContainerState::Running => {
                resize::decide(inputs, ContainerKind::Init, index, container, status, changes);
                Step::Wait
            }
            ContainerState::Exited if sidecar => Step::Restart,
            ContainerState::Exited if status.exit_code == 0 => Step::Done { restart: false },
            ContainerState::Exited if restart::should_start(container, pod, observed) => Step::Restart,
            ContainerState::Exited => Step::Fail,
            ContainerState::Unknown
                if sidecar || restart::restarts_after_kill(container, &pod.spec.restart_policy) =>
            {
                changes.to_kill.push(unknown_state_kill(status, "Init container"));
                Step::Restart
            }
            ContainerState::Unknown => Step::Fail,
        };
        match step {
            Step::Wait => {}
            Step::Restart => start.push(index),
            Step::Done { restart } => {
                if index == last {
                    initialized = true;
                } else if !reached {
                    start.push(index + 1);
                }
                if restart {
                    start.push(index);
                }
            }
            Step::Fail => {
                changes.kill_pod = true;
                changes.init_to_start.clear();
                return false;
            }
        }
        reached = true;
    }
    if !reached {
        start.push(0);
    }
    start.reverse();
    changes.init_to_start = start;
    initialized
}

/// What one init container means for the pod.
enum Step {
    /// It runs, or its probe has not answered: nothing to do.
    Wait,
    /// It starts (again).
    Restart,
    /// It let the next one start; a sidecar may still have to restart.
    Done { restart: bool },
    /// It failed for good, and the pod with it.
    Fail,
}

fn running_sidecar(
    inputs: Inputs<'_>,
    index: usize,
    container: &Container,
    status: &ContainerStatus,
    changes: &mut Changes,
) -> Step {
    let kill =
        |message: String, reason| Kill { id: status.id.clone(), name: status.name.clone(), message, reason };
    if container.startup_probe.is_some() {
        match inputs.verdicts.startup.get(&status.id) {
            None => return Step::Wait,
            Some(Verdict::Failure) => {
                changes.to_kill.push(kill(
                    format!("Init container {} failed startup probe", container.name),
                    KillReason::StartupProbe,
                ));
                return Step::Restart;
            }
            Some(Verdict::Success) => {}
        }
    }
    if definition_changed(container, status) {
        changes
            .to_kill
            .push(kill(format!("Init container {} definition changed", container.name), KillReason::Other));
        return Step::Done { restart: true };
    }
    if container.liveness_probe.is_some() {
        match inputs.verdicts.liveness.get(&status.id) {
            None => return Step::Done { restart: false },
            Some(Verdict::Failure) => {
                changes.to_kill.push(kill(
                    format!("Init container {} failed liveness probe", container.name),
                    KillReason::LivenessProbe,
                ));
                return Step::Done { restart: true };
            }
            Some(Verdict::Success) => {}
        }
    }
    let kept = resize::decide(inputs, ContainerKind::Init, index, container, status, changes);
    Step::Done { restart: !kept }
}
