//! Rules of `networking.k8s.io` in version `v1`.

pub mod ingress_class;
pub mod network_policy;
