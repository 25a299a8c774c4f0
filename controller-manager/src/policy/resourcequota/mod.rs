//! Recounts what the objects of a namespace use of its quotas (`pkg/controller/resourcequota`).
//!
//! Admission adds what is created; this controller takes off what has gone, and mends the rest every few
//! minutes.

mod counts;
mod gather;
mod plan;
#[cfg(test)]
mod tests;

use api_types::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota, Service};
use machinery::Resource;
use rules::core::v1::pod::meaning::is_terminal;
use runtime::controller::enqueue;
use runtime::store::BY_NAMESPACE;
use runtime::{Event, ObjectKey, Queue, Store};

use crate::context::{Context, Task};
use crate::controllers::Entry;

use counts::Counts;
use gather::Quotas;

/// Subscribes to quotas and to everything they may count.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let quotas = context.informers.store::<ResourceQuota>();
    let pods = context.pods();
    let services = context.informers.store::<Service>();
    let claims = context.informers.store::<PersistentVolumeClaim>();
    let queue = context.queue("resourcequota_primary");
    enqueue(&quotas, &queue, |event| {
        if counts_anew(event) { vec![ObjectKey::of(&event.object().metadata)] } else { Vec::new() }
    });
    replenished(&pods, &quotas, &queue, |old, new: &Pod| !is_terminal(old) && is_terminal(new));
    // Ports and storage can become less without the object going.
    replenished(&services, &quotas, &queue, |old: &Service, new| old.spec != new.spec);
    replenished(&claims, &quotas, &queue, |old: &PersistentVolumeClaim, new| {
        old.spec != new.spec || old.status != new.status
    });
    let counts = Counts::new(context.informers.clone(), quotas.clone(), queue.clone());
    let controller = Quotas {
        quotas: quotas.clone(),
        pods,
        services,
        claims,
        counts: counts.clone(),
        period: context.options.resource_quota_sync_period,
    };
    let workers = context.options.concurrency.concurrent_resource_quota_syncs;
    let task = context.task(context.driver(entry, controller, queue)?.workers(workers).waits_for(&quotas));
    let counting = counts.run(context.root_client().clone(), context.shutdown.clone());
    Ok(Some(Box::pin(async move {
        tokio::join!(task, counting);
    })))
}

/// Only other limits call for a new count. Admission charges the status before the object is there: to count
/// then, from caches without the object, would take the charge back and let more in than the quota allows.
fn counts_anew(event: &Event<ResourceQuota>) -> bool {
    match event {
        Event::Updated { old, new } => old.spec.hard != new.spec.hard,
        Event::Added(_) | Event::Deleted(_) => true,
    }
}

/// Looks at the quotas of a namespace when an object there is gone, or `gives_back` what it used.
fn replenished<T: Resource>(
    store: &Store<T>,
    quotas: &Store<ResourceQuota>,
    queue: &Queue<ObjectKey>,
    gives_back: fn(&T, &T) -> bool,
) {
    let quotas = quotas.clone();
    enqueue(store, queue, move |event| {
        let concerns = match event {
            Event::Added(_) => false,
            Event::Updated { old, new } => gives_back(old, new),
            Event::Deleted(_) => true,
        };
        if concerns { keys_in(&quotas, &event.object().metadata().namespace) } else { Vec::new() }
    });
}

/// The quotas of a namespace.
fn keys_in(quotas: &Store<ResourceQuota>, namespace: &str) -> Vec<ObjectKey> {
    quotas.by_index(BY_NAMESPACE, namespace).iter().map(|quota| ObjectKey::of(&quota.metadata)).collect()
}
