//! kubeadm: makes a machine a control-plane node or a worker of a cluster, and undoes it.
//!
//! ```text
//! command line -> workflow -> phases: facts and configuration -> render -> files, API, host
//! ```

pub mod app;
pub mod cluster;
pub mod config;
pub mod constants;
pub mod host;
pub mod phases;
pub mod pki;
pub mod preflight;
pub mod render;
pub mod workflows;
