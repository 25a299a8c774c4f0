//! The status of a pod, from its spec, its last status, what the runtime shows and what probes say.
//!
//! ```text
//!   observed containers ──▶ container statuses ──▶ phase ──▶ conditions ──▶ merge with the API's ──▶ PATCH
//! ```

pub mod conditions;
pub mod containers;
pub mod merge;
pub mod phase;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use api_types::core::v1::{HostIP, Pod, PodCondition, PodIP, PodStatus, ResourceRequirements};
use jiff::Timestamp;
use machinery::Time;
use rules::core::v1::pod::resources;

use crate::actions::{ResourceAmounts, Verdicts};
use crate::observed::ObservedPod;
use crate::pod;
use crate::pod_lifecycle::Eviction;
use crate::ports::ContainerState;
use crate::qos;

/// Why a container does not run, from the last attempt to start it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitingReason {
    /// Such as `ErrImagePull` or `CrashLoopBackOff`.
    pub reason: String,
    pub message: String,
}

/// Everything a pod's status depends on.
#[derive(Clone, Copy)]
pub struct StatusInputs<'a> {
    /// The pod with the resources allocated to it, and the status the API has.
    pub pod: &'a Pod,
    /// The last status this kubelet made; the API's when it made none yet.
    pub old: &'a PodStatus,
    pub observed: &'a ObservedPod,
    /// By container name.
    pub waiting: &'a BTreeMap<String, WaitingReason>,
    pub verdicts: &'a Verdicts,
    /// Whether the pod will never run a container again.
    pub terminal: bool,
    /// Set when the kubelet itself ends the pod.
    pub eviction: Option<&'a Eviction>,
    /// The node's addresses, primary first; empty when not known yet.
    pub host_ips: &'a [String],
    /// Such as `containerd`.
    pub runtime_name: &'a str,
    /// The resources last applied to each running container, by name.
    pub actuated: &'a BTreeMap<String, ResourceAmounts>,
    /// `PodResizePending` and `PodResizeInProgress`, when they hold.
    pub resize_conditions: &'a [PodCondition],
    /// Whether the pod's runtime handler can mount read-only recursively.
    pub recursive_readonly: bool,
}

/// Makes the status. Transition times are filled in by [`merge::finish`].
pub fn generate(inputs: StatusInputs<'_>) -> PodStatus {
    let StatusInputs { pod, old, observed, .. } = inputs;
    let mut status = PodStatus {
        qos_class: qos::class_of(pod).to_owned(),
        observed_generation: pod.metadata.generation,
        start_time: old.start_time.or(pod.status.start_time),
        nominated_node_name: pod.status.nominated_node_name.clone(),
        resize: pod.status.resize.clone(),
        resource_claim_statuses: pod.status.resource_claim_statuses.clone(),
        allocated_resources: resources::requests(pod, resources::Accounting::default()),
        ..PodStatus::default()
    };
    status.resources = Some(Box::new(ResourceRequirements {
        requests: status.allocated_resources.clone(),
        limits: resources::limits(pod, resources::Accounting::default()),
        ..ResourceRequirements::default()
    }));
    set_pod_ips(&mut status, &pod_ips(inputs), inputs.host_ips);
    status.container_statuses = containers::regular(inputs);
    status.init_container_statuses = containers::init(inputs);
    status.ephemeral_container_statuses = containers::ephemeral(inputs);

    let initialized_before = any_regular_container_in_active_sandbox(pod, observed);
    let statuses: Vec<_> =
        status.container_statuses.iter().chain(&status.init_container_statuses).cloned().collect();
    status.phase = phase::of(pod, &statuses, inputs.terminal, initialized_before).to_owned();
    keep_terminal_phase(&mut status, pod, old);
    if let Some(eviction) = inputs.eviction {
        status.phase = "Failed".to_owned();
        status.reason = eviction.reason.clone();
        status.message = eviction.message.clone();
    }
    if pod::is_terminal_phase(&pod.status.phase) {
        // The API shows a final phase: no way back.
        status.phase = pod.status.phase.clone();
    }

    containers::apply_probes(inputs, &mut status);
    status.conditions = conditions::all(inputs, &status);
    set_host_ips(&mut status, pod, inputs.host_ips);
    status
}

/// A final phase, once reached, stays; a phase that stays keeps its reason and message.
fn keep_terminal_phase(status: &mut PodStatus, pod: &Pod, old: &PodStatus) {
    if !pod::is_terminal_phase(&status.phase) {
        if pod::is_terminal_phase(&old.phase) {
            status.phase = old.phase.clone();
        } else if pod::is_terminal_phase(&pod.status.phase) {
            status.phase = pod.status.phase.clone();
        }
    }
    if status.phase == old.phase {
        let first = |a: &String, b: &String| if a.is_empty() { b.clone() } else { a.clone() };
        status.reason = first(&old.reason, &pod.status.reason);
        status.message = first(&old.message, &pod.status.message);
    }
}

/// Whether the newest, ready sandbox has a regular container: then sidecars that restart do not make the pod pending.
fn any_regular_container_in_active_sandbox(pod: &Pod, observed: &ObservedPod) -> bool {
    let Some(sandbox) = observed.ready_sandbox() else { return false };
    observed.containers.iter().any(|container| {
        container.sandbox_id == sandbox.summary.id
            && pod.spec.containers.iter().any(|spec| spec.name == container.name)
    })
}

/// Whether any regular container was created, in whatever sandbox.
pub(crate) fn any_regular_container_created(pod: &Pod, observed: &ObservedPod) -> bool {
    pod.spec.containers.iter().any(|container| {
        observed.container(&container.name).is_some_and(|status| status.state != ContainerState::Unknown)
    })
}

/// The addresses of the newest sandbox; of a pod that has ended, those it had: users still want to know them.
fn pod_ips(inputs: StatusInputs<'_>) -> Vec<String> {
    if inputs.observed.ready_sandbox().is_some() {
        return inputs.observed.ips();
    }
    let known = if inputs.old.pod_ips.is_empty() { &inputs.pod.status.pod_ips } else { &inputs.old.pod_ips };
    known.iter().map(|known| known.ip.clone()).collect()
}

/// The sandbox's addresses, those of the node's primary family first.
fn set_pod_ips(status: &mut PodStatus, ips: &[String], host_ips: &[String]) {
    let is_v6 = |ip: &String| ip.contains(':');
    let mut sorted: Vec<&String> = ips.iter().collect();
    if let Some(primary) = host_ips.first() {
        sorted.sort_by_key(|ip| is_v6(ip) != is_v6(primary));
    }
    status.pod_ips = sorted.iter().map(|ip| PodIP { ip: (*ip).clone() }).collect();
    status.pod_ip = sorted.first().map(|ip| (*ip).clone()).unwrap_or_default();
}

/// The node's addresses, which pods on the host's network have as their own.
fn set_host_ips(status: &mut PodStatus, pod: &Pod, host_ips: &[String]) {
    let Some(primary) = host_ips.first() else { return };
    status.host_ip = primary.clone();
    status.host_ips = host_ips.iter().take(2).map(|ip| HostIP { ip: ip.clone() }).collect();
    if pod::uses_host_network(pod) && status.pod_ip.is_empty() {
        status.pod_ip = primary.clone();
        status.pod_ips = host_ips.iter().take(2).map(|ip| PodIP { ip: ip.clone() }).collect();
    }
}

/// A time as the API keeps it: whole seconds.
pub fn api_time(timestamp: Timestamp) -> Time {
    Time { seconds: timestamp.as_second(), nanos: 0 }
}

/// The API's form of a time that may be missing (Go's zero time).
pub fn api_time_or_zero(timestamp: Option<Timestamp>) -> Time {
    timestamp.map(api_time).unwrap_or_default()
}
