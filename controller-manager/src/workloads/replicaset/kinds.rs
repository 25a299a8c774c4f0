//! The kinds that keep a number of pods: ReplicaSets, and ReplicationControllers, which came before them.

use api_types::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use api_types::core::v1::{
    PodTemplateSpec, ReplicationController, ReplicationControllerCondition, ReplicationControllerStatus,
};
use machinery::Resource;
use machinery::selectors::labels::Selector;

/// What the controller reads and writes of such a kind, in the words of ReplicaSets.
pub(crate) trait Replicator: Resource {
    /// Whether the status counts pods that are going.
    const COUNTS_TERMINATING: bool;

    /// The pods that it is for; none when that cannot be read.
    fn selector(&self) -> Option<Selector>;
    /// How many pods there shall be.
    fn replicas(&self) -> Option<i32>;
    /// How its pods are made.
    fn template(&self) -> Option<&PodTemplateSpec>;
    /// How long a pod must be ready.
    fn min_ready_seconds(&self) -> i32;
    /// Its status.
    fn status(&self) -> ReplicaSetStatus;
    /// The same object with another status.
    fn with_status(&self, status: ReplicaSetStatus) -> Self;
}

impl Replicator for ReplicaSet {
    const COUNTS_TERMINATING: bool = true;

    fn selector(&self) -> Option<Selector> {
        Selector::from_label_selector(self.spec.selector.as_deref()).ok()
    }

    fn replicas(&self) -> Option<i32> {
        self.spec.replicas
    }

    fn template(&self) -> Option<&PodTemplateSpec> {
        Some(&self.spec.template)
    }

    fn min_ready_seconds(&self) -> i32 {
        self.spec.min_ready_seconds
    }

    fn status(&self) -> ReplicaSetStatus {
        self.status.clone()
    }

    fn with_status(&self, status: ReplicaSetStatus) -> ReplicaSet {
        ReplicaSet { status, ..self.clone() }
    }
}

impl Replicator for ReplicationController {
    const COUNTS_TERMINATING: bool = false;

    fn selector(&self) -> Option<Selector> {
        // Empty, it would be for every pod; the server fills it in from the template.
        Some(&self.spec.selector).filter(|labels| !labels.is_empty()).map(Selector::from_labels)
    }

    fn replicas(&self) -> Option<i32> {
        self.spec.replicas
    }

    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.template.as_deref()
    }

    fn min_ready_seconds(&self) -> i32 {
        self.spec.min_ready_seconds
    }

    fn status(&self) -> ReplicaSetStatus {
        let status = &self.status;
        let condition = |known: &ReplicationControllerCondition| ReplicaSetCondition {
            type_: known.type_.clone(),
            status: known.status.clone(),
            last_transition_time: known.last_transition_time,
            reason: known.reason.clone(),
            message: known.message.clone(),
        };
        ReplicaSetStatus {
            replicas: status.replicas,
            fully_labeled_replicas: status.fully_labeled_replicas,
            ready_replicas: status.ready_replicas,
            available_replicas: status.available_replicas,
            observed_generation: status.observed_generation,
            conditions: status.conditions.iter().map(condition).collect(),
            ..ReplicaSetStatus::default()
        }
    }

    fn with_status(&self, status: ReplicaSetStatus) -> ReplicationController {
        let condition = |known: ReplicaSetCondition| ReplicationControllerCondition {
            type_: known.type_,
            status: known.status,
            last_transition_time: known.last_transition_time,
            reason: known.reason,
            message: known.message,
        };
        let status = ReplicationControllerStatus {
            replicas: status.replicas,
            fully_labeled_replicas: status.fully_labeled_replicas,
            ready_replicas: status.ready_replicas,
            available_replicas: status.available_replicas,
            observed_generation: status.observed_generation,
            conditions: status.conditions.into_iter().map(condition).collect(),
        };
        ReplicationController { status, ..self.clone() }
    }
}
