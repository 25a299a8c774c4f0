//! One cache of metadata for each resource, started and stopped as resources come and go.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use client::DynamicResource;
use client::discovery::Discovery;
use component_base::Shutdown;
use machinery::meta::v1::PartialObjectMetadata;
use runtime::{Event, Informer, Store};

use super::graph::Dirty;
use super::work::Worker;

/// How often new resources are looked for.
const AGAIN: Duration = Duration::from_secs(30);

/// Kinds that own nothing, are owned by nothing and change all the time.
const IGNORED: [(&str, &str); 2] = [("", "events"), ("events.k8s.io", "events")];

/// Keeps what the graph needs.
fn trim(object: &mut PartialObjectMetadata) {
    object.metadata.managed_fields.clear();
    object.metadata.annotations.clear();
    object.metadata.labels.clear();
}

/// Follows all resources until `shutdown`.
pub(super) async fn run(worker: Worker, shutdown: Shutdown) {
    let mut running: HashMap<(String, String), Shutdown> = HashMap::new();
    loop {
        match Discovery::fetch(&worker.client).await {
            Ok(discovery) => set(&worker, &discovery, &mut running, &shutdown).await,
            Err(error) => {
                tracing::warn!(%error, "failed to discover resources, going on with those that are known")
            }
        }
        if !shutdown.sleep(AGAIN).await {
            return;
        }
    }
}

async fn set(
    worker: &Worker,
    discovery: &Discovery,
    running: &mut HashMap<(String, String), Shutdown>,
    shutdown: &Shutdown,
) {
    let wanted: HashMap<(String, String), Arc<DynamicResource>> = discovery
        .preferred(&["delete", "list", "watch"])
        .into_iter()
        .map(|found| &found.resource)
        .filter(|r| !IGNORED.contains(&(r.group.as_str(), r.plural.as_str())))
        .map(|r| ((r.group.clone(), r.plural.clone()), Arc::new(r.clone())))
        .collect();
    worker.set_resources(wanted.values().cloned().collect());
    running.retain(|key, stop| {
        let stays = wanted.contains_key(key);
        if !stays {
            stop.trigger();
        }
        stays
    });
    let mut started: Vec<Store<PartialObjectMetadata>> = Vec::new();
    for (key, resource) in wanted {
        if running.contains_key(&key) {
            continue;
        }
        let stop = shutdown.child();
        let informer = Informer::new(worker.client.metadata(&resource, None)).with_transform(trim);
        let store = informer.store();
        let (to, of) = (worker.clone(), resource.clone());
        store.subscribe(move |event: &Event<PartialObjectMetadata>| to.enqueue(take(&to, &of, event)));
        informer.start(&stop);
        started.push(store);
        running.insert(key, stop);
    }
    // Deciding before everything is known would only ask the server more often.
    for store in started {
        shutdown.run_until(tokio::time::timeout(AGAIN, store.synced())).await;
    }
    worker.open();
}

fn take(worker: &Worker, resource: &Arc<DynamicResource>, event: &Event<PartialObjectMetadata>) -> Dirty {
    let mut graph = worker.graph.lock();
    match event {
        Event::Deleted(object) => graph.remove(&object.metadata.uid),
        Event::Added(object) | Event::Updated { new: object, .. } => {
            graph.observe(resource, &object.metadata)
        }
    }
}
