//! Takes a wanted change of resources in, or says why it has to wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{Pod, PodCondition, ResourceRequirements};
use jiff::Timestamp;
use kubelet_core::actions;
use kubelet_core::resizing::event_message;
use machinery::Message;
use serde_json::Value;

use super::worker::{RETRY, Worker};
use crate::events::Kind;

/// The key of the pod-level resources; no container has an empty name.
const POD_LEVEL: &str = "";

/// The condition of a change that has to wait.
const PENDING: &str = "PodResizePending";
/// The condition of a change that is being applied.
const IN_PROGRESS: &str = "PodResizeInProgress";

/// What the spec asks for, by container.
fn wanted_resources(pod: &Pod) -> BTreeMap<String, Value> {
    let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let mut wanted: BTreeMap<String, Value> =
        containers.map(|container| (container.name.clone(), container.resources.to_value())).collect();
    if let Some(resources) = &pod.spec.resources {
        wanted.insert(POD_LEVEL.to_owned(), resources.to_value());
    }
    wanted
}

impl Worker {
    /// The pod with the resources this node allocated to it. A change the spec asks for is allocated when the node has
    /// room; otherwise the pod keeps what it has, and `PodResizePending` says why. Returns when to look again.
    pub(super) fn with_allocated_resources(&mut self, pod: &Arc<Pod>) -> (Arc<Pod>, Option<Timestamp>) {
        if !actions::is_resizable(pod) {
            return (pod.clone(), None);
        }
        let wanted = wanted_resources(pod);
        if self.allocation.allocated.is_empty() {
            // First sight: what admission let in is what is allocated.
            self.allocation.allocated = wanted;
            self.store_allocation();
            return (pod.clone(), None);
        }
        if self.allocation.allocated == wanted {
            let conditions = self.in_progress(pod);
            let begun = self.resize_conditions.iter().find(|known| known.type_ == IN_PROGRESS);
            if let (Some(begun), true) = (begun, conditions.is_empty()) {
                let message = event_message("Pod resize completed", pod, begun.observed_generation, "");
                self.context.recorder.pod(pod, Kind::Normal, "ResizeCompleted", message);
            }
            self.resize_conditions = conditions;
            return (pod.clone(), None);
        }
        match self.room_for(pod) {
            Ok(()) => {
                self.allocation.allocated = wanted;
                self.store_allocation();
                // The pod's own cgroup changes with its containers'.
                self.volumes_at = None;
                let message = event_message("Pod resize started", pod, pod.metadata.generation, "");
                self.context.recorder.pod(pod, Kind::Normal, "ResizeStarted", message);
                self.resize_conditions = self.in_progress(pod);
                (pod.clone(), None)
            }
            Err((reason, message)) => {
                let kept = self.with_kept_resources(pod);
                let now = self.context.now();
                let since = self.resize_conditions.iter().find(|known| known.type_ == PENDING);
                let told = since.is_some_and(|known| known.reason == reason && known.message == message);
                if !told {
                    let what = format!("Pod resize {reason}");
                    let event = event_message(&what, pod, pod.metadata.generation, &message);
                    let event_reason =
                        if reason == "Infeasible" { "ResizeInfeasible" } else { "ResizeDeferred" };
                    self.context.recorder.pod(pod, Kind::Warning, event_reason, event);
                }
                let last_transition_time = since
                    .map_or_else(|| kubelet_core::status::api_time(now), |known| known.last_transition_time);
                self.resize_conditions = vec![PodCondition {
                    type_: PENDING.to_owned(),
                    status: "True".to_owned(),
                    reason: reason.to_owned(),
                    message,
                    last_transition_time,
                    observed_generation: pod.metadata.generation,
                    ..PodCondition::default()
                }];
                let again = kubelet_core::backoff::later(now, RETRY);
                (Arc::new(kept), (reason == "Deferred").then_some(again))
            }
        }
    }

    /// The pod with the resources it has, whatever its spec asks for.
    fn with_kept_resources(&self, pod: &Pod) -> Pod {
        let allocated = |name: &str| {
            let value = self.allocation.allocated.get(name)?;
            ResourceRequirements::from_value(value).ok()
        };
        let mut kept = pod.clone();
        for container in kept.spec.containers.iter_mut().chain(&mut kept.spec.init_containers) {
            if let Some(resources) = allocated(&container.name) {
                container.resources = resources;
            }
        }
        kept.spec.resources = allocated(POD_LEVEL).map(Box::new);
        kept
    }

    /// `PodResizeInProgress` while what is applied is not yet what is allocated.
    fn in_progress(&self, pod: &Pod) -> Vec<PodCondition> {
        let pending = pod.spec.containers.iter().any(|container| {
            self.actuated.get(&container.name).is_some_and(|applied| {
                *applied != actions::amounts_of(pod.spec.resources.as_deref(), &container.resources)
            })
        });
        if !pending {
            return Vec::new();
        }
        vec![PodCondition {
            type_: IN_PROGRESS.to_owned(),
            status: "True".to_owned(),
            last_transition_time: kubelet_core::status::api_time(self.context.now()),
            observed_generation: pod.metadata.generation,
            ..PodCondition::default()
        }]
    }

    /// Says in the status, and once in an event, that a resize could not be applied.
    pub(super) fn resize_failed(&mut self, pod: &Pod, message: String) {
        let now = kubelet_core::status::api_time(self.context.now());
        let before = self.resize_conditions.iter().find(|known| known.type_ == IN_PROGRESS);
        if before.is_none_or(|known| known.message != message) {
            let event = event_message("Pod resize error", pod, pod.metadata.generation, &message);
            self.context.recorder.pod(pod, Kind::Warning, "ResizeError", event);
        }
        self.resize_conditions.retain(|known| known.type_ != IN_PROGRESS);
        self.resize_conditions.push(PodCondition {
            type_: IN_PROGRESS.to_owned(),
            status: "True".to_owned(),
            reason: "Error".to_owned(),
            message,
            observed_generation: pod.metadata.generation,
            last_transition_time: now,
            ..PodCondition::default()
        });
    }

    /// Whether the node has room for the pod as its spec wants it, beside all the others.
    fn room_for(&self, pod: &Pod) -> Result<(), (&'static str, String)> {
        let allocatable = &self.context.node.load().status.allocatable;
        let others = self.neighbours.others(&pod.metadata.uid);
        kubelet_core::admission::fits_resized(pod, &others, allocatable)
    }
}
