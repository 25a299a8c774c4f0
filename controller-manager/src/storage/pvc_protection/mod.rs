//! Keeps a claim that pods use from going (`pkg/controller/volume/pvcprotection`).

mod plan;

use std::sync::Arc;

use api_types::core::v1::{PersistentVolumeClaim, Pod};
use client::{Client, ListParams};
use runtime::controller::{enqueue, enqueue_self};
use runtime::store::BY_NAMESPACE;
use runtime::worker::{self, Next};
use runtime::{Event, ObjectKey, Store};

use super::{Protection, protection, with_finalizer};
use crate::context::{Context, Task};
use crate::controllers::Entry;

const FINALIZER: &str = "kubernetes.io/pvc-protection";

/// The caches, and the client to ask where they might be behind.
struct Claims {
    claims: Store<PersistentVolumeClaim>,
    pods: Store<Pod>,
    client: Client,
}

/// Subscribes to claims and pods.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let claims = context.informers.store::<PersistentVolumeClaim>();
    let pods = context.pods();
    let queue = context.queue("pvcprotection");
    enqueue_self(&claims, &queue);
    let known = claims.clone();
    enqueue(&pods, &queue, move |event| keys_of_pod(event, &known));
    let claims = Arc::new(Claims { claims, pods, client: context.client(entry)? });
    Ok(Some(Box::pin(worker::run(queue, 5, context.shutdown.clone(), move |key| {
        let claims = Arc::clone(&claims);
        async move {
            match claims.handle(&key).await {
                Ok(()) => Next::Done,
                Err(error) if error.is_not_found() => Next::Done,
                Err(error) => {
                    let error = component_base::run::error_chain(&error);
                    tracing::debug!(%key, error, "protection of a claim not settled, trying again");
                    Next::Retry
                }
            }
        }
    }))))
}

/// The claims of a pod that ended, went or changed, where they are going.
fn keys_of_pod(event: &Event<Pod>, claims: &Store<PersistentVolumeClaim>) -> Vec<ObjectKey> {
    let pod = event.object();
    let names = plan::claims_of(pod);
    let keys = names.into_iter().map(|name| ObjectKey::new(&pod.metadata.namespace, &name));
    keys.filter(|key| {
        claims.get(key).is_some_and(|claim| protection(claim.as_ref(), FINALIZER) == Protection::Waits)
    })
    .collect()
}

impl Claims {
    async fn handle(&self, key: &ObjectKey) -> Result<(), client::Error> {
        let Some(claim) = self.claims.get(key) else { return Ok(()) };
        let hold = match protection(claim.as_ref(), FINALIZER) {
            Protection::Nothing => return Ok(()),
            Protection::Add => true,
            Protection::Waits if self.is_used(&claim).await? => return Ok(()),
            Protection::Waits => false,
        };
        let changed = with_finalizer(claim.as_ref(), FINALIZER, hold);
        self.client.namespaced(key.namespace()).replace(&changed).await.map(drop)
    }

    /// A cache that shows no user may be behind, and what is lost then cannot be had back.
    async fn is_used(&self, claim: &PersistentVolumeClaim) -> Result<bool, client::Error> {
        let namespace = &claim.metadata.namespace;
        let known = self.pods.by_index(BY_NAMESPACE, namespace);
        if known.iter().any(|pod| plan::uses(pod, claim)) {
            return Ok(true);
        }
        let pods = self.client.namespaced::<Pod>(namespace).list_all(&ListParams::default()).await?;
        Ok(pods.items.iter().any(|pod| plan::uses(pod, claim)))
    }
}
