//! Rules of group `networking.k8s.io`.

pub mod v1;
