//! The node as it is: container runtime, cgroups, mounts, log files, hardware; nothing here decides anything.

pub mod cgroups;
pub mod cri;
pub mod events;
pub mod images;
pub mod logs;
pub mod machine;
pub mod mounts;
pub mod probes;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
