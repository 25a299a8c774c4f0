//! Rules of `rbac.authorization.k8s.io` in version `v1`.

pub mod binding;
pub mod role;
