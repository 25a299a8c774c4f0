//! Resources of group `admissionregistration.k8s.io`.

pub mod mutatingwebhookconfigurations;
pub mod validatingwebhookconfigurations;
