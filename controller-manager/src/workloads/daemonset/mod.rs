//! Keeps one pod of a template on every node that a DaemonSet is for (`pkg/controller/daemon`).

mod gather;
mod nodes;
mod plan;
mod status;
#[cfg(test)]
mod tests;

use api_types::apps::v1::{ControllerRevision, DaemonSet};
use api_types::core::v1::{Node, Pod};
use machinery::selectors::labels::Selector;
use rules::meta::controller_of;
use runtime::controller::{controller_keys, enqueue, enqueue_self};
use runtime::plan::Kind;
use runtime::store::BY_NAMESPACE;
use runtime::{Event, ObjectKey, Store};

use crate::context::{Context, Task};
use crate::controllers::Entry;
use crate::ownership::{BY_OWNER_OR_ORPHAN, owner_or_orphan};

use gather::DaemonSets;

/// Subscribes to DaemonSets, pods, revisions and nodes.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let sets = context.informers.store::<DaemonSet>();
    let revisions = context.informers.indexed::<ControllerRevision>(BY_OWNER_OR_ORPHAN, owner_or_orphan);
    let nodes = context.informers.store::<Node>();
    let pods = context.pods();
    let queue = context.queue("daemonset");
    enqueue_self(&sets, &queue);
    enqueue(&revisions, &queue, |event| controller_keys(event, Kind::of::<DaemonSet>()));
    let known = sets.clone();
    enqueue(&pods, &queue, move |event| keys_of_pod(event, &known));
    let known = sets.clone();
    enqueue(&nodes, &queue, move |event| {
        let decisive =
            |node: &Node| (node.metadata.labels.clone(), node.spec.taints.clone(), node.spec.unschedulable);
        let same = event.old().is_some_and(|old| decisive(old) == decisive(event.object()));
        if same { Vec::new() } else { known.keys() }
    });
    let controller =
        DaemonSets { sets: sets.clone(), revisions: revisions.clone(), nodes, pods: pods.clone() };
    let driver = context
        .driver(entry, controller, queue)?
        .workers(context.options.concurrency.concurrent_daemonset_syncs)
        .waits_for(&sets)
        .waits_for(&revisions)
        .waits_for(&pods);
    Ok(Some(context.task(driver)))
}

/// The owner, before and after; for an orphan every DaemonSet that might adopt it.
fn keys_of_pod(event: &Event<Pod>, sets: &Store<DaemonSet>) -> Vec<ObjectKey> {
    let mut keys = controller_keys(event, Kind::of::<DaemonSet>());
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
