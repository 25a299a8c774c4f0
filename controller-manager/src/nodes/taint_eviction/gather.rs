//! What the caches know about a pod and the taints of its node.

use std::collections::HashMap;
use std::sync::Arc;

use api_types::core::v1::{Node, Pod, Taint};
use jiff::Timestamp;
use parking_lot::Mutex;
use runtime::{Controller, ObjectKey, Plan, Store};

/// The controller: its caches, and since when each pod has been seen on a tainted node.
pub(super) struct TaintEviction {
    nodes: Store<Node>,
    pods: Store<Pod>,
    /// By UID of the pod. Only for taints that do not say when they were added; a restart begins anew, as
    /// upstream does.
    seen: Mutex<HashMap<String, Timestamp>>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub pod: Arc<Pod>,
    /// NoExecute taints of its node.
    pub taints: Vec<Taint>,
    /// From when tolerations in seconds count.
    pub since: Timestamp,
}

impl TaintEviction {
    pub(super) fn new(nodes: Store<Node>, pods: Store<Pod>) -> TaintEviction {
        TaintEviction { nodes, pods, seen: Mutex::default() }
    }

    /// The later of the last taint and the pod's start on the node.
    fn since(&self, pod: &Pod, taints: &[Taint], now: Timestamp) -> Timestamp {
        let seen = *self.seen.lock().entry(pod.metadata.uid.clone()).or_insert(now);
        let added: Option<Vec<Timestamp>> =
            taints.iter().map(|taint| taint.time_added.and_then(|time| time.to_timestamp())).collect();
        let added = added.and_then(|times| times.into_iter().max());
        let started = pod.status.start_time.and_then(|time| time.to_timestamp());
        match (added, started) {
            (Some(added), Some(started)) => added.max(started).min(seen),
            _ => seen,
        }
    }
}

impl Controller for TaintEviction {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let pod = self.pods.get(key)?;
        let node = self.nodes.get_by("", &pod.spec.node_name);
        let taints: Vec<Taint> = node
            .iter()
            .flat_map(|node| &node.spec.taints)
            .filter(|taint| taint.effect == "NoExecute")
            .cloned()
            .collect();
        if taints.is_empty() || pod.metadata.deletion_timestamp.is_some() {
            self.seen.lock().remove(&pod.metadata.uid);
            return None;
        }
        let since = self.since(&pod, &taints, Timestamp::now());
        Some(Inputs { pod, taints, since })
    }

    fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
        super::plan::plan(inputs, now)
    }
}
