//! Keeps pods that have a name and storage of their own, in order (`pkg/controller/statefulset`).

mod claims;
mod gather;
mod history;
mod identity;
mod plan;
mod status;
#[cfg(test)]
mod tests;

use api_types::apps::v1::{ControllerRevision, StatefulSet};
use api_types::core::v1::{PersistentVolumeClaim, Pod};
use machinery::selectors::labels::Selector;
use rules::meta::controller_of;
use runtime::controller::{controller_keys, enqueue, enqueue_self};
use runtime::plan::Kind;
use runtime::store::BY_NAMESPACE;
use runtime::{Event, ObjectKey, Store};

use crate::context::{Context, Task};
use crate::controllers::Entry;
use crate::ownership::{BY_OWNER_OR_ORPHAN, owner_or_orphan};

use gather::StatefulSets;

/// Subscribes to StatefulSets, pods and revisions.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let sets = context.informers.store::<StatefulSet>();
    let revisions = context.informers.indexed::<ControllerRevision>(BY_OWNER_OR_ORPHAN, owner_or_orphan);
    let claims = context.informers.store::<PersistentVolumeClaim>();
    let pods = context.pods();
    let queue = context.queue("statefulset");
    enqueue_self(&sets, &queue);
    enqueue(&revisions, &queue, |event| controller_keys(event, Kind::of::<StatefulSet>()));
    let known = sets.clone();
    enqueue(&pods, &queue, move |event| keys_of_pod(event, &known));
    let controller = StatefulSets {
        sets: sets.clone(),
        revisions: revisions.clone(),
        claims: claims.clone(),
        pods: pods.clone(),
    };
    let driver = context
        .driver(entry, controller, queue)?
        .workers(context.options.concurrency.concurrent_statefulset_syncs)
        .waits_for(&sets)
        .waits_for(&revisions)
        .waits_for(&claims)
        .waits_for(&pods);
    Ok(Some(context.task(driver)))
}

/// The owner, before and after; for an orphan every StatefulSet that might adopt it.
fn keys_of_pod(event: &Event<Pod>, sets: &Store<StatefulSet>) -> Vec<ObjectKey> {
    let mut keys = controller_keys(event, Kind::of::<StatefulSet>());
    let metadata = &event.object().metadata;
    let is_gone = matches!(event, Event::Deleted(_)) || metadata.deletion_timestamp.is_some();
    if controller_of(metadata).is_none() && !is_gone {
        let adopters = sets.by_index(BY_NAMESPACE, &metadata.namespace).into_iter().filter(|set| {
            Selector::from_label_selector(set.spec.selector.as_deref())
                .is_ok_and(|selector| !selector.is_empty() && selector.matches(&metadata.labels))
        });
        keys.extend(adopters.map(|set| ObjectKey::of(&set.metadata)));
    }
    keys
}
