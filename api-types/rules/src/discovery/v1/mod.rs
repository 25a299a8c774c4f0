//! Rules of `discovery.k8s.io` in version `v1`.

pub mod endpoint_slice;
