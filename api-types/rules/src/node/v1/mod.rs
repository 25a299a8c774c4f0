//! Rules of `node.k8s.io` in version `v1`.

pub mod runtime_class;
