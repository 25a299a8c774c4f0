//! Resources of group `certificates.k8s.io`.

pub mod certificatesigningrequests;
