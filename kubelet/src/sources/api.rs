//! The pods the API has for this node, as a watch brings them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use api_types::core::v1::Pod;
use client::{Client, ListParams};
use component_base::Shutdown;
use runtime::{Event, Informer};
use tokio::sync::mpsc;

use crate::pods::PodEvent;

/// Follows the pods bound to a node until shutdown.
pub async fn run(
    client: Client,
    node_name: String,
    pods: mpsc::UnboundedSender<PodEvent>,
    shutdown: Shutdown,
) {
    let selector = format!("spec.nodeName={node_name}");
    let informer = Informer::new(client.all::<Pod>()).select(ListParams::default().fields(selector));
    let store = informer.store();
    let listed = Arc::new(AtomicBool::new(false));
    {
        let (pods, listed) = (pods.clone(), listed.clone());
        store.subscribe(move |event| {
            // Before the first list is complete there is nothing to compare with.
            if !listed.load(Ordering::Acquire) {
                return;
            }
            let event = match event {
                Event::Deleted(..) => PodEvent::ApiDeleted(event.object().clone()),
                _ => PodEvent::ApiApplied(event.object().clone()),
            };
            // The manager is gone only when the kubelet is.
            let _ = pods.send(event);
        });
    }
    let store = informer.start(&shutdown);
    if shutdown.run_until(store.synced()).await.is_none() {
        return;
    }
    // Changes from here on are sent one by one; the list below is at least as new as those already sent.
    listed.store(true, Ordering::Release);
    let _ = pods.send(PodEvent::ApiList(store.list()));
    shutdown.wait().await;
}
