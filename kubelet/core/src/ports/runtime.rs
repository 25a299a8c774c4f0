//! The container runtime and its image store, as the kubelet asks them for work.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::config::{ContainerConfig, ContainerResources, SandboxConfig};
use super::observed::{
    ContainerStatus, ContainerSummary, ContainerUsage, ImageSummary, PodUsage, RuntimeStatus, RuntimeVersion,
    SandboxStatus, SandboxSummary,
};

/// Runs sandboxes and containers (CRI `RuntimeService`).
#[async_trait]
pub trait Runtime: Send + Sync {
    /// Name, version and API version of the runtime.
    async fn version(&self) -> Result<RuntimeVersion, RuntimeError>;

    /// The conditions `RuntimeReady` and `NetworkReady` and the handlers the runtime offers.
    async fn status(&self) -> Result<RuntimeStatus, RuntimeError>;

    /// All sandboxes made by a kubelet (those with a `io.kubernetes.pod.uid` label or CRI metadata), in any state.
    async fn list_sandboxes(&self) -> Result<Vec<SandboxSummary>, RuntimeError>;

    /// The full status of one sandbox, addresses included.
    async fn sandbox_status(&self, sandbox_id: &str) -> Result<SandboxStatus, RuntimeError>;

    /// Creates and starts a sandbox; returns its id. `runtime_handler` is empty for the default handler.
    async fn run_sandbox(
        &self,
        config: &SandboxConfig,
        runtime_handler: &str,
    ) -> Result<String, RuntimeError>;

    /// Stops a sandbox, its network and every container in it. Succeeds when it is already gone.
    async fn stop_sandbox(&self, sandbox_id: &str) -> Result<(), RuntimeError>;

    /// Removes a stopped sandbox and its containers. Succeeds when it is already gone.
    async fn remove_sandbox(&self, sandbox_id: &str) -> Result<(), RuntimeError>;

    /// All containers in any state.
    async fn list_containers(&self) -> Result<Vec<ContainerSummary>, RuntimeError>;

    /// The full status of one container.
    async fn container_status(&self, container_id: &str) -> Result<ContainerStatus, RuntimeError>;

    /// Creates a container in a sandbox; returns its id.
    async fn create_container(
        &self,
        sandbox_id: &str,
        config: &ContainerConfig,
        sandbox_config: &SandboxConfig,
    ) -> Result<String, RuntimeError>;

    /// Starts a created container.
    async fn start_container(&self, container_id: &str) -> Result<(), RuntimeError>;

    /// Sends the stop signal, waits `grace`, then kills. Returns when the container has stopped.
    async fn stop_container(&self, container_id: &str, grace: Duration) -> Result<(), RuntimeError>;

    /// Removes a stopped container. Succeeds when it is already gone.
    async fn remove_container(&self, container_id: &str) -> Result<(), RuntimeError>;

    /// Changes the cgroup limits of a running container in place.
    async fn update_container_resources(
        &self,
        container_id: &str,
        resources: &ContainerResources,
    ) -> Result<(), RuntimeError>;

    /// Runs a command in a container and waits for it. A command that ran and failed is an `Ok` with its exit code;
    /// one that did not end within `timeout` is [`RuntimeErrorCode::DeadlineExceeded`]. Zero means no limit.
    async fn exec(
        &self,
        container_id: &str,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, RuntimeError>;

    /// Makes the runtime close and open a container's log file (after rotation).
    async fn reopen_container_log(&self, container_id: &str) -> Result<(), RuntimeError>;

    /// Prepares an exec, attach or port-forward stream; returns the URL of the runtime's streaming server.
    async fn stream_url(&self, request: &StreamRequest) -> Result<String, RuntimeError>;

    /// Resource usage of all running containers.
    async fn container_usage(&self) -> Result<Vec<ContainerUsage>, RuntimeError>;

    /// Resource usage of all ready sandboxes, network included. `None` when the runtime cannot tell.
    async fn pod_usage(&self) -> Result<Option<Vec<PodUsage>>, RuntimeError>;

    /// Tells the runtime the pod address range of this node.
    async fn update_pod_cidr(&self, pod_cidr: &str) -> Result<(), RuntimeError>;

    /// A new subscription to container and sandbox events, from now on. The caller lists after subscribing.
    async fn events(&self) -> Result<Box<dyn RuntimeEvents>, RuntimeError>;
}

/// One subscription to the runtime's events.
#[async_trait]
pub trait RuntimeEvents: Send {
    /// The next event. `None` when the stream ended: subscribe again and list.
    /// Cancel-safe: a dropped call loses no event.
    async fn next(&mut self) -> Option<RuntimeEvent>;
}

/// The runtime's image store (CRI `ImageService`).
#[async_trait]
pub trait Images: Send + Sync {
    /// All images on this node.
    async fn list(&self) -> Result<Vec<ImageSummary>, RuntimeError>;

    /// The image behind a name, digest or id. `None` when it is not on this node.
    async fn status(&self, image: &str) -> Result<Option<ImageSummary>, RuntimeError>;

    /// Pulls an image; returns its reference (a digest or id that [`Images::status`] understands).
    async fn pull(
        &self,
        image: &str,
        credentials: Option<&ImageCredentials>,
        sandbox_config: Option<&SandboxConfig>,
        runtime_handler: &str,
    ) -> Result<String, RuntimeError>;

    /// Removes an image. Succeeds when it is already gone.
    async fn remove(&self, image_id: &str) -> Result<(), RuntimeError>;

    /// The file systems images and writable layers live on.
    async fn filesystems(&self) -> Result<Vec<ImageFilesystem>, RuntimeError>;
}

/// Something changed in a container or sandbox. It says where to look, never what to believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeEvent {
    /// Which kind of change.
    pub kind: RuntimeEventKind,
    /// The container, or the sandbox for a sandbox event.
    pub container_id: String,
    /// The pod's uid when the runtime tells it; otherwise the kubelet looks it up by the id.
    pub pod_uid: Option<String>,
}

/// The kinds of [`RuntimeEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeEventKind {
    Created,
    Started,
    /// The main process ended (or was killed).
    Stopped,
    Deleted,
    /// A process of the container was killed by the kernel for memory.
    OutOfMemory,
}

/// What a finished command left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub exit_code: i32,
}

/// A stream to prepare on the runtime's streaming server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamRequest {
    Exec { container_id: String, command: Vec<String>, tty: bool, stdin: bool, stdout: bool, stderr: bool },
    Attach { container_id: String, tty: bool, stdin: bool, stdout: bool, stderr: bool },
    PortForward { sandbox_id: String, ports: Vec<i32> },
}

/// Credentials for one registry. `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ImageCredentials {
    pub username: String,
    pub password: String,
    pub auth: String,
    pub server_address: String,
    pub identity_token: String,
    pub registry_token: String,
}

impl fmt::Debug for ImageCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ImageCredentials")
            .field("username", &self.username)
            .field("server_address", &self.server_address)
            .finish_non_exhaustive()
    }
}

/// Usage of a file system that holds images or container layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFilesystem {
    /// Where it is mounted.
    pub mountpoint: String,
    /// Bytes used by images or layers (not by the whole file system).
    pub used_bytes: u64,
    /// Inodes used.
    pub inodes_used: u64,
    /// True for the file system of the writable layers, false for that of the images.
    pub holds_containers: bool,
}

/// A refused or failed call to the runtime. Displays as upstream shows gRPC errors, because the text ends up in
/// events and container statuses that users read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("rpc error: code = {code} desc = {message}")]
pub struct RuntimeError {
    pub code: RuntimeErrorCode,
    pub message: String,
}

impl RuntimeError {
    /// An error with a code and a message.
    pub fn new(code: RuntimeErrorCode, message: impl Into<String>) -> RuntimeError {
        RuntimeError { code, message: message.into() }
    }

    /// Whether the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code == RuntimeErrorCode::NotFound
    }
}

/// The gRPC status codes, by their Go names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeErrorCode {
    Canceled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

impl fmt::Display for RuntimeErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The variants are named as Go prints the codes.
        fmt::Debug::fmt(self, formatter)
    }
}

/// Labels or annotations of a runtime object.
pub type Labels = BTreeMap<String, String>;
