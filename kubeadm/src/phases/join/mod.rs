//! The phases of `join` for a worker, each with upstream's name.

mod kubelet_start;
mod kubelet_wait_bootstrap;
mod preflight;

use crate::workflows::{join_data::JoinData, phase::Phase};

/// Flags by which a phase that runs alone finds the cluster.
const DISCOVERY_FLAGS: &[&str] = &[
    "config",
    "cri-socket",
    "discovery-file",
    "discovery-token",
    "discovery-token-ca-cert-hash",
    "discovery-token-unsafe-skip-ca-verification",
    "dry-run",
    "ignore-preflight-errors",
    "node-name",
    "patches",
    "tls-bootstrap-token",
    "token",
];

/// All phases, in the order in which `join` runs them.
pub fn all() -> Vec<Phase<JoinData>> {
    vec![preflight::phase(), kubelet_start::phase(), kubelet_wait_bootstrap::phase()]
}
