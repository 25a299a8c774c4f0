//! Rules of `coordination.k8s.io` in version `v1`.

pub mod lease;
