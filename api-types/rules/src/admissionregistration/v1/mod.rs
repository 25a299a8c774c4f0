//! Rules of `admissionregistration.k8s.io` in version `v1`.

pub mod webhook;
