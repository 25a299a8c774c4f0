//! Resources of group `networking.k8s.io`.

pub mod ipaddresses;
pub mod servicecidrs;
