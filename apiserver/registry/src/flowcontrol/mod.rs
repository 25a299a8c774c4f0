//! Resources of group `flowcontrol.apiserver.k8s.io`.

pub mod flowschemas;
pub mod prioritylevelconfigurations;
