//! One pod as the runtime shows it.

use jiff::Timestamp;

use crate::ports::{ContainerState, ContainerStatus, SandboxState, SandboxStatus};

/// Label with a pod's name, on sandboxes and containers.
pub const POD_NAME_LABEL: &str = "io.kubernetes.pod.name";
/// Label with a pod's namespace.
pub const POD_NAMESPACE_LABEL: &str = "io.kubernetes.pod.namespace";
/// Label with a pod's uid.
pub const POD_UID_LABEL: &str = "io.kubernetes.pod.uid";
/// Label with a container's name.
pub const CONTAINER_NAME_LABEL: &str = "io.kubernetes.container.name";
/// Annotation with the hash of a container's definition, in hexadecimal.
pub const CONTAINER_HASH: &str = "io.kubernetes.container.hash";
/// Annotation with a container's restart count.
pub const RESTART_COUNT: &str = "io.kubernetes.container.restartCount";
/// Annotation with the path of the termination message in the container.
pub const TERMINATION_MESSAGE_PATH: &str = "io.kubernetes.container.terminationMessagePath";
/// Annotation with the termination message policy.
pub const TERMINATION_MESSAGE_POLICY: &str = "io.kubernetes.container.terminationMessagePolicy";
/// Annotation with the JSON of the preStop handler.
pub const PRE_STOP_HANDLER: &str = "io.kubernetes.container.preStopHandler";
/// Annotation with the JSON of the container's ports.
pub const CONTAINER_PORTS: &str = "io.kubernetes.container.ports";
/// Annotation with the pod's `deletionGracePeriodSeconds`.
pub const DELETION_GRACE_PERIOD: &str = "io.kubernetes.pod.deletionGracePeriod";
/// Annotation with the pod's `terminationGracePeriodSeconds`.
pub const TERMINATION_GRACE_PERIOD: &str = "io.kubernetes.pod.terminationGracePeriod";

/// The sandboxes and containers of one pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedPod {
    pub uid: String,
    pub name: String,
    pub namespace: String,
    /// Newest first.
    pub sandboxes: Vec<SandboxStatus>,
    /// Newest first, of all sandboxes.
    pub containers: Vec<ContainerStatus>,
}

impl ObservedPod {
    /// Sorts what a list returned into the order the rest relies on.
    pub fn new(
        uid: String,
        namespace: String,
        name: String,
        mut sandboxes: Vec<SandboxStatus>,
        mut containers: Vec<ContainerStatus>,
    ) -> ObservedPod {
        sandboxes
            .sort_by_key(|sandbox| std::cmp::Reverse((sandbox.summary.created_at, sandbox.summary.attempt)));
        containers.sort_by_key(|container| std::cmp::Reverse((container.created_at, container.attempt)));
        ObservedPod { uid, name, namespace, sandboxes, containers }
    }

    /// The newest container of that name.
    pub fn container(&self, name: &str) -> Option<&ContainerStatus> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// The newest ended container of that name.
    pub fn exited_container(&self, name: &str) -> Option<&ContainerStatus> {
        self.containers
            .iter()
            .find(|container| container.name == name && container.state == ContainerState::Exited)
    }

    /// The newest sandbox.
    pub fn sandbox(&self) -> Option<&SandboxStatus> {
        self.sandboxes.first()
    }

    /// The newest sandbox, when it is ready.
    pub fn ready_sandbox(&self) -> Option<&SandboxStatus> {
        self.sandbox().filter(|sandbox| sandbox.summary.state == SandboxState::Ready)
    }

    /// The addresses of the newest sandbox, when it is ready.
    pub fn ips(&self) -> Vec<String> {
        self.ready_sandbox().map(|sandbox| sandbox.ips.clone()).unwrap_or_default()
    }

    /// Containers that run, or may run.
    pub fn running_containers(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.containers
            .iter()
            .filter(|container| matches!(container.state, ContainerState::Running | ContainerState::Unknown))
    }

    /// Whether nothing of the pod runs any more: no running container, no ready sandbox.
    pub fn is_stopped(&self) -> bool {
        self.running_containers().next().is_none()
            && self.sandboxes.iter().all(|sandbox| sandbox.summary.state == SandboxState::NotReady)
    }

    /// When the newest sandbox was made.
    pub fn sandbox_created_at(&self) -> Option<Timestamp> {
        self.sandbox().map(|sandbox| sandbox.summary.created_at)
    }
}

/// How upstream prints a container state in messages.
pub fn state_name(state: ContainerState) -> &'static str {
    match state {
        ContainerState::Created => "created",
        ContainerState::Running => "running",
        ContainerState::Exited => "exited",
        ContainerState::Unknown => "unknown",
    }
}

/// The restart count a container carries: its annotation, else its attempt.
pub fn restart_count(container: &ContainerStatus) -> i32 {
    container
        .annotations
        .get(RESTART_COUNT)
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| i32::try_from(container.attempt).unwrap_or(i32::MAX))
}

/// The hash of the definition a container was made from. `None` when the annotation is missing or malformed.
pub fn definition_hash(container: &ContainerStatus) -> Option<u32> {
    u32::from_str_radix(container.annotations.get(CONTAINER_HASH)?, 16).ok()
}
