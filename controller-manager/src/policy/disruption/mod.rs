//! Says in the status of PodDisruptionBudgets how many pods may be lost (`pkg/controller/disruption`).

mod gather;
mod plan;
mod stale;
#[cfg(test)]
mod tests;

use api_types::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use api_types::core::v1::{Pod, ReplicationController};
use api_types::policy::v1::PodDisruptionBudget;
use machinery::selectors::labels::Selector;
use runtime::controller::{enqueue, enqueue_self};
use runtime::store::BY_NAMESPACE;
use runtime::{Event, ObjectKey, Store};

use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::{Budgets, Owners};
use stale::StaleDisruptions;

/// Subscribes to budgets and pods, and looks at the owners of pods.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let budgets = context.informers.store::<PodDisruptionBudget>();
    let pods = context.pods();
    let owners = Owners {
        deployments: context.informers.store::<Deployment>(),
        sets: context.informers.store::<ReplicaSet>(),
        stateful: context.informers.store::<StatefulSet>(),
        replicated: context.informers.store::<ReplicationController>(),
    };
    let (queue, stale) = (context.queue("disruption"), context.queue("stale_pod_disruption"));
    enqueue_self(&budgets, &queue);
    let known = budgets.clone();
    enqueue(&pods, &queue, move |event| budgets_of(event, &known));
    enqueue(&pods, &stale, |event| {
        let pod = event.object();
        if stale::is_marked(pod) { vec![ObjectKey::of(&pod.metadata)] } else { Vec::new() }
    });
    let controller = Budgets { budgets: budgets.clone(), pods: pods.clone(), owners };
    let driver = context.driver(entry, controller, queue)?.workers(1).waits_for(&budgets);
    let marked = StaleDisruptions { pods: pods.clone() };
    let marked = context.driver(entry, marked, stale)?.workers(1).waits_for(&pods);
    let tasks = (context.task(driver), context.task(marked));
    Ok(Some(Box::pin(async move {
        futures_util::future::join(tasks.0, tasks.1).await;
    })))
}

/// The budgets that select the pod, before or after the change.
fn budgets_of(event: &Event<Pod>, budgets: &Store<PodDisruptionBudget>) -> Vec<ObjectKey> {
    let states: Vec<_> = event.old().into_iter().chain([event.object()]).collect();
    let in_namespace = budgets.by_index(BY_NAMESPACE, &event.object().metadata.namespace);
    let selecting = in_namespace.iter().filter(|budget| {
        Selector::from_label_selector(budget.spec.selector.as_deref())
            .is_ok_and(|selector| states.iter().any(|pod| selector.matches(&pod.metadata.labels)))
    });
    selecting.map(|budget| ObjectKey::of(&budget.metadata)).collect()
}
