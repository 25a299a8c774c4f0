//! Rules of `scheduling.k8s.io` in version `v1`.

pub mod priority_class;
