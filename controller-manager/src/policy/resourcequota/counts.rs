//! Caches of the metadata of resources that quotas count by number; one is made when the first quota
//! names its resource.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::ResourceQuota;
use client::Client;
use client::discovery::{Discovered, Discovery};
use component_base::Shutdown;
use machinery::Resource as _;
use machinery::meta::v1::{ObjectMeta, PartialObjectMetadata};
use parking_lot::RwLock;
use rules::core::v1::resource_quota::usage::{BARE_COUNTS, count_names};
use runtime::controller::enqueue;
use runtime::{Event, Informer, Informers, ObjectKey, Queue, Store};

/// How often quotas are searched for resources without a cache.
const PERIOD: Duration = Duration::from_secs(10);
/// Counted with their own rules.
const TYPED: [&str; 3] = ["count/pods", "count/services", "count/persistentvolumeclaims"];

/// The caches by the name quotas count them under (`count/jobs.batch`); clones share them.
#[derive(Clone)]
pub(super) struct Counts {
    informers: Informers,
    quotas: Store<ResourceQuota>,
    queue: Queue<ObjectKey>,
    stores: Arc<RwLock<BTreeMap<String, Store<PartialObjectMetadata>>>>,
}

impl Counts {
    pub(super) fn new(informers: Informers, quotas: Store<ResourceQuota>, queue: Queue<ObjectKey>) -> Counts {
        Counts { informers, quotas, queue, stores: Arc::default() }
    }

    /// Objects of a namespace counted under `name`, `None` while that is not known.
    pub(super) fn count(&self, name: &str, namespace: &str) -> Option<usize> {
        let stores = self.stores.read();
        let store = stores.get(&full_name(name)).filter(|store| store.is_synced())?;
        Some(store.in_namespace(namespace).len())
    }

    /// Makes caches for what quotas name, until `shutdown`.
    pub(super) async fn run(self, client: Client, shutdown: Shutdown) {
        while shutdown.sleep(PERIOD).await {
            let missing = self.missing();
            if missing.is_empty() {
                continue;
            }
            match Discovery::fetch(&client).await {
                Ok(discovery) => {
                    for found in discovery.preferred(&["list", "watch", "delete"]) {
                        self.follow(&client, found, &missing);
                    }
                }
                Err(error) => {
                    let error = component_base::run::error_chain(&error);
                    tracing::warn!(error, "resources that quotas count cannot be discovered, trying again");
                }
            }
        }
    }

    /// Names that quotas use and that have no cache.
    fn missing(&self) -> BTreeSet<String> {
        let stores = self.stores.read();
        let quotas = self.quotas.list();
        let names = quotas.iter().flat_map(|quota| quota.spec.hard.keys()).filter(|name| is_counted(name));
        names.map(|name| full_name(name)).filter(|name| !stores.contains_key(name)).collect()
    }

    fn follow(&self, client: &Client, found: &Discovered, missing: &BTreeSet<String>) {
        let resource = &found.resource;
        let Some(name) =
            count_names(&resource.group, &resource.plural).into_iter().find(|name| missing.contains(name))
        else {
            return;
        };
        if !resource.namespaced {
            return;
        }
        let informer = Informer::new(client.metadata(resource, None)).with_transform(trim);
        let store = self.informers.private(informer);
        let quotas = self.quotas.clone();
        enqueue(&store, &self.queue, move |event| match event {
            Event::Deleted(object) => super::keys_in(&quotas, &object.metadata().namespace),
            _ => Vec::new(),
        });
        self.stores.write().insert(name, store.clone());
        let (quotas, queue) = (self.quotas.clone(), self.queue.clone());
        tokio::spawn(async move {
            store.synced().await;
            quotas.keys().into_iter().for_each(|key| queue.add(key));
        });
    }
}

/// Whether a name of a quota is the number of objects of a resource without rules of its own.
pub(super) fn is_counted(name: &str) -> bool {
    BARE_COUNTS.contains(&name) || name.starts_with("count/") && !TYPED.contains(&name)
}

/// `count/secrets` for `secrets`.
fn full_name(name: &str) -> String {
    if BARE_COUNTS.contains(&name) { format!("count/{name}") } else { name.to_owned() }
}

/// Only the name is of interest.
fn trim(object: &mut PartialObjectMetadata) {
    let metadata = std::mem::take(&mut object.metadata);
    object.metadata = ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        resource_version: metadata.resource_version,
        ..ObjectMeta::default()
    };
}
