//! Moves a Deployment's pods from one template to the next by way of ReplicaSets (`pkg/controller/deployment`).

mod gather;
mod plan;
mod progress;
mod rolling;
mod sets;
#[cfg(test)]
mod tests;

use api_types::apps::v1::{Deployment, ReplicaSet};
use machinery::selectors::labels::Selector;
use rules::meta::controller_of;
use runtime::controller::{controller_keys, enqueue, enqueue_self};
use runtime::plan::Kind;
use runtime::store::BY_NAMESPACE;
use runtime::{Event, ObjectKey, Store};

use crate::context::{Context, Task};
use crate::controllers::Entry;
use crate::ownership::{BY_OWNER_OR_ORPHAN, owner_or_orphan};

use gather::Deployments;

/// Subscribes to Deployments, ReplicaSets and, for the strategy Recreate, the end of pods.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let deployments = context.informers.store::<Deployment>();
    let sets = context.informers.indexed::<ReplicaSet>(BY_OWNER_OR_ORPHAN, owner_or_orphan);
    let pods = context.pods();
    let queue = context.queue("deployment");
    enqueue_self(&deployments, &queue);
    let known = deployments.clone();
    enqueue(&sets, &queue, move |event| keys_of_set(event, &known));
    let (known_sets, known) = (sets.clone(), deployments.clone());
    enqueue(&pods, &queue, move |event| {
        // Only the last pod's end matters, and only to Deployments that wait for it.
        if !matches!(event, Event::Deleted(_)) {
            return Vec::new();
        }
        let owners = controller_keys(event, Kind::of::<ReplicaSet>());
        let sets = owners.iter().filter_map(|key| known_sets.get(key));
        let keys = sets.filter_map(|set| {
            let owner = controller_of(&set.metadata).filter(|owner| owner.kind == "Deployment")?;
            Some(ObjectKey::new(&set.metadata.namespace, &owner.name))
        });
        let recreates = |key: &ObjectKey| known.get(key).is_some_and(|d| d.spec.strategy.type_ == "Recreate");
        keys.filter(recreates).collect()
    });
    let controller = Deployments { deployments: deployments.clone(), sets: sets.clone(), pods };
    let driver = context
        .driver(entry, controller, queue)?
        .workers(context.options.concurrency.concurrent_deployment_syncs)
        .waits_for(&deployments)
        .waits_for(&sets);
    Ok(Some(context.task(driver)))
}

/// The owner, before and after; for an orphan every Deployment that might adopt it.
fn keys_of_set(event: &Event<ReplicaSet>, deployments: &Store<Deployment>) -> Vec<ObjectKey> {
    let mut keys = controller_keys(event, Kind::of::<Deployment>());
    let metadata = &event.object().metadata;
    let is_gone = matches!(event, Event::Deleted(_)) || metadata.deletion_timestamp.is_some();
    if controller_of(metadata).is_none() && !is_gone {
        let adopters =
            deployments.by_index(BY_NAMESPACE, &metadata.namespace).into_iter().filter(|deployment| {
                Selector::from_label_selector(deployment.spec.selector.as_deref())
                    .is_ok_and(|selector| !selector.is_empty() && selector.matches(&metadata.labels))
            });
        keys.extend(adopters.map(|deployment| ObjectKey::of(&deployment.metadata)));
    }
    keys
}
