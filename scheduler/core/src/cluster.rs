//! The scheduler's picture of the cluster. One task owns it; a scheduling cycle borrows it, so that no
//! snapshot is ever copied.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api_types::core::v1::{Node, Taint};
use machinery::selectors::labels::Selector;

use crate::amounts::Amounts;
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// Nodes, the pods on them, and what else plugins ask about.
#[derive(Debug, Default)]
pub struct Cluster {
    nodes: Vec<NodeInfo>,
    by_name: HashMap<Arc<str>, usize>,
    /// Pods that take room: uid → (node, assumed).
    placed: HashMap<String, Placed>,
    namespaces: HashMap<String, BTreeMap<String, String>>,
    /// On how many nodes an image is.
    image_nodes: HashMap<String, usize>,
    /// Pods which wait for victims to go: uid → (pod, node).
    nominated: HashMap<String, (Arc<PodInfo>, String)>,
    selectors: HashMap<String, SelectorOwner>,
    budgets: HashMap<String, Budget>,
}

#[derive(Debug)]
struct Placed {
    node: Arc<str>,
    assumed: bool,
}

/// Something whose selector tells which pods belong together: a Service, or a controller.
#[derive(Clone, Debug)]
pub struct SelectorOwner {
    /// Namespace.
    pub namespace: String,
    /// `Service`, `ReplicaSet`, `ReplicationController` or `StatefulSet`.
    pub kind: &'static str,
    /// Unique id, compared with a pod's owner.
    pub uid: String,
    /// Which pods belong to it.
    pub selector: Selector,
}

/// A PodDisruptionBudget as preemption needs it.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Namespace.
    pub namespace: String,
    /// Which pods it guards.
    pub selector: Selector,
    /// How many more of them may go.
    pub allowed: i32,
    /// Names of pods whose going it has counted already.
    pub disrupted: Vec<String>,
}

/// A change that may make room for a pod that was rejected.
#[derive(Clone, Debug)]
pub enum ClusterEvent {
    /// A node came.
    NodeAdded(NodeFacts),
    /// A node changed: before, after.
    NodeChanged(NodeFacts, NodeFacts),
    /// A pod got its place.
    PodPlaced(Arc<PodInfo>),
    /// A pod that had a place went, or became smaller, or lost labels.
    PodGone(Arc<PodInfo>),
    /// The waiting pod itself changed.
    PodChanged,
    /// A namespace's labels changed.
    NamespaceChanged,
}

/// What hints read of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeFacts {
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// What pods may use.
    pub allocatable: Amounts,
}

impl NodeFacts {
    /// Reads a node of the API.
    pub fn of(node: &Node) -> Self {
        Self {
            name: node.metadata.name.clone(),
            labels: node.metadata.labels.clone(),
            taints: node.spec.taints.clone(),
            unschedulable: node.spec.unschedulable,
            allocatable: Amounts::from_list(&node.status.allocatable),
        }
    }
}

impl Cluster {
    /// The nodes that the API has.
    pub fn nodes(&self) -> &[NodeInfo] {
        &self.nodes
    }

    /// The node called `name`.
    pub fn node(&self, name: &str) -> Option<&NodeInfo> {
        self.by_name.get(name).map(|&at| &self.nodes[at])
    }

    /// Labels of a namespace; none when it is unknown.
    pub fn namespace_labels(&self, namespace: &str) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.namespaces.get(namespace).unwrap_or(&NONE)
    }

    /// Takes over a namespace's labels; `None` when it went.
    pub fn set_namespace(&mut self, name: &str, labels: Option<BTreeMap<String, String>>) {
        match labels {
            Some(labels) => self.namespaces.insert(name.to_owned(), labels),
            None => self.namespaces.remove(name),
        };
    }

    /// Takes a node in, or what changed of it.
    pub fn set_node(&mut self, node: &Node) {
        let at = self.slot(&node.metadata.name);
        let before: Vec<String> = self.nodes[at].images.keys().cloned().collect();
        self.count_images(&before, false);
        self.nodes[at].set_node(node);
        let after: Vec<String> = self.nodes[at].images.keys().cloned().collect();
        self.count_images(&after, true);
    }

    /// Forgets a node; pods on it stay known until they are deleted.
    pub fn remove_node(&mut self, name: &str) {
        let Some(&at) = self.by_name.get(name) else { return };
        let images: Vec<String> = self.nodes[at].images.keys().cloned().collect();
        self.count_images(&images, false);
        let node = &mut self.nodes[at];
        if node.pods.is_empty() {
            self.drop_slot(at);
        } else {
            node.known = false;
            node.images.clear();
        }
    }

    fn count_images(&mut self, images: &[String], come: bool) {
        for image in images {
            let count = self.image_nodes.entry(image.clone()).or_default();
            *count = if come { *count + 1 } else { count.saturating_sub(1) };
            if *count == 0 {
                self.image_nodes.remove(image);
            }
        }
    }

    /// On how many nodes an image is.
    pub fn image_nodes(&self, image: &str) -> usize {
        self.image_nodes.get(image).copied().unwrap_or(0)
    }

    fn slot(&mut self, name: &str) -> usize {
        if let Some(&at) = self.by_name.get(name) {
            return at;
        }
        let name: Arc<str> = name.into();
        self.nodes.push(NodeInfo { name: name.clone(), ..NodeInfo::default() });
        self.by_name.insert(name, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn drop_slot(&mut self, at: usize) {
        let gone = self.nodes.swap_remove(at);
        self.by_name.remove(&gone.name);
        if let Some(moved) = self.nodes.get(at) {
            self.by_name.insert(moved.name.clone(), at);
        }
    }

    /// Takes a pod with a node in; one that was assumed there is now confirmed. A finished pod takes no room.
    pub fn set_pod(&mut self, pod: Arc<PodInfo>) {
        self.take_out(&pod.uid);
        self.nominated.remove(&pod.uid);
        if !pod.node_name.is_empty() && !pod.finished {
            let node = pod.node_name.clone();
            self.place(pod, &node, false);
        }
    }

    /// Counts the pod on the node before the API has said so.
    pub fn assume(&mut self, pod: Arc<PodInfo>, node: &str) {
        self.take_out(&pod.uid);
        self.nominated.remove(&pod.uid);
        self.place(pod, node, true);
    }

    /// Takes back [`Cluster::assume`], unless the API has confirmed it meanwhile.
    pub fn forget(&mut self, uid: &str) {
        if self.placed.get(uid).is_some_and(|placed| placed.assumed) {
            self.take_out(uid);
        }
    }

    /// The pod was deleted.
    pub fn remove_pod(&mut self, uid: &str) {
        self.take_out(uid);
        self.nominated.remove(uid);
    }

    /// True while the pod is counted on a node without the API's word.
    pub fn is_assumed(&self, uid: &str) -> bool {
        self.placed.get(uid).is_some_and(|placed| placed.assumed)
    }

    fn place(&mut self, pod: Arc<PodInfo>, node: &str, assumed: bool) {
        let at = self.slot(node);
        let name = self.nodes[at].name.clone();
        self.placed.insert(pod.uid.clone(), Placed { node: name, assumed });
        self.nodes[at].add(pod);
    }

    fn take_out(&mut self, uid: &str) {
        let Some(placed) = self.placed.remove(uid) else { return };
        if let Some(&at) = self.by_name.get(&placed.node) {
            self.nodes[at].remove(uid);
            if !self.nodes[at].known && self.nodes[at].pods.is_empty() {
                self.drop_slot(at);
            }
        }
    }

    /// Remembers the node that a pod waits for; empty takes the nomination back.
    pub fn nominate(&mut self, pod: Arc<PodInfo>, node: &str) {
        if node.is_empty() {
            self.nominated.remove(&pod.uid);
        } else {
            self.nominated.insert(pod.uid.clone(), (pod, node.to_owned()));
        }
    }

    /// The node that a pod waits for.
    pub fn nominated_node(&self, uid: &str) -> Option<&str> {
        self.nominated.get(uid).map(|(_, node)| node.as_str())
    }

    /// Pods that wait for room on `node`.
    pub fn nominated_to<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Arc<PodInfo>> {
        self.nominated.values().filter(move |(_, on)| on == node).map(|(pod, _)| pod)
    }

    /// True when no pod waits for victims to go.
    pub fn no_nominations(&self) -> bool {
        self.nominated.is_empty()
    }

    /// Takes over a Service's or controller's selector; `None` when it went.
    pub fn set_selector_owner(&mut self, key: String, owner: Option<SelectorOwner>) {
        match owner {
            Some(owner) => self.selectors.insert(key, owner),
            None => self.selectors.remove(&key),
        };
    }

    /// Selectors of the Services and the controller that a pod belongs to.
    pub fn selectors_of<'a>(&'a self, pod: &'a PodInfo) -> impl Iterator<Item = &'a Selector> {
        self.selectors
            .values()
            .filter(|owner| owner.namespace == pod.namespace)
            .filter(|owner| match &pod.controller {
                _ if owner.kind == "Service" => owner.selector.matches(&pod.labels),
                Some((_, uid)) => *uid == owner.uid,
                None => false,
            })
            .map(|owner| &owner.selector)
    }

    /// Takes over a PodDisruptionBudget; `None` when it went.
    pub fn set_budget(&mut self, key: String, budget: Option<Budget>) {
        match budget {
            Some(budget) => self.budgets.insert(key, budget),
            None => self.budgets.remove(&key),
        };
    }

    /// All PodDisruptionBudgets.
    pub fn budgets(&self) -> impl Iterator<Item = &Budget> {
        self.budgets.values()
    }
}
