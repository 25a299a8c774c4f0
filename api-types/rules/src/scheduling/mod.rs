//! Rules of group `scheduling.k8s.io`.

pub mod v1;
