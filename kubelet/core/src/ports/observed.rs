//! What the runtime says there is.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::config::{ContainerResources, Mount};

/// Name and version of the runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeVersion {
    /// Such as `containerd`.
    pub name: String,
    pub version: String,
    pub api_version: String,
}

/// A condition of the runtime: `RuntimeReady` or `NetworkReady`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeCondition {
    pub type_: String,
    pub status: bool,
    pub reason: String,
    pub message: String,
}

/// A handler the runtime offers to RuntimeClasses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeHandler {
    /// Empty for the default handler.
    pub name: String,
    pub recursive_readonly_mounts: bool,
    pub user_namespaces: bool,
}

/// Readiness and abilities of the runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeStatus {
    pub conditions: Vec<RuntimeCondition>,
    pub handlers: Vec<RuntimeHandler>,
    /// Whether the runtime understands the `Strict` supplemental groups policy.
    pub supplemental_groups_policy: bool,
    /// The cgroup driver the runtime wants (`systemd` or `cgroupfs`), when it tells.
    pub cgroup_driver: Option<String>,
}

/// State of a sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SandboxState {
    Ready,
    #[default]
    NotReady,
}

/// A sandbox in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxSummary {
    pub id: String,
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub attempt: u32,
    pub state: SandboxState,
    pub created_at: Timestamp,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub runtime_handler: String,
}

/// A sandbox in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxStatus {
    pub summary: SandboxSummary,
    /// The pod's addresses, the primary first; empty on the host's network.
    pub ips: Vec<String>,
    /// Whether the sandbox is on the host's network.
    pub host_network: bool,
}

/// State of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContainerState {
    Created,
    Running,
    Exited,
    #[default]
    Unknown,
}

/// A container in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSummary {
    pub id: String,
    pub sandbox_id: String,
    pub name: String,
    pub attempt: u32,
    pub image: String,
    pub image_ref: String,
    pub state: ContainerState,
    pub created_at: Timestamp,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// A container in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerStatus {
    pub id: String,
    pub sandbox_id: String,
    pub name: String,
    pub attempt: u32,
    pub state: ContainerState,
    pub created_at: Timestamp,
    /// `None` when it never started.
    pub started_at: Option<Timestamp>,
    /// `None` while it has not ended.
    pub finished_at: Option<Timestamp>,
    pub exit_code: i32,
    /// The image as it was asked for.
    pub image: String,
    /// Digest reference of the image, as `imageID` shows it.
    pub image_ref: String,
    /// The runtime's id of the image.
    pub image_id: String,
    /// Such as `OOMKilled`, `Completed`, `Error`, `StartError`.
    pub reason: String,
    pub message: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Absolute path of the log file.
    pub log_path: String,
    /// What is mounted in it (the termination message is read through these).
    pub mounts: Vec<Mount>,
    /// Limits in force, when the runtime tells them.
    pub resources: Option<ContainerResources>,
    /// Numeric identity of the first process (uid, gid, groups), when the runtime tells it.
    pub user: Option<ContainerUser>,
    /// Signal used to stop it, when the runtime tells it.
    pub stop_signal: Option<String>,
}

/// Identity of a container's first process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerUser {
    pub uid: i64,
    pub gid: i64,
    pub supplemental_groups: Vec<i64>,
}

/// An image on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSummary {
    pub id: String,
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub size_bytes: u64,
    /// The numeric user the image runs as.
    pub uid: Option<i64>,
    /// The user's name, when it is not a number.
    pub username: String,
    /// The runtime keeps this image (the pause image).
    pub pinned: bool,
}

/// Resource usage of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerUsage {
    pub container_id: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub at: Timestamp,
    /// Nanoseconds of CPU since the container's start.
    pub cpu_total_nanos: Option<u64>,
    /// Nanoseconds of CPU per second, over the runtime's last window.
    pub cpu_usage_nanocores: Option<u64>,
    pub memory_working_set_bytes: Option<u64>,
    pub memory_usage_bytes: Option<u64>,
    pub memory_rss_bytes: Option<u64>,
    pub memory_available_bytes: Option<u64>,
    pub memory_page_faults: Option<u64>,
    pub memory_major_page_faults: Option<u64>,
    /// Of the writable layer.
    pub writable_layer_bytes: Option<u64>,
    pub writable_layer_inodes: Option<u64>,
}

/// Resource usage of a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodUsage {
    pub sandbox_id: String,
    pub labels: BTreeMap<String, String>,
    pub at: Timestamp,
    pub cpu_total_nanos: Option<u64>,
    pub cpu_usage_nanocores: Option<u64>,
    pub memory_working_set_bytes: Option<u64>,
    pub memory_usage_bytes: Option<u64>,
    pub memory_rss_bytes: Option<u64>,
    pub network_interface: String,
    pub network_rx_bytes: Option<u64>,
    pub network_rx_errors: Option<u64>,
    pub network_tx_bytes: Option<u64>,
    pub network_tx_errors: Option<u64>,
    pub process_count: Option<u64>,
}
