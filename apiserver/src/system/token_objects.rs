//! The objects that tokens refer to, read from the stores for the authenticators.

use api_types::core::v1::{Node, Pod, Secret, ServiceAccount};
use apiserver_auth::authn::AuthnError;
use apiserver_auth::authn::service_account::legacy::LAST_USED_LABEL;
use apiserver_auth::authn::service_account::{BoundObject, ObjectGetter};
use async_trait::async_trait;
use machinery::meta::v1::ObjectMeta;
use machinery::status::StatusError;

use super::typed::Typed;

/// Reads through the watch caches.
pub struct TokenObjects {
    /// The stores.
    pub typed: Typed,
}

fn lookup(object: String) -> impl FnOnce(StatusError) -> AuthnError {
    move |error| AuthnError::Lookup { object, reason: error.to_string() }
}

fn bound(meta: &ObjectMeta) -> BoundObject {
    BoundObject {
        name: meta.name.clone(),
        uid: meta.uid.clone(),
        deletion_timestamp: meta.deletion_timestamp.as_ref().and_then(|time| time.to_timestamp()),
    }
}

#[async_trait]
impl ObjectGetter for TokenObjects {
    async fn service_account(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ServiceAccount>, AuthnError> {
        self.typed.get(namespace, name).await.map_err(lookup(format!("serviceaccount {namespace}/{name}")))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, AuthnError> {
        self.typed.get(namespace, name).await.map_err(lookup(format!("secret {namespace}/{name}")))
    }

    async fn pod(&self, namespace: &str, name: &str) -> Result<Option<BoundObject>, AuthnError> {
        let pod: Option<Pod> =
            self.typed.get(namespace, name).await.map_err(lookup(format!("pod {namespace}/{name}")))?;
        Ok(pod.map(|pod| bound(&pod.metadata)))
    }

    async fn node(&self, name: &str) -> Result<Option<BoundObject>, AuthnError> {
        let node: Option<Node> = self.typed.get("", name).await.map_err(lookup(format!("node {name}")))?;
        Ok(node.map(|node| bound(&node.metadata)))
    }

    async fn record_last_use(&self, namespace: &str, secret: &str, uid: &str, day: &str) {
        let outcome = self
            .typed
            .update::<Secret>(namespace, secret, |object| {
                if object.metadata.uid == uid {
                    object.metadata.labels.insert(LAST_USED_LABEL.to_string(), day.to_string());
                }
            })
            .await;
        if let Err(error) = outcome {
            tracing::warn!(%error, namespace, secret, "labelling a legacy service account token failed");
        }
    }
}
