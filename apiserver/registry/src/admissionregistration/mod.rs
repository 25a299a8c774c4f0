//! Resources of group `admissionregistration.k8s.io`.

mod conditions;
pub mod mutatingwebhookconfigurations;
pub mod validatingwebhookconfigurations;
