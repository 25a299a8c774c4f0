//! The kubelet's decisions, without any doing: from a pod's spec, what was observed, and the time, to what to do next.
//!
//! Pure: no runtime, no files, no environment, no clock. The `kubelet` crate gathers the inputs and carries the
//! decisions out through the traits in [`ports`].

pub mod ports;

pub mod observed;
pub mod pod;

pub mod actions;
pub mod admission;
pub mod backoff;
pub mod container_config;
pub mod dns;
pub mod downward;
pub mod environment;
pub mod eviction;
pub mod expansion;
pub mod garbage;
pub mod hosts_file;
pub mod images;
pub mod node_status;
pub mod pod_lifecycle;
pub mod probes;
pub mod projection;
pub mod qos;
pub mod resizing;
pub mod restart;
pub mod sandbox_config;
pub mod security;
pub mod start_latency;
pub mod statistics;
pub mod status;
pub mod termination;

#[cfg(test)]
mod testing;
