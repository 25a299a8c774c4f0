//! Takes a wanted change of resources in, or says why it has to wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{Pod, PodCondition, ResourceRequirements};
use jiff::Timestamp;
use kubelet_core::actions;
use machinery::Message;
use serde_json::Value;

use super::worker::{RETRY, Worker};

/// The key of the pod-level resources; no container has an empty name.
const POD_LEVEL: &str = "";

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
            self.resize_conditions = self.in_progress(pod);
            return (pod.clone(), None);
        }
        match self.room_for(pod) {
            Ok(()) => {
                self.allocation.allocated = wanted;
                self.store_allocation();
                // The pod's own cgroup changes with its containers'.
                self.volumes_at = None;
                self.resize_conditions = self.in_progress(pod);
                (pod.clone(), None)
            }
            Err((reason, message)) => {
                let kept = self.with_kept_resources(pod);
                let now = self.context.now();
                let since = self.resize_conditions.iter().find(|known| known.type_ == "PodResizePending");
                let last_transition_time = since
                    .map_or_else(|| kubelet_core::status::api_time(now), |known| known.last_transition_time);
                self.resize_conditions = vec![PodCondition {
                    type_: "PodResizePending".to_owned(),
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
            type_: "PodResizeInProgress".to_owned(),
            status: "True".to_owned(),
            last_transition_time: kubelet_core::status::api_time(self.context.now()),
            observed_generation: pod.metadata.generation,
            ..PodCondition::default()
        }]
    }

    /// Says in the status that a resize could not be applied.
    pub(super) fn resize_failed(&mut self, message: String) {
        let now = kubelet_core::status::api_time(self.context.now());
        self.resize_conditions.retain(|known| known.type_ != "PodResizeInProgress");
        self.resize_conditions.push(PodCondition {
            type_: "PodResizeInProgress".to_owned(),
            status: "True".to_owned(),
            reason: "Error".to_owned(),
            message,
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
