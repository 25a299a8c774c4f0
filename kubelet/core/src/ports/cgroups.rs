//! The cgroups of pods and of the node's reserved slices.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

/// Makes, limits, measures and removes cgroups, on v1 and v2, with either driver.
#[async_trait]
pub trait Cgroups: Send + Sync {
    /// The hierarchy in use.
    fn version(&self) -> CgroupVersion;

    /// The name in the form the runtime wants as cgroup parent: a path for the `cgroupfs` driver
    /// (`/kubepods/burstable/pod<uid>`), a slice for `systemd` (`kubepods-burstable-pod<uid_>.slice`).
    fn runtime_parent(&self, name: &CgroupName) -> String;

    /// Creates the cgroup with its parents in every controller, and sets its limits.
    async fn ensure(&self, name: &CgroupName, limits: &CgroupLimits) -> Result<(), CgroupError>;

    /// Whether it exists.
    async fn exists(&self, name: &CgroupName) -> Result<bool, CgroupError>;

    /// Kills every process in it and below, then removes it. Succeeds when it is already gone.
    async fn destroy(&self, name: &CgroupName) -> Result<(), CgroupError>;

    /// Names of the cgroups directly below (last component only, driver's decoration removed).
    async fn children(&self, name: &CgroupName) -> Result<Vec<String>, CgroupError>;

    /// Process ids in it and below.
    async fn processes(&self, name: &CgroupName) -> Result<Vec<i32>, CgroupError>;

    /// What it uses.
    async fn usage(&self, name: &CgroupName) -> Result<CgroupUsage, CgroupError>;

    /// What the cgroup uses that the runtime made for a container below its pod's; `None` when there is none.
    async fn container_usage(
        &self,
        pod: &CgroupName,
        container_id: &str,
    ) -> Result<Option<CgroupUsage>, CgroupError>;
}

/// The kernel's cgroup hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    V1,
    V2,
}

/// A cgroup by its components from the root, such as `["kubepods", "burstable", "pod<uid>"]`. The root is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CgroupName(pub Vec<String>);

impl CgroupName {
    /// The root cgroup.
    pub fn root() -> CgroupName {
        CgroupName(Vec::new())
    }

    /// The cgroup of this name below.
    pub fn child(&self, component: impl Into<String>) -> CgroupName {
        let mut components = self.0.clone();
        components.push(component.into());
        CgroupName(components)
    }
}

impl fmt::Display for CgroupName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "/{}", self.0.join("/"))
    }
}

/// Limits of a cgroup. `None` leaves what is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupLimits {
    /// In the v1 scale (2–262144); the adapter converts to a v2 weight.
    pub cpu_shares: Option<u64>,
    /// Microseconds per period; -1 for no limit.
    pub cpu_quota: Option<i64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// Bytes; -1 for no limit.
    pub memory_limit_bytes: Option<i64>,
    /// -1 for no limit.
    pub pids_limit: Option<i64>,
    /// Page size such as `2MB` to a limit in bytes.
    pub hugepage_limits: BTreeMap<String, u64>,
    /// cgroup v2 files such as `memory.min` to their values; ignored on v1.
    pub unified: BTreeMap<String, String>,
}

/// What a cgroup uses. `None` where its controller is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupUsage {
    pub cpu_total_nanos: Option<u64>,
    pub memory_usage_bytes: Option<u64>,
    /// Usage without inactive file cache.
    pub memory_working_set_bytes: Option<u64>,
    pub memory_rss_bytes: Option<u64>,
    pub memory_page_faults: Option<u64>,
    pub memory_major_page_faults: Option<u64>,
    pub process_count: Option<u64>,
    pub details: CgroupDetails,
}

/// What only dashboards ask of a cgroup. `None` where the kernel does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupDetails {
    pub cpu_user_nanos: Option<u64>,
    pub cpu_system_nanos: Option<u64>,
    /// Periods in which something ran under a quota, those of them in which it was held back, and for how long.
    pub cpu_periods: Option<u64>,
    pub cpu_throttled_periods: Option<u64>,
    pub cpu_throttled_nanos: Option<u64>,
    /// Limits, in the v1 scale and in microseconds; no quota when there is no limit.
    pub cpu_shares: Option<u64>,
    pub cpu_quota: Option<u64>,
    pub cpu_period: Option<u64>,
    /// No limit is none here.
    pub memory_limit_bytes: Option<u64>,
    pub memory_cache_bytes: Option<u64>,
    pub memory_mapped_bytes: Option<u64>,
    pub memory_swap_bytes: Option<u64>,
    pub memory_peak_bytes: Option<u64>,
    /// Processes the kernel killed for memory.
    pub oom_kills: Option<u64>,
    /// By device, such as `/dev/vda`.
    pub devices: BTreeMap<String, DeviceUse>,
}

/// Traffic with one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceUse {
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub reads: u64,
    pub writes: u64,
}

/// A failed cgroup operation.
#[derive(Debug, thiserror::Error)]
#[error("{operation} cgroup {name}: {message}")]
pub struct CgroupError {
    /// Such as `create`.
    pub operation: &'static str,
    pub name: CgroupName,
    pub message: String,
}
