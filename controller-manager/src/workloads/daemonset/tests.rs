//! Cases of daemons.

use std::sync::Arc;

use api_types::apps::v1::{ControllerRevision, DaemonSet};
use api_types::core::v1::{Node, Pod};
use jiff::Timestamp;
use machinery::Message;
use runtime::Plan;
use serde_json::{Value, json};

use super::gather::Inputs;
use super::nodes::{node_of, pod_for};
use super::{plan, status};
use crate::revisions;

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

fn set(image: &str, extra: Value) -> DaemonSet {
    let mut spec = json!({"selector": {"matchLabels": {"app": "d"}}, "template": {"metadata": {"labels": {"app": "d"}},
        "spec": {"containers": [{"name": "c", "image": image}]}}, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}});
    if let (Some(spec), Value::Object(extra)) = (spec.as_object_mut(), extra) {
        spec.extend(extra);
    }
    DaemonSet::from_value(
        &json!({"metadata": {"namespace": "ns", "name": "d", "uid": "d", "generation": 1}, "spec": spec}),
    )
    .unwrap()
}

fn node(name: &str, spec: Value) -> Arc<Node> {
    Arc::new(Node::from_value(&json!({"metadata": {"name": name}, "spec": spec})).unwrap())
}

struct World {
    set: DaemonSet,
    nodes: Vec<Arc<Node>>,
    revisions: Vec<Arc<ControllerRevision>>,
    pods: Vec<Arc<Pod>>,
}

impl World {
    fn inputs(&self) -> Inputs {
        Inputs {
            set: Arc::new(self.set.clone()),
            candidates: self.pods.clone(),
            revisions: self.revisions.clone(),
            nodes: self.nodes.clone(),
        }
    }

    fn plan(&self) -> Plan {
        plan::plan(&self.inputs(), now())
    }

    /// Plans, and carries everything out; new pods are ready at once.
    fn step(&mut self) -> Vec<String> {
        let plan = self.plan();
        let mut done = Vec::new();
        for action in plan.actions() {
            if let Some(revision) = action.created::<ControllerRevision>() {
                self.revisions.push(Arc::new(revision.clone()));
            } else if let Some(pod) = action.created::<Pod>() {
                let mut pod = pod.clone();
                let node = node_of(&pod).unwrap().to_owned();
                pod.metadata.name = format!("d-{}-{}", node, self.pods.len());
                pod.metadata.uid.clone_from(&pod.metadata.name);
                done.push(format!("create on {node}"));
                self.pods.push(ready(pod, &node));
            } else if let Some(target) = action.deleted() {
                done.push(format!("delete {}", target.name));
                self.pods.retain(|pod| pod.metadata.name != target.name);
            }
        }
        done.sort();
        done
    }
}

fn ready(mut pod: Pod, node: &str) -> Arc<Pod> {
    pod.spec.node_name = node.to_owned();
    let status = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    pod.status = api_types::core::v1::PodStatus::from_value(&status).unwrap();
    Arc::new(pod)
}

fn world(nodes: Vec<Arc<Node>>) -> World {
    World { set: set("a", json!({})), nodes, revisions: Vec::new(), pods: Vec::new() }
}

#[test]
fn every_node_gets_one_and_then_nothing_is_left_to_do() {
    let taint = json!({"taints": [{"key": "k", "effect": "NoSchedule"}]});
    let cordoned = json!({"unschedulable": true, "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]});
    let mut world = world(vec![node("a", json!({})), node("b", cordoned), node("c", taint)]);
    assert_eq!(world.step(), ["create on a", "create on b"]);
    assert!(world.plan().is_empty());
    world.nodes.reverse();
    world.pods.reverse();
    assert!(world.plan().is_empty(), "the order of inputs does not matter");
    let action = status::conclude(&world.inputs(), now());
    let status = &action[0].replaced::<DaemonSet>().unwrap().1.status;
    assert_eq!(
        (status.desired_number_scheduled, status.number_ready, status.updated_number_scheduled),
        (2, 2, 2)
    );
}

#[test]
fn an_update_replaces_one_after_the_other() {
    let mut world = world(vec![node("a", json!({})), node("b", json!({}))]);
    world.step();
    world.set = set("new", json!({}));
    assert_eq!(world.step().len(), 1, "one is deleted");
    assert_eq!(world.revisions.len(), 2);
    assert_eq!(world.step().len(), 1, "and made anew");
    assert_eq!((world.step().len(), world.step().len(), world.step().len()), (1, 1, 0));
    let hash = revisions::hash_of(&world.revisions[1]);
    assert!(world.pods.iter().all(|pod| pod.metadata.labels[revisions::REVISION_HASH] == hash));
}

#[test]
fn with_surge_the_new_one_comes_first() {
    let mut world = world(vec![node("a", json!({}))]);
    world.step();
    world.set = set(
        "new",
        json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}}),
    );
    assert_eq!(world.step(), ["create on a"]);
    assert_eq!(world.step(), ["delete d-a-0"]);
    assert!(world.plan().is_empty());
}

#[test]
fn taints_that_expel_and_failures_clear_the_node() {
    let mut world = world(vec![node("a", json!({})), node("b", json!({}))]);
    world.step();
    world.nodes[0] = node("a", json!({"taints": [{"key": "k", "effect": "NoExecute"}]}));
    let mut failed = world.pods[1].as_ref().clone();
    failed.status.phase = "Failed".into();
    world.pods[1] = Arc::new(failed);
    let plan = world.plan();
    assert_eq!(plan.deletes::<Pod>().len(), 2);
    assert_eq!(plan.notes[0].reason, "FailedDaemonPod");
}

#[test]
fn a_going_set_makes_nothing() {
    let mut world = world(vec![node("a", json!({}))]);
    world.set.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".parse().unwrap());
    assert!(world.plan().is_empty());
}

#[test]
fn the_affinity_names_the_node() {
    let mut pod = pod_for(&set("a", json!({})), "n1", "hash");
    crate::pods::trim(&mut pod);
    assert_eq!(node_of(&pod), Some("n1"), "also as it is kept in the cache");
    assert!(
        pod.spec
            .tolerations
            .iter()
            .any(|t| t.key == "node.kubernetes.io/not-ready" && t.effect == "NoExecute")
    );
}
