//! Decides which pods go. Free of I/O; the caller removes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api_types::core::v1::{Node, Pod};
use client::{DeleteParams, Patch};
use jiff::{SignedDuration, Timestamp};
use machinery::Time;
use rules::core::v1::pod::meaning::is_terminal;
use runtime::plan::{Kind, Target};
use runtime::{Action, Plan};
use serde_json::{Value, json};

/// How long a node must have been missing before its pods go: it may only not have reached the cache.
const QUARANTINE: SignedDuration = SignedDuration::from_secs(40);
/// Taint of a node that was switched off for good.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// What is remembered between looks.
pub(super) struct Collector {
    /// Ended pods that may stay; 0 or less for any number.
    threshold: i32,
    /// Since when a node with pods is missing.
    missing: BTreeMap<String, Timestamp>,
}

impl Collector {
    pub(super) fn new(threshold: i32) -> Collector {
        Collector { threshold, missing: BTreeMap::new() }
    }

    /// One plan for each pod that goes.
    pub(super) fn look(&mut self, pods: &[Arc<Pod>], nodes: &[Arc<Node>], now: Timestamp) -> Vec<Plan> {
        let nodes: HashMap<&str, &Node> =
            nodes.iter().map(|node| (node.metadata.name.as_str(), node.as_ref())).collect();
        let mut plans: BTreeMap<(String, String), Plan> = BTreeMap::new();
        let mut remove = |pod: &Pod, plan: Plan| {
            // One reason is enough.
            plans.entry((pod.metadata.namespace.clone(), pod.metadata.name.clone())).or_insert(plan);
        };
        for pod in self.too_many(pods) {
            remove(pod, removal(pod, None, now));
        }
        for pod in pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()) {
            let on = nodes.get(pod.spec.node_name.as_str());
            if pod.spec.node_name.is_empty() || on.is_some_and(|node| is_out_of_service(node)) {
                remove(pod, removal(pod, None, now));
            }
        }
        let gone = self.gone(pods, &nodes, now);
        for pod in pods.iter().filter(|pod| gone.contains(&pod.spec.node_name)) {
            let mut plan = removal(pod, Some(("DeletionByPodGC", "PodGC: node no longer exists")), now);
            let node = Target {
                kind: Kind::of::<Node>(),
                namespace: String::new(),
                name: pod.spec.node_name.clone(),
                uid: String::new(),
            };
            let stages = plan.stages.into_iter().map(|stage| {
                stage.into_iter().map(|action| action.only_if_gone(node.clone())).collect::<Vec<_>>()
            });
            plan.stages = stages.collect();
            remove(pod, plan);
        }
        plans.into_values().collect()
    }

    /// The oldest of the ended pods beyond the threshold, evicted ones first.
    fn too_many<'a>(&self, pods: &'a [Arc<Pod>]) -> Vec<&'a Pod> {
        let Some(threshold) = usize::try_from(self.threshold).ok().filter(|threshold| *threshold > 0) else {
            return Vec::new();
        };
        let mut ended: Vec<&Pod> = pods
            .iter()
            .map(|pod| pod.as_ref())
            .filter(|pod| !matches!(pod.status.phase.as_str(), "Pending" | "Running" | "Unknown"))
            .collect();
        let surplus = ended.len().saturating_sub(threshold);
        ended.sort_by_key(|pod| {
            let evicted = pod.status.reason == "Evicted";
            (!evicted, pod.metadata.creation_timestamp.seconds, pod.metadata.name.clone())
        });
        ended.truncate(surplus);
        ended
    }

    /// Nodes with pods that have been missing for long enough.
    fn gone(&mut self, pods: &[Arc<Pod>], nodes: &HashMap<&str, &Node>, now: Timestamp) -> Vec<String> {
        let missing: std::collections::BTreeSet<&str> = pods
            .iter()
            .map(|pod| pod.spec.node_name.as_str())
            .filter(|name| !name.is_empty() && !nodes.contains_key(name))
            .collect();
        self.missing.retain(|name, _| missing.contains(name.as_str()));
        for name in missing {
            self.missing.entry(name.to_owned()).or_insert(now);
        }
        let long_enough = self.missing.iter().filter(|(_, since)| now.duration_since(**since) >= QUARANTINE);
        long_enough.map(|(name, _)| name.clone()).collect()
    }
}

fn is_out_of_service(node: &Node) -> bool {
    let ready = node
        .status
        .conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    !ready && node.spec.taints.iter().any(|taint| taint.key == OUT_OF_SERVICE)
}

/// Marks the pod failed when it has not ended, and deletes it at once.
fn removal(pod: &Pod, disruption: Option<(&str, &str)>, now: Timestamp) -> Plan {
    let params = DeleteParams::default().with_grace_period(0);
    let delete = vec![Action::delete_with(pod, params)];
    if is_terminal(pod) {
        return Plan::of(delete);
    }
    let mut status = json!({"phase": "Failed"});
    let generation = Value::from(pod.metadata.generation);
    if pod.status.observed_generation != 0 {
        status["observedGeneration"] = generation.clone();
    }
    if let Some((reason, message)) = disruption {
        let since = Time { nanos: 0, ..Time::from(now) };
        let mut condition = json!({
            "type": "DisruptionTarget", "status": "True", "reason": reason, "message": message,
            "lastTransitionTime": since.to_string(),
        });
        if pod.status.observed_generation != 0 {
            condition["observedGeneration"] = generation;
        }
        status["conditions"] = json!([condition]);
    }
    let patch = json!({"metadata": {"uid": pod.metadata.uid}, "status": status});
    Plan::of(vec![Action::patch_status(pod, Patch::Strategic(patch))]).then(delete)
}
