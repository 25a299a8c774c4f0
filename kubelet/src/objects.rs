//! The API objects that pods refer to: ConfigMaps, Secrets, Services, RuntimeClasses, tokens.

mod tokens;
pub mod watched;

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{ConfigMap, PersistentVolume, PersistentVolumeClaim, Pod, Secret, Service};
use async_trait::async_trait;
use kubelet_core::projection::TokenNeed;

/// Why an object cannot be had. Absence is not an error: it is `None`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    #[error("couldn't get {kind} {namespace}/{name}, no kubeClient defined")]
    NoApi { kind: &'static str, namespace: String, name: String },
    #[error("failed to get {kind} {namespace}/{name}: {message}")]
    Failed { kind: &'static str, namespace: String, name: String, message: String },
    #[error("services have not yet been read at least once, cannot construct envvars")]
    ServicesNotSynced,
}

/// A service account token in use.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub value: Vec<u8>,
}

/// Where the objects come from: caches over the API, or nowhere on a node without one.
#[async_trait]
pub trait Objects: Send + Sync {
    /// A pod begins to need its objects: watches start.
    fn register(&self, pod: &Pod);

    /// A pod is gone: watches nobody needs stop, its tokens are forgotten.
    fn unregister(&self, pod: &Pod);

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Arc<ConfigMap>>, ObjectError>;

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Arc<Secret>>, ObjectError>;

    /// All services; an error when they have not been read once after so much patience.
    async fn services(&self, patience: Duration) -> Result<Vec<Arc<Service>>, ObjectError>;

    /// A token for the pod's service account, issued anew when four fifths of its life are over.
    async fn token(&self, pod: &Pod, need: &TokenNeed) -> Result<Token, ObjectError>;

    /// The handler of a runtime class; `None` when there is no such class.
    async fn runtime_handler(&self, class: &str) -> Result<Option<String>, ObjectError>;

    /// A claim and the volume bound to it.
    async fn claim(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(PersistentVolumeClaim, Option<PersistentVolume>)>, ObjectError>;
}

/// A node without an API server: static pods that refer to nothing run, all others say what they miss.
pub struct NoObjects;

fn missing(kind: &'static str, namespace: &str, name: &str) -> ObjectError {
    ObjectError::NoApi { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}

#[async_trait]
impl Objects for NoObjects {
    fn register(&self, _pod: &Pod) {}

    fn unregister(&self, _pod: &Pod) {}

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Arc<ConfigMap>>, ObjectError> {
        Err(missing("configMap", namespace, name))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Arc<Secret>>, ObjectError> {
        Err(missing("secret", namespace, name))
    }

    async fn services(&self, _patience: Duration) -> Result<Vec<Arc<Service>>, ObjectError> {
        Ok(Vec::new())
    }

    async fn token(&self, pod: &Pod, _need: &TokenNeed) -> Result<Token, ObjectError> {
        Err(missing("token of service account", &pod.metadata.namespace, &pod.spec.service_account_name))
    }

    async fn runtime_handler(&self, class: &str) -> Result<Option<String>, ObjectError> {
        Err(missing("RuntimeClass", "", class))
    }

    async fn claim(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(PersistentVolumeClaim, Option<PersistentVolume>)>, ObjectError> {
        Err(missing("persistentVolumeClaim", namespace, name))
    }
}
