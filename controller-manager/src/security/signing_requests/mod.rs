//! CertificateSigningRequests: approving those of kubelets, signing approved ones, removing old ones
//! (`pkg/controller/certificates`).

pub(crate) mod approving;
pub(crate) mod cleaner;
mod requests;
pub(crate) mod signing;
