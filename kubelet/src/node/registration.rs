//! Makes this node known to the API, and keeps what the API says of it at hand.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::Node;
use client::{Client, ListParams, Patch, PatchParams};
use component_base::Shutdown;
use kubelet_core::node_status;
use runtime::{Event, Informer};
use serde_json::json;
use tokio::sync::Notify;

use crate::context::Context;
use client::outage::Outage;

/// First and longest wait between attempts.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(7);

/// Registers the node, again and again until it succeeds. Returns false on shutdown.
pub async fn register(client: &Client, context: &Context, initial: &Node, shutdown: &Shutdown) -> bool {
    let mut outage = Outage::new("register this node with the API server", FIRST_RETRY, LONGEST_RETRY);
    loop {
        let wait = match attempt(client, context, initial).await {
            Ok(()) => {
                tracing::info!(node = %context.node_name, "node registered");
                return true;
            }
            Err(error) => outage.failed(&component_base::run::error_chain(&error)),
        };
        if !shutdown.sleep(wait).await {
            return false;
        }
    }
}

async fn attempt(client: &Client, context: &Context, initial: &Node) -> Result<(), client::Error> {
    let nodes = client.all::<Node>();
    match nodes.create(initial).await {
        Ok(node) => {
            adopt(context, node);
            return Ok(());
        }
        Err(error) if error.is_already_exists() => {}
        // A kubelet that may not create nodes may still update its own.
        Err(error) if error.is_forbidden() => {
            tracing::debug!(%error, "not allowed to create the node, looking for an existing one");
        }
        Err(error) => return Err(error),
    }
    let existing = nodes.get(&context.node_name).await?;
    let mut wanted = existing.clone();
    if node_status::reconcile(&mut wanted, initial) {
        let null_or = |map: &std::collections::BTreeMap<String, String>,
                       old: &std::collections::BTreeMap<String, String>| {
            let mut fields = serde_json::Map::new();
            for (key, value) in map.iter().filter(|(key, value)| old.get(*key) != Some(value)) {
                fields.insert(key.clone(), json!(value));
            }
            for key in old.keys().filter(|key| !map.contains_key(*key)) {
                fields.insert(key.clone(), serde_json::Value::Null);
            }
            serde_json::Value::Object(fields)
        };
        let patch = json!({"metadata": {
            "labels": null_or(&wanted.metadata.labels, &existing.metadata.labels),
            "annotations": null_or(&wanted.metadata.annotations, &existing.metadata.annotations),
        }});
        let patched = nodes.patch(&context.node_name, &Patch::Merge(patch), &PatchParams::default()).await?;
        adopt(context, patched);
    } else {
        adopt(context, existing);
    }
    Ok(())
}

/// Takes the API's node; what the machine has stays when the API does not have it yet.
fn adopt(context: &Context, mut node: Node) {
    let known = context.node.load();
    if node.status.allocatable.is_empty() {
        node.status.capacity = known.status.capacity.clone();
        node.status.allocatable = known.status.allocatable.clone();
    }
    context.node.store(Arc::new(node));
}

/// Follows this node in the API until shutdown. `deleted` hears when it is gone, so that it is registered again.
pub async fn follow(client: Client, context: Arc<Context>, deleted: Arc<Notify>, shutdown: Shutdown) {
    let only = ListParams::default().fields(format!("metadata.name={}", context.node_name));
    let informer = Informer::new(client.all::<Node>()).select(only);
    {
        let context = context.clone();
        informer.store().subscribe(move |event| match event {
            Event::Deleted(..) => deleted.notify_one(),
            _ => adopt(&context, event.object().as_ref().clone()),
        });
    }
    informer.start(&shutdown);
    shutdown.wait().await;
}
