//! What the kubelet's HTTPS server may see of the kubelet.

use std::path::PathBuf;
use std::sync::Arc;

use api_types::core::v1::Pod;

/// The kubelet as its server sees it: read-only, answered from memory.
pub trait KubeletView: Send + Sync {
    /// The name of this node.
    fn node_name(&self) -> String;

    /// The pods of this node with their current statuses: API, static and mirror sources merged
    /// (a static pod appears once, as itself).
    fn pods(&self) -> Vec<Arc<Pod>>;

    /// Finds a container of a pod in the runtime. `uid` narrows when given; a mirror pod's uid finds its static pod.
    fn container(
        &self,
        namespace: &str,
        pod: &str,
        uid: Option<&str>,
        container: &str,
    ) -> Result<ContainerLookup, ViewError>;

    /// The id of the ready sandbox of a pod.
    fn sandbox_id(&self, namespace: &str, pod: &str, uid: Option<&str>) -> Result<String, ViewError>;

    /// The configuration in force, as `/configz` shows it (JSON of a KubeletConfiguration).
    fn configuration(&self) -> String;

    /// Whether the workers live: `Err` names what stalls. Backs `/healthz/syncloop` and `/healthz`.
    fn sync_loop_healthy(&self) -> Result<(), String>;

    /// The kubelet's root directory, such as `/var/lib/kubelet`.
    fn root_directory(&self) -> PathBuf;

    /// Where the logs of pods are, `/var/log/pods`.
    fn pod_logs_directory(&self) -> PathBuf;
}

/// A container found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerLookup {
    /// The id of the latest container of that name, running or not.
    pub container_id: String,
    pub running: bool,
    /// Absolute path of its log file.
    pub log_path: PathBuf,
    /// The log of the container before it, for `?previous=true`.
    pub previous_log_path: Option<PathBuf>,
    /// Whether its spec asks for a terminal (attach follows it) and for standard input.
    pub tty: bool,
    pub stdin: bool,
    /// Why there is no log yet, as upstream words it, when the container never started.
    pub waiting_reason: Option<String>,
}

/// Something was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    #[error("pod {namespace:?}/{pod:?} not found")]
    PodNotFound { namespace: String, pod: String },
    #[error("container {container:?} in pod {pod:?} is not available")]
    ContainerNotFound { pod: String, container: String },
    #[error("container {container:?} in pod {pod:?} is waiting to start: {reason}")]
    ContainerWaiting { pod: String, container: String, reason: String },
    #[error("previous terminated container {container:?} in pod {pod:?} not found")]
    PreviousNotFound { pod: String, container: String },
    #[error("sandbox of pod {namespace:?}/{pod:?} is not ready")]
    SandboxNotReady { namespace: String, pod: String },
}
