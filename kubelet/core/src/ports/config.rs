//! What a sandbox or a container is asked to be: everything decided by the kubelet, nothing left to the adapter.

use std::collections::BTreeMap;

/// A sandbox to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SandboxConfig {
    pub name: String,
    pub uid: String,
    pub namespace: String,
    /// How many sandboxes this pod had before.
    pub attempt: u32,
    /// Empty for pods on the host's network.
    pub hostname: String,
    /// Directory on the host for the logs of the pod's containers.
    pub log_directory: String,
    /// `None` leaves the runtime's own choice (the host's resolv.conf).
    pub dns: Option<DnsConfig>,
    pub port_mappings: Vec<PortMapping>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Parent cgroup, in the form of the configured cgroup driver.
    pub cgroup_parent: String,
    pub sysctls: BTreeMap<String, String>,
    pub security: SandboxSecurity,
    /// Pod overhead.
    pub overhead: ContainerResources,
    /// Sum over the pod's containers.
    pub resources: ContainerResources,
}

/// A container to create.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerConfig {
    pub name: String,
    /// The container's restart count.
    pub attempt: u32,
    /// Reference of the image on this node, as [`super::Images::pull`] returned it.
    pub image: String,
    /// The image as the pod spec names it.
    pub user_specified_image: String,
    pub runtime_handler: String,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub working_dir: String,
    /// In order; a later entry of one name wins.
    pub env: Vec<(String, String)>,
    pub mounts: Vec<Mount>,
    pub devices: Vec<Device>,
    /// Fully qualified names of CDI devices.
    pub cdi_devices: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Relative to the sandbox's log directory.
    pub log_path: String,
    pub stdin: bool,
    pub stdin_once: bool,
    pub tty: bool,
    pub resources: ContainerResources,
    pub security: ContainerSecurity,
    /// Signal name such as `SIGTERM`; empty for the image's own.
    pub stop_signal: String,
}

/// Limits of a Linux cgroup. `None` leaves the kernel's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerResources {
    pub cpu_shares: Option<i64>,
    /// Microseconds per period; -1 for no limit.
    pub cpu_quota: Option<i64>,
    /// Microseconds.
    pub cpu_period: Option<i64>,
    pub memory_limit_bytes: Option<i64>,
    pub memory_swap_limit_bytes: Option<i64>,
    pub oom_score_adj: Option<i64>,
    pub cpuset_cpus: String,
    pub cpuset_mems: String,
    /// Page size such as `2MB` to a limit in bytes.
    pub hugepage_limits: BTreeMap<String, u64>,
    /// cgroup v2 files such as `memory.min` to their values.
    pub unified: BTreeMap<String, String>,
}

/// Name resolution of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsConfig {
    pub servers: Vec<String>,
    pub searches: Vec<String>,
    pub options: Vec<String>,
}

/// A host port for a container port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    pub container_port: i32,
    pub host_port: i32,
    /// Empty for all addresses.
    pub host_ip: String,
}

/// Whose namespace something shares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NamespaceMode {
    #[default]
    Pod,
    Container,
    Node,
    /// The namespace of the container with this id.
    Target(String),
}

/// The namespaces of a sandbox or a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    pub network: NamespaceMode,
    pub pid: NamespaceMode,
    pub ipc: NamespaceMode,
}

/// How a container's supplemental groups come about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SupplementalGroupsPolicy {
    /// Those of the pod and those of the image's /etc/group.
    #[default]
    Merge,
    /// Those of the pod alone.
    Strict,
}

/// A seccomp or AppArmor profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SeccompProfile {
    #[default]
    Unconfined,
    RuntimeDefault,
    /// Absolute path of a profile (seccomp) or its loaded name (AppArmor).
    Localhost(String),
}

/// SELinux label of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelinuxLabel {
    pub user: String,
    pub role: String,
    pub type_: String,
    pub level: String,
}

/// Security settings of a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxSecurity {
    pub namespaces: Namespaces,
    pub run_as_user: Option<i64>,
    pub run_as_group: Option<i64>,
    pub supplemental_groups: Vec<i64>,
    pub supplemental_groups_policy: SupplementalGroupsPolicy,
    pub readonly_rootfs: bool,
    pub privileged: bool,
    pub seccomp: SeccompProfile,
    pub apparmor: Option<SeccompProfile>,
    pub selinux: Option<SelinuxLabel>,
}

/// Security settings of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSecurity {
    pub namespaces: Namespaces,
    pub run_as_user: Option<i64>,
    pub run_as_username: String,
    pub run_as_group: Option<i64>,
    pub supplemental_groups: Vec<i64>,
    pub supplemental_groups_policy: SupplementalGroupsPolicy,
    pub readonly_rootfs: bool,
    pub privileged: bool,
    pub no_new_privs: bool,
    pub add_capabilities: Vec<String>,
    pub drop_capabilities: Vec<String>,
    pub seccomp: SeccompProfile,
    pub apparmor: Option<SeccompProfile>,
    pub selinux: Option<SelinuxLabel>,
    pub masked_paths: Vec<String>,
    pub readonly_paths: Vec<String>,
}

/// How mounts made later travel between host and container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MountPropagation {
    #[default]
    Private,
    HostToContainer,
    Bidirectional,
}

/// A directory or file of the host, or an image, in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    pub container_path: String,
    pub host_path: String,
    pub readonly: bool,
    /// Read-only for mounts below it too.
    pub recursive_readonly: bool,
    pub selinux_relabel: bool,
    pub propagation: MountPropagation,
    /// Reference of an image to mount instead of a host path; empty otherwise.
    pub image: String,
    /// Path inside that image; empty for its root.
    pub image_sub_path: String,
}

/// A device of the host in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    pub host_path: String,
    pub container_path: String,
    /// Some of `r`, `w`, `m`.
    pub permissions: String,
}
