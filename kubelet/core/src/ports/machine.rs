//! Facts and measurements of the machine this kubelet runs on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use async_trait::async_trait;

/// The machine under the node.
#[async_trait]
pub trait Machine: Send + Sync {
    /// What does not change while the machine is up.
    async fn facts(&self) -> Result<MachineFacts, MachineError>;

    /// Memory of the whole machine now.
    async fn memory(&self) -> Result<MemoryUsage, MachineError>;

    /// The file system that holds `path`.
    async fn filesystem(&self, path: &Path) -> Result<FilesystemUsage, MachineError>;

    /// Processes and the most there may be.
    async fn processes(&self) -> Result<ProcessCount, MachineError>;

    /// CPU time of the whole machine since boot, in nanoseconds.
    async fn cpu_total_nanos(&self) -> Result<u64, MachineError>;

    /// Network interfaces that are up, with addresses and counters.
    async fn interfaces(&self) -> Result<Vec<Interface>, MachineError>;

    /// Counters of the interfaces a process sees, without their addresses; the loopback is left out.
    async fn interfaces_of(&self, pid: i32) -> Result<Vec<Interface>, MachineError>;

    /// Source addresses of the default routes, IPv4 first.
    async fn default_route_addresses(&self) -> Result<Vec<IpAddr>, MachineError>;

    /// Resolves a host name.
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, MachineError>;

    /// Sets `oom_score_adj` of a process (0: this one). A kernel that forbids it is an error the caller logs.
    async fn set_oom_score_adj(&self, pid: i32, value: i32) -> Result<(), MachineError>;

    /// Reads a sysctl such as `vm.overcommit_memory`.
    async fn sysctl(&self, name: &str) -> Result<String, MachineError>;

    /// Writes a sysctl.
    async fn set_sysctl(&self, name: &str, value: &str) -> Result<(), MachineError>;
}

/// What identifies the machine and its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineFacts {
    pub hostname: String,
    pub machine_id: String,
    pub system_uuid: String,
    pub boot_id: String,
    pub kernel_version: String,
    /// `PRETTY_NAME` of os-release.
    pub os_image: String,
    /// `linux`.
    pub operating_system: String,
    /// Go's name, such as `amd64`.
    pub architecture: String,
    /// Online logical CPUs.
    pub cpus: u64,
    pub memory_bytes: u64,
    pub swap_bytes: u64,
    /// Page size in bytes to the number of pages of that size.
    pub hugepages: BTreeMap<u64, u64>,
}

/// Memory of the machine. `available` is what eviction looks at: capacity minus the working set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryUsage {
    pub capacity_bytes: u64,
    pub available_bytes: u64,
    pub working_set_bytes: u64,
    pub usage_bytes: u64,
    pub rss_bytes: u64,
    pub page_faults: u64,
    pub major_page_faults: u64,
    pub swap_capacity_bytes: u64,
    pub swap_available_bytes: u64,
}

/// Space and inodes of a file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesystemUsage {
    /// Device number, to tell whether two paths share a file system.
    pub device: u64,
    pub capacity_bytes: u64,
    pub available_bytes: u64,
    pub used_bytes: u64,
    pub inodes: u64,
    pub inodes_free: u64,
    pub inodes_used: u64,
}

/// Processes of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessCount {
    /// The lower of `kernel.pid_max` and `kernel.threads-max`.
    pub limit: u64,
    pub running: u64,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub addresses: Vec<(IpAddr, u8)>,
    pub loopback: bool,
    pub rx_bytes: u64,
    pub rx_errors: u64,
    pub tx_bytes: u64,
    pub tx_errors: u64,
    pub packets: Packets,
}

/// Packets that came and went, and those that were dropped on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    pub received: u64,
    pub receive_dropped: u64,
    pub transmitted: u64,
    pub transmit_dropped: u64,
}

/// A fact that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {message}")]
pub struct MachineError {
    /// Such as `read /proc/meminfo`.
    pub what: String,
    pub message: String,
}
