//! The one word (`Running`, `CrashLoopBackOff`, `Init:1/2` …) and the counts that sum up a pod for people.
//!
//! Source: `printPod` in `pkg/printers/internalversion/printers.go`.

use super::{meaning, resources};
use api_types::core::v1::{ContainerStateTerminated, Pod};
use machinery::Time;

/// A pod on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Why the pod is as it is.
    pub reason: String,
    /// Containers and sidecars that are ready.
    pub ready: usize,
    /// Containers and sidecars in all.
    pub total: usize,
    /// Restarts of the containers the reason speaks of.
    pub restarts: i32,
    /// When the last of these restarts happened.
    pub last_restart: Time,
}

fn later(last: Time, terminated: Option<&ContainerStateTerminated>) -> Time {
    match terminated {
        Some(terminated)
            if (terminated.finished_at.seconds, terminated.finished_at.nanos)
                > (last.seconds, last.nanos) =>
        {
            terminated.finished_at
        }
        _ => last,
    }
}

fn ended(prefix: &str, terminated: &ContainerStateTerminated) -> String {
    if !terminated.reason.is_empty() {
        format!("{prefix}{}", terminated.reason)
    } else if terminated.signal != 0 {
        format!("{prefix}Signal:{}", terminated.signal)
    } else {
        format!("{prefix}ExitCode:{}", terminated.exit_code)
    }
}

/// Sums the pod up.
pub fn summary(pod: &Pod) -> Summary {
    let sidecars: Vec<&str> = pod
        .spec
        .init_containers
        .iter()
        .filter(|container| resources::is_sidecar(container))
        .map(|container| container.name.as_str())
        .collect();
    let mut sum = Summary {
        reason: if pod.status.reason.is_empty() {
            pod.status.phase.clone()
        } else {
            pod.status.reason.clone()
        },
        ready: 0,
        total: pod.spec.containers.len() + sidecars.len(),
        restarts: 0,
        last_restart: Time::default(),
    };
    if meaning::condition(&pod.status, "PodScheduled")
        .is_some_and(|condition| condition.reason == "SchedulingGated")
    {
        sum.reason = "SchedulingGated".to_owned();
    }
    let (mut sidecar_restarts, mut sidecar_last) = (0, Time::default());
    let mut initializing = false;
    for (index, status) in pod.status.init_container_statuses.iter().enumerate() {
        let sidecar = sidecars.contains(&status.name.as_str());
        let previous = status.last_state.terminated.as_deref();
        sum.restarts += status.restart_count;
        sum.last_restart = later(sum.last_restart, previous);
        if sidecar {
            sidecar_restarts += status.restart_count;
            sidecar_last = later(sidecar_last, previous);
        }
        match (&status.state.terminated, &status.state.waiting) {
            (Some(terminated), _) if terminated.exit_code == 0 => continue,
            _ if sidecar && status.started == Some(true) => {
                sum.ready += usize::from(status.ready);
                continue;
            }
            (Some(terminated), _) => sum.reason = ended("Init:", terminated),
            (None, Some(waiting)) if !waiting.reason.is_empty() && waiting.reason != "PodInitializing" => {
                sum.reason = format!("Init:{}", waiting.reason);
            }
            _ => sum.reason = format!("Init:{index}/{}", pod.spec.init_containers.len()),
        }
        initializing = true;
        break;
    }
    let initialized =
        meaning::condition(&pod.status, "Initialized").is_some_and(|condition| condition.status == "True");
    if !initializing || initialized {
        sum.restarts = sidecar_restarts;
        sum.last_restart = sidecar_last;
        main_containers(pod, &mut sum);
    }
    if pod.metadata.deletion_timestamp.is_some() {
        if pod.status.reason == "NodeLost" {
            sum.reason = "Unknown".to_owned();
        } else if !meaning::is_terminal(pod) {
            sum.reason = "Terminating".to_owned();
        }
    }
    sum
}

fn main_containers(pod: &Pod, sum: &mut Summary) {
    let mut running = false;
    let mut error_reason = String::new();
    for status in pod.status.container_statuses.iter().rev() {
        sum.restarts += status.restart_count;
        sum.last_restart = later(sum.last_restart, status.last_state.terminated.as_deref());
        match (&status.state.waiting, &status.state.terminated) {
            (Some(waiting), _) if !waiting.reason.is_empty() => sum.reason = waiting.reason.clone(),
            (_, Some(terminated)) => {
                sum.reason = ended("", terminated);
                if terminated.exit_code != 0 {
                    error_reason = sum.reason.clone();
                }
            }
            _ if status.ready && status.state.running.is_some() => {
                running = true;
                sum.ready += 1;
            }
            _ => {}
        }
    }
    // One container that ended well does not make the pod complete while others run.
    if sum.reason == "Completed" {
        if running && meaning::is_ready(pod) {
            sum.reason = "Running".to_owned();
        } else if !error_reason.is_empty() {
            sum.reason = error_reason;
        } else if running {
            sum.reason = "NotReady".to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_types::core::v1::{
        Container, ContainerState, ContainerStateRunning, ContainerStateWaiting, ContainerStatus,
    };

    fn status(name: &str, state: ContainerState, ready: bool, restarts: i32) -> ContainerStatus {
        ContainerStatus { name: name.into(), state, ready, restart_count: restarts, ..Default::default() }
    }

    fn waiting(reason: &str) -> ContainerState {
        ContainerState {
            waiting: Some(Box::new(ContainerStateWaiting { reason: reason.into(), ..Default::default() })),
            ..Default::default()
        }
    }

    fn terminated(exit_code: i32, reason: &str) -> ContainerState {
        let terminated = ContainerStateTerminated { exit_code, reason: reason.into(), ..Default::default() };
        ContainerState { terminated: Some(Box::new(terminated)), ..Default::default() }
    }

    fn running() -> ContainerState {
        ContainerState { running: Some(Box::new(ContainerStateRunning::default())), ..Default::default() }
    }

    fn check(
        phase: &str,
        init: Vec<ContainerStatus>,
        main: Vec<ContainerStatus>,
        reason: &str,
        ready: &str,
        restarts: i32,
    ) {
        let mut pod = Pod::default();
        pod.status.phase = phase.into();
        pod.spec.init_containers =
            init.iter().map(|status| Container { name: status.name.clone(), ..Default::default() }).collect();
        pod.spec.containers =
            main.iter().map(|status| Container { name: status.name.clone(), ..Default::default() }).collect();
        pod.status.init_container_statuses = init;
        pod.status.container_statuses = main;
        let sum = summary(&pod);
        assert_eq!(
            (sum.reason.as_str(), format!("{}/{}", sum.ready, sum.total).as_str(), sum.restarts),
            (reason, ready, restarts)
        );
    }

    #[test]
    fn reasons() {
        check(
            "Running",
            vec![],
            vec![status("a", running(), true, 6), status("b", ContainerState::default(), false, 0)],
            "Running",
            "1/2",
            6,
        );
        check(
            "Running",
            vec![],
            vec![status("a", waiting("CrashLoopBackOff"), false, 3)],
            "CrashLoopBackOff",
            "0/1",
            3,
        );
        check("Failed", vec![], vec![status("a", terminated(2, ""), false, 0)], "ExitCode:2", "0/1", 0);
        check(
            "Running",
            vec![],
            vec![status("a", terminated(0, "Completed"), false, 0), status("b", running(), true, 0)],
            "NotReady",
            "1/2",
            0,
        );
        check(
            "Pending",
            vec![status("i", terminated(0, ""), false, 0), status("j", ContainerState::default(), false, 1)],
            vec![status("a", waiting(""), false, 0)],
            "Init:1/2",
            "0/1",
            1,
        );
        check(
            "Pending",
            vec![status("i", waiting("CrashLoopBackOff"), false, 4)],
            vec![status("a", waiting(""), false, 0)],
            "Init:CrashLoopBackOff",
            "0/1",
            4,
        );
    }
}
