//! The phase of a pod, from the statuses of its containers.

use api_types::core::v1::{Container, ContainerStateTerminated, ContainerStatus, Pod};

use super::containers::RESTARTING_ALL_CONTAINERS;
use crate::pod::{is_sidecar, is_static};
use crate::restart;

/// How many containers are where.
#[derive(Debug, Default)]
struct Counts {
    unknown: usize,
    running: usize,
    waiting: usize,
    stopped: usize,
    stopped_for_good: usize,
    succeeded: usize,
    pending_init: usize,
    pending_sidecars: usize,
    init_failed_for_good: bool,
}

/// The phase. `terminal`: the pod will never run a container again. `initialized_before`: its sandbox already has a
/// regular container.
pub fn of(pod: &Pod, statuses: &[ContainerStatus], terminal: bool, initialized_before: bool) -> &'static str {
    let find = |container: &Container| statuses.iter().find(|status| status.name == container.name);
    let mut counts = Counts::default();
    for container in &pod.spec.init_containers {
        if is_sidecar(container) {
            count_sidecar(find(container), &mut counts);
        } else {
            count_init(pod, container, find(container), &mut counts);
        }
    }
    for container in &pod.spec.containers {
        count_regular(pod, container, find(container), &mut counts);
    }

    if counts.init_failed_for_good {
        return "Failed";
    }
    if counts.pending_init > 0 || (counts.pending_sidecars > 0 && !initialized_before) || counts.waiting > 0 {
        return "Pending";
    }
    if counts.running > 0 && counts.unknown == 0 {
        return "Running";
    }
    if counts.running == 0 && counts.stopped > 0 && counts.unknown == 0 {
        let ended = if counts.stopped == counts.succeeded { "Succeeded" } else { "Failed" };
        if terminal && !is_static(pod) {
            return ended;
        }
        if counts.stopped != counts.stopped_for_good {
            return "Running";
        }
        return ended;
    }
    "Pending"
}

/// Whether a container that ended so is started again.
fn restarts(pod: &Pod, container: &Container, terminated: &ContainerStateTerminated) -> bool {
    restart::restarts_after_exit(container, &pod.spec.restart_policy, terminated.exit_code)
        || terminated.reason == RESTARTING_ALL_CONTAINERS
}

fn count_init(pod: &Pod, container: &Container, status: Option<&ContainerStatus>, counts: &mut Counts) {
    let ended = status.and_then(|status| {
        status
            .state
            .terminated
            .as_ref()
            .or_else(|| status.state.waiting.as_ref().and(status.last_state.terminated.as_ref()))
    });
    match ended {
        Some(terminated) if terminated.exit_code != 0 => {
            counts.init_failed_for_good |= !restarts(pod, container, terminated);
        }
        Some(_) => {}
        None => counts.pending_init += 1,
    }
}

fn count_sidecar(status: Option<&ContainerStatus>, counts: &mut Counts) {
    let Some(status) = status else {
        counts.unknown += 1;
        return;
    };
    if status.state.running.is_some() {
        if status.started != Some(true) {
            counts.pending_sidecars += 1;
        }
        counts.running += 1;
    } else if status.state.terminated.is_some() {
        // A sidecar's end says nothing about the pod.
    } else if status.state.waiting.is_some() {
        if status.last_state.terminated.is_none() {
            counts.pending_sidecars += 1;
            counts.waiting += 1;
        }
    } else {
        counts.pending_sidecars += 1;
        counts.unknown += 1;
    }
}

fn count_regular(pod: &Pod, container: &Container, status: Option<&ContainerStatus>, counts: &mut Counts) {
    let Some(status) = status else {
        counts.unknown += 1;
        return;
    };
    if status.state.running.is_some() {
        counts.running += 1;
    } else if let Some(terminated) = &status.state.terminated {
        counts.stopped += 1;
        counts.stopped_for_good += usize::from(!restarts(pod, container, terminated));
        counts.succeeded += usize::from(terminated.exit_code == 0);
    } else if status.state.waiting.is_some() {
        match &status.last_state.terminated {
            Some(terminated) => {
                counts.stopped += 1;
                counts.stopped_for_good += usize::from(!restarts(pod, container, terminated));
            }
            None => counts.waiting += 1,
        }
    } else {
        counts.unknown += 1;
    }
}
