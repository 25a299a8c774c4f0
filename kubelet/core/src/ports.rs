//! What the kubelet needs from the outside world, as traits in the kubelet's own words.
//!
//! The adapters crate implements these on CRI, mount(2), cgroups, procfs and sockets; tests implement
//! them on plain memory. Nothing in here knows gRPC, containerd or a kernel interface. What the kubelet shows its own
//! HTTPS server is the trait `KubeletView` in the kubelet crate.
//!
//! Invariants every implementation keeps:
//! - all times are wall-clock [`jiff::Timestamp`]s, all sizes bytes, all ids opaque strings;
//! - stopping or removing something that is already gone succeeds;
//! - no method panics on what the other side answers: a malformed answer is a [`RuntimeError`];
//! - every call is cancel-safe for the caller: dropping the future leaves at most an unfinished
//!   operation that a later list shows.

pub mod cgroups;
pub mod config;
pub mod machine;
pub mod mounts;
pub mod observed;
pub mod probe;
pub mod runtime;

pub use cgroups::{
    CgroupDetails, CgroupError, CgroupLimits, CgroupName, CgroupUsage, CgroupVersion, Cgroups, DeviceUse,
};
pub use config::{
    ContainerConfig, ContainerResources, ContainerSecurity, Device, DnsConfig, Mount, MountPropagation,
    NamespaceMode, Namespaces, PortMapping, SandboxConfig, SandboxSecurity, SeccompProfile, SelinuxLabel,
    SupplementalGroupsPolicy,
};
pub use machine::{
    FilesystemUsage, Interface, Machine, MachineError, MachineFacts, MemoryUsage, Packets, ProcessCount,
};
pub use mounts::{BindOptions, MountError, Mounts, OwnershipChange, TmpfsOptions};
pub use observed::{
    ContainerState, ContainerStatus, ContainerSummary, ContainerUsage, ContainerUser, ImageSummary, PodUsage,
    RuntimeCondition, RuntimeHandler, RuntimeStatus, RuntimeVersion, SandboxState, SandboxStatus,
    SandboxSummary,
};
pub use probe::{GrpcProbe, HttpProbe, ProbeAnswer, Prober, TcpProbe};
pub use runtime::{
    ExecOutput, ImageCredentials, ImageFilesystem, Images, Runtime, RuntimeError, RuntimeErrorCode,
    RuntimeEvent, RuntimeEventKind, RuntimeEvents, StreamRequest,
};
