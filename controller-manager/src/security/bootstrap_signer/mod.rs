//! Signs the kubeconfig in `kube-public/cluster-info` with every bootstrap token, so that a joining node
//! can trust it (`pkg/controller/bootstrap`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use api_types::core::v1::{ConfigMap, Secret};
use client::ListParams;
use runtime::controller::enqueue;
use runtime::{Informer, ObjectKey};

use crate::context::{Context, Task};
use crate::controllers::Entry;
use crate::security::bootstrap_tokens::{NAMESPACE, TYPE};

use gather::BootstrapSigner;

/// Subscribes to the one ConfigMap and to the Secrets of tokens.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let client = context.root_client();
    let named = ListParams::default().fields(format!("metadata.name={}", plan::NAME));
    let informer = Informer::new(client.namespaced::<ConfigMap>(plan::PUBLIC_NAMESPACE)).select(named);
    let configs = context.informers.private(informer);
    let typed = ListParams::default().fields(format!("type={TYPE}"));
    let informer = Informer::new(client.namespaced::<Secret>(NAMESPACE)).select(typed);
    let secrets = context.informers.private(informer);
    let queue = context.queue("bootstrap_signer_queue");
    let key = ObjectKey::new(plan::PUBLIC_NAMESPACE, plan::NAME);
    let of_secret = key.clone();
    enqueue(&configs, &queue, move |_| vec![key.clone()]);
    enqueue(&secrets, &queue, move |_| vec![of_secret.clone()]);
    let controller = BootstrapSigner { configs: configs.clone(), secrets };
    Ok(Some(context.task(context.driver(entry, controller, queue)?.workers(1).waits_for(&configs))))
}
