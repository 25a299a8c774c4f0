//! kubeadm: makes a machine a control-plane node or a worker of a cluster, and undoes it.

pub mod config;
pub mod constants;
pub mod host;
pub mod pki;
pub mod preflight;
pub mod render;
