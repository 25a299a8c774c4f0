//! Resources of group `coordination.k8s.io`.

pub mod leases;
