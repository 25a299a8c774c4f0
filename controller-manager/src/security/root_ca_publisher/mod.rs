//! Publishes the cluster's root authority as ConfigMap `kube-root-ca.crt` in every namespace, for pods to
//! verify the API server by (`pkg/controller/certificates/rootcacertpublisher`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use api_types::core::v1::{ConfigMap, Namespace};
use client::ListParams;
use component_base::tls::{CertificateFacts, files};
use runtime::controller::{enqueue, enqueue_self};
use runtime::{Informer, ObjectKey};

use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::RootCa;

/// Subscribes to namespaces and to the published ConfigMaps alone.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let bundle = match &context.options.root_ca_file {
        Some(path) => read_bundle(path)?,
        None => {
            // As upstream: what this program itself trusts.
            let authorities = context.root_client().config().authorities.as_ref();
            let Some(authorities) = authorities else { return Ok(None) };
            String::from_utf8(authorities.read()?)?
        }
    };
    let namespaces = context.informers.store::<Namespace>();
    let selection = ListParams::default().fields(format!("metadata.name={}", plan::NAME));
    let informer = Informer::new(context.root_client().all::<ConfigMap>()).select(selection);
    let published = context.informers.private(informer);
    let queue = context.queue("root_ca_cert_publisher");
    enqueue_self(&namespaces, &queue);
    enqueue(&published, &queue, |event| vec![ObjectKey::new("", &event.object().metadata.namespace)]);
    let controller = RootCa { namespaces, published: published.clone(), bundle: Arc::from(bundle) };
    Ok(Some(context.task(context.driver(entry, controller, queue)?.workers(1).waits_for(&published))))
}

/// Reads a bundle, refusing one without certificates.
pub(crate) fn read_bundle(path: &std::path::Path) -> anyhow::Result<String> {
    let pem = files::read(path)?;
    CertificateFacts::all_from_pem(&pem).map_err(|error| files::in_file(path, error))?;
    Ok(String::from_utf8(pem)?)
}
