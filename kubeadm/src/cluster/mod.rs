//! The cluster's API: getting in, writing objects, and waiting for the control plane.

pub mod access;
pub mod discovery;
pub mod manifests;
pub mod rbac;
#[cfg(test)]
pub(crate) mod testing;
pub mod tokens;
pub mod wait;

/// Why something could not be done through the API.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("unable to {action} {kind} {name:?}")]
    Call { action: &'static str, kind: &'static str, name: String, source: Box<client::Error> },
    #[error("could not use the kubeconfig {path:?}")]
    Kubeconfig { path: std::path::PathBuf, source: Box<client::Error> },
    #[error("the ClusterRoleBinding for the {group} Group is missing but there is no {file} to create it")]
    NoSuperAdmin { group: &'static str, file: &'static str },
    #[error("invalid manifest: {message}")]
    Manifest { message: String },
    #[error("a token with id {id:?} already exists")]
    TokenExists { id: String },
    #[error("{what} is not healthy after {limit:?}: {last}")]
    Unhealthy { what: String, limit: std::time::Duration, last: String },
}
