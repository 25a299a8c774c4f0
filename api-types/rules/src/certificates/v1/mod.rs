//! Rules of `certificates.k8s.io` in version `v1`.

pub mod certificate_signing_request;
