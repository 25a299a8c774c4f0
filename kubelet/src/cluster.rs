//! The API server, as far as the kubelet writes pods there.

use api_types::core::v1::Pod;
use async_trait::async_trait;
use client::{Client, DeleteParams, Patch, PatchParams};
use serde_json::Value;

use crate::statuses::{PodApi, PodApiError};

/// Pods over a client.
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// Pods over this client.
    pub fn new(client: Client) -> Cluster {
        Cluster { client }
    }
}

fn classify(error: client::Error) -> PodApiError {
    if error.is_not_found() {
        PodApiError::NotFound
    } else if error.is_already_exists() {
        PodApiError::AlreadyExists
    } else {
        PodApiError::Other(component_base::run::error_chain(&error))
    }
}

#[async_trait]
impl PodApi for Cluster {
    async fn patch_status(&self, namespace: &str, name: &str, patch: &Value) -> Result<Pod, PodApiError> {
        let pods = self.client.namespaced::<Pod>(namespace);
        let patch = Patch::Strategic(patch.clone());
        pods.patch_status(name, &patch, &PatchParams::default()).await.map_err(classify)
    }

    async fn create(&self, pod: &Pod) -> Result<Pod, PodApiError> {
        self.client.namespaced::<Pod>(&pod.metadata.namespace).create(pod).await.map_err(classify)
    }

    async fn delete(&self, namespace: &str, name: &str, uid: &str) -> Result<(), PodApiError> {
        let params = DeleteParams::default().with_uid(uid).with_grace_period(0);
        match self.client.namespaced::<Pod>(namespace).delete(name, &params).await {
            Ok(_) => Ok(()),
            // Another pod of that name: this one is gone.
            Err(error) if error.is_conflict() => Err(PodApiError::NotFound),
            Err(error) => Err(classify(error)),
        }
    }
}
