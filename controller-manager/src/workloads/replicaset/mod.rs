//! Keeps as many pods of a template as a ReplicaSet or a ReplicationController asks for
//! (`pkg/controller/replicaset`, `pkg/controller/replication`).

mod gather;
mod kinds;
mod plan;
#[cfg(test)]
mod tests;

use api_types::apps::v1::ReplicaSet;
use api_types::core::v1::{Pod, ReplicationController};
use rules::meta::controller_of;
use runtime::controller::{controller_keys, enqueue, enqueue_self};
use runtime::plan::Kind;
use runtime::store::BY_NAMESPACE;
use runtime::{Event, ObjectKey, Store};

use crate::context::{Context, Task};
use crate::controllers::Entry;
use crate::ownership::{BY_OWNER_OR_ORPHAN, owner_or_orphan};

use gather::Replicators;
use kinds::Replicator;

/// Subscribes to ReplicaSets and pods.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let workers = context.options.concurrency.concurrent_replicaset_syncs;
    start_for::<ReplicaSet>(context, entry, "replicaset", workers)
}

/// Subscribes to ReplicationControllers and pods.
pub(crate) fn start_replication(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let workers = context.options.concurrency.concurrent_rc_syncs;
    start_for::<ReplicationController>(context, entry, "replicationmanager", workers)
}

fn start_for<K: Replicator>(
    context: &Context,
    entry: &Entry,
    queue: &str,
    workers: usize,
) -> anyhow::Result<Option<Task>> {
    let sets = context.informers.indexed::<K>(BY_OWNER_OR_ORPHAN, owner_or_orphan);
    let pods = context.pods();
    let queue = context.queue(queue);
    enqueue_self(&sets, &queue);
    let known = sets.clone();
    enqueue(&pods, &queue, move |event| keys_of_pod(event, &known));
    let controller = Replicators { sets: sets.clone(), pods: pods.clone() };
    let driver = context.driver(entry, controller, queue)?.workers(workers).waits_for(&sets).waits_for(&pods);
    Ok(Some(context.task(driver)))
}

/// The owner, before and after; for an orphan every one that might adopt it.
fn keys_of_pod<K: Replicator>(event: &Event<Pod>, sets: &Store<K>) -> Vec<ObjectKey> {
    let mut keys = controller_keys(event, Kind::of::<K>());
    let metadata = &event.object().metadata;
    let is_gone = matches!(event, Event::Deleted(_)) || metadata.deletion_timestamp.is_some();
    if controller_of(metadata).is_none() && !is_gone {
        let adopters = sets.by_index(BY_NAMESPACE, &metadata.namespace).into_iter().filter(|set| {
            set.selector().is_some_and(|selector| !selector.is_empty() && selector.matches(&metadata.labels))
        });
        keys.extend(adopters.map(|set| ObjectKey::of(set.metadata())));
    }
    keys
}
