//! The node as it is: container runtime, cgroups, mounts, log files, hardware; nothing here decides anything.

pub mod cri;
pub mod events;
pub mod images;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
