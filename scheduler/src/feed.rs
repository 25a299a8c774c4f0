//! Caches of the API, and their changes as one stream for the owner.

use std::sync::Arc;

use api_types::apps::v1::{ReplicaSet, StatefulSet};
use api_types::core::v1::{Namespace, Node, Pod, ReplicationController, Service};
use api_types::policy::v1::PodDisruptionBudget;
use component_base::Shutdown;
use machinery::meta::v1::{LabelSelector, ObjectMeta};
use machinery::selectors::labels::Selector;
use runtime::{Event, Informer, Informers, Store};
use scheduler_core::cluster::{Budget, SelectorOwner};
use tokio::sync::mpsc;

use crate::writes::Written;

/// What the owner hears of.
#[derive(Debug)]
pub enum Change {
    /// A pod came or changed.
    Pod(Arc<Pod>),
    /// A pod went.
    PodGone(Arc<Pod>),
    /// A node came (no state before) or changed.
    Node(Option<Arc<Node>>, Arc<Node>),
    /// A node went.
    NodeGone(String),
    /// Labels of a namespace; none when it went.
    Namespace(String, Option<std::collections::BTreeMap<String, String>>),
    /// A Service or controller, by its kind and key; none when it went.
    Owner(String, Option<SelectorOwner>),
    /// A PodDisruptionBudget by its key; none when it went.
    Budget(String, Option<Budget>),
    /// A write was carried out, or not.
    Written(Written),
}

/// Drops what scheduling never reads, which is most of a pod.
fn trim_pod(pod: &mut Pod) {
    pod.metadata.managed_fields.clear();
    pod.metadata.annotations.clear();
    for container in pod.spec.containers.iter_mut().chain(&mut pod.spec.init_containers) {
        container.env.clear();
        container.env_from.clear();
        container.command.clear();
        container.args.clear();
        container.volume_mounts.clear();
        container.liveness_probe = None;
        container.readiness_probe = None;
        container.startup_probe = None;
        container.lifecycle = None;
    }
}

fn trim_node(node: &mut Node) {
    node.metadata.managed_fields.clear();
    node.metadata.annotations.clear();
}

fn each<T: machinery::Resource>(
    store: &Store<T>,
    sender: &mpsc::UnboundedSender<Change>,
    map: impl Fn(&Event<T>) -> Option<Change> + Send + Sync + 'static,
) {
    let sender = sender.clone();
    store.subscribe(move |event: &Event<T>| {
        if let Some(change) = map(event) {
            // The owner is gone only when the program ends.
            sender.send(change).ok();
        }
    });
}

fn owner_change(
    kind: &'static str,
    meta: &ObjectMeta,
    gone: bool,
    selector: Option<Selector>,
) -> Option<Change> {
    let key = format!("{kind}/{}/{}", meta.namespace, meta.name);
    let owner = selector.filter(|_| !gone).map(|selector| SelectorOwner {
        namespace: meta.namespace.clone(),
        kind,
        uid: meta.uid.clone(),
        selector,
    });
    Some(Change::Owner(key, owner))
}

fn selector_of(selector: Option<&LabelSelector>) -> Option<Selector> {
    Selector::from_label_selector(selector).ok()
}

fn is_gone<T>(event: &Event<T>) -> bool {
    matches!(event, Event::Deleted(_))
}

/// Starts all caches; returns when they are filled. Changes come through `sender` from the first object on.
pub async fn start(
    informers: &Informers,
    sender: &mpsc::UnboundedSender<Change>,
    shutdown: &Shutdown,
) -> bool {
    let client = informers.client().clone();
    let pods = informers.register(Informer::<Pod>::new(client.all()).with_transform(trim_pod));
    each(&pods, sender, |event| {
        let pod = event.object().clone();
        Some(if is_gone(event) { Change::PodGone(pod) } else { Change::Pod(pod) })
    });
    let nodes = informers.register(Informer::<Node>::new(client.all()).with_transform(trim_node));
    each(&nodes, sender, |event| {
        let node = event.object().clone();
        Some(match event {
            Event::Deleted(_) => Change::NodeGone(node.metadata.name.clone()),
            _ => Change::Node(event.old().cloned(), node),
        })
    });
    each(&informers.store::<Namespace>(), sender, |event| {
        let meta = &event.object().metadata;
        if event.old().is_some_and(|old| old.metadata.labels == meta.labels) {
            return None;
        }
        Some(Change::Namespace(meta.name.clone(), (!is_gone(event)).then(|| meta.labels.clone())))
    });
    each(&informers.store::<Service>(), sender, |event| {
        let service = event.object();
        let selector = &service.spec.selector;
        let selector = (!selector.is_empty()).then(|| Selector::from_labels(selector));
        owner_change("Service", &service.metadata, is_gone(event), selector)
    });
    each(&informers.store::<ReplicaSet>(), sender, |event| {
        let set = event.object();
        let selector = selector_of(set.spec.selector.as_deref());
        owner_change("ReplicaSet", &set.metadata, is_gone(event), selector)
    });
    each(&informers.store::<StatefulSet>(), sender, |event| {
        let set = event.object();
        let selector = selector_of(set.spec.selector.as_deref());
        owner_change("StatefulSet", &set.metadata, is_gone(event), selector)
    });
    each(&informers.store::<ReplicationController>(), sender, |event| {
        let controller = event.object();
        let selector = Selector::from_labels(&controller.spec.selector);
        owner_change("ReplicationController", &controller.metadata, is_gone(event), Some(selector))
    });
    each(&informers.store::<PodDisruptionBudget>(), sender, |event| {
        let budget = event.object();
        let meta = &budget.metadata;
        let selector = selector_of(budget.spec.selector.as_deref()).filter(|_| !is_gone(event));
        let known = selector.map(|selector| Budget {
            namespace: meta.namespace.clone(),
            selector,
            allowed: budget.status.disruptions_allowed,
            disrupted: budget.status.disrupted_pods.keys().cloned().collect(),
        });
        Some(Change::Budget(format!("{}/{}", meta.namespace, meta.name), known))
    });
    informers.start(shutdown);
    shutdown.run_until(informers.synced()).await.is_some()
}
