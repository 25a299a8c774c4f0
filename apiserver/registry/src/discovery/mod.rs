//! Resources of group `discovery.k8s.io`.

pub mod endpointslices;
