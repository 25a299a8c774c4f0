//! Rules of `authentication.k8s.io` in version `v1`.

pub mod token_request;
