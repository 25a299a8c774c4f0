//! Taints follow conditions; silence makes conditions unknown; zones bound evictions.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::coordination::v1::Lease;
use api_types::core::v1::{Node, NodeCondition, Pod, PodCondition, Taint};
use clap::Parser as _;
use jiff::{SignedDuration, Timestamp};
use machinery::{MicroTime, Time};
use runtime::{Action, Controller, Plan, Store};

use super::gather::NodeTaints;
use super::monitor::{Monitor, World};
use crate::options::{NodeOptions, Options};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
}

fn options() -> NodeOptions {
    Options::try_parse_from(["kube-controller-manager"]).expect("defaults").nodes
}

fn node(name: &str, conditions: &[(&str, &str)]) -> Node {
    let mut node = Node::default();
    (node.metadata.name, node.metadata.uid) = (name.into(), name.into());
    node.metadata.creation_timestamp = Time::from(at(-1000));
    node.status.conditions = conditions
        .iter()
        .map(|(kind, status)| NodeCondition {
            type_: (*kind).into(),
            status: (*status).into(),
            ..NodeCondition::default()
        })
        .collect();
    node
}

fn taint(key: &str, effect: &str) -> Taint {
    Taint { key: key.into(), effect: effect.into(), ..Taint::default() }
}

/// The taints a plan writes for each node, as `key:effect`.
fn taints_written(plan: &Plan) -> BTreeMap<String, Vec<String>> {
    let patches = plan.actions().filter_map(Action::patched);
    patches
        .filter_map(|(target, _, patch)| {
            let taints = patch.value().get("spec")?.get("taints")?;
            let texts = taints.as_array().into_iter().flatten().map(|taint| {
                let key = taint["key"].as_str().unwrap_or_default().trim_start_matches("node.kubernetes.io/");
                format!("{key}:{}", taint["effect"].as_str().unwrap_or_default())
            });
            Some((target.name.clone(), texts.collect()))
        })
        .collect()
}

fn check_no_schedule(node: Node, expected: Option<&[&str]>) {
    let plan = NodeTaints::plan(&Arc::new(node), at(0));
    let written = taints_written(&plan).into_values().next();
    assert_eq!(written, expected.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect()));
}

#[test]
fn no_schedule_taints_follow_conditions() {
    check_no_schedule(node("n", &[("Ready", "True")]), None);
    check_no_schedule(node("n", &[("Ready", "False")]), Some(&["not-ready:NoSchedule"]));
    check_no_schedule(node("n", &[("Ready", "Unknown")]), Some(&["unreachable:NoSchedule"]));
    let mut cordoned = node("n", &[("Ready", "True"), ("DiskPressure", "True")]);
    cordoned.spec.unschedulable = true;
    cordoned.spec.taints = vec![
        taint("mine", "NoSchedule"),
        taint("node.kubernetes.io/not-ready", "NoSchedule"),
        taint("node.kubernetes.io/not-ready", "NoExecute"),
    ];
    check_no_schedule(
        cordoned,
        Some(&[
            "mine:NoSchedule",
            "not-ready:NoExecute",
            "disk-pressure:NoSchedule",
            "unschedulable:NoSchedule",
        ]),
    );
    let mut settled = node("n", &[("Ready", "False")]);
    settled.spec.taints = vec![taint("node.kubernetes.io/not-ready", "NoSchedule")];
    check_no_schedule(settled, None);
}

#[test]
fn legacy_labels_follow() {
    let mut labelled = node("n", &[]);
    labelled.metadata.labels.insert("kubernetes.io/os".into(), "linux".into());
    let plan = NodeTaints::plan(&Arc::new(labelled.clone()), at(0));
    let (_, _, patch) = plan.actions().next().and_then(Action::patched).expect("patched");
    assert_eq!(patch.value()["metadata"]["labels"], serde_json::json!({"beta.kubernetes.io/os": "linux"}));
    labelled.metadata.labels.insert("beta.kubernetes.io/os".into(), "linux".into());
    assert!(NodeTaints::plan(&Arc::new(labelled), at(0)).is_empty());
}

fn world(nodes: Vec<Node>) -> World {
    let pods = Store::with_objects([]);
    pods.add_index(crate::context::BY_NODE, |pod: &Pod| vec![pod.spec.node_name.clone()]);
    World { nodes: Store::with_objects(nodes), leases: Store::with_objects([]), pods }
}

fn conditions_written(plan: &Plan, name: &str) -> Vec<String> {
    let patches = plan
        .actions()
        .filter_map(Action::patched)
        .filter(|(target, subresource, _)| target.name == name && *subresource == "status");
    patches
        .flat_map(|(_, _, patch)| {
            patch.value()["status"]["conditions"].as_array().cloned().unwrap_or_default()
        })
        .map(|condition| {
            format!(
                "{}={} {}",
                condition["type"].as_str().unwrap_or_default(),
                condition["status"].as_str().unwrap_or_default(),
                condition["reason"].as_str().unwrap_or_default()
            )
        })
        .collect()
}

#[test]
fn silence_makes_a_node_unknown_and_a_lease_is_a_sign_of_life() {
    let world = world(vec![node("silent", &[("Ready", "True")]), node("alive", &[("Ready", "True")])]);
    let mut monitor = Monitor::new(&options());
    let renew = |seconds: i64| {
        let mut lease = Lease::default();
        (lease.metadata.namespace, lease.metadata.name) = ("kube-node-lease".into(), "alive".into());
        lease.spec.renew_time = Some(MicroTime::from(at(seconds)));
        world.leases.apply(lease);
    };
    let first = monitor.look(&world, at(0));
    assert_eq!(first.notes.iter().filter(|note| note.reason == "RegisteredNode").count(), 2);
    for second in [20, 40, 50] {
        renew(second);
        assert!(monitor.look(&world, at(second)).stages.is_empty());
    }
    renew(55);
    let plan = monitor.look(&world, at(55));
    assert_eq!(conditions_written(&plan, "silent")[0], "Ready=Unknown NodeStatusUnknown");
    assert_eq!(conditions_written(&plan, "silent").len(), 4);
    assert!(conditions_written(&plan, "alive").is_empty());
    assert!(plan.notes.iter().any(|note| note.message == "Node silent status is now: NodeNotReady"));
}

#[test]
fn a_node_that_never_reported_is_given_its_time() {
    let mut young = node("young", &[]);
    young.metadata.creation_timestamp = Time::from(at(0));
    let world = world(vec![young]);
    let mut monitor = Monitor::new(&options());
    assert!(monitor.look(&world, at(60)).stages.is_empty());
    let plan = monitor.look(&world, at(61));
    assert_eq!(conditions_written(&plan, "young")[0], "Ready=Unknown NodeStatusNeverUpdated");
}

#[test]
fn pods_of_a_bad_node_are_not_ready() {
    let world = world(vec![node("bad", &[("Ready", "False")]), node("good", &[("Ready", "True")])]);
    for (name, on, ready) in [("a", "bad", "True"), ("b", "bad", "False"), ("c", "good", "True")] {
        let mut pod = Pod::default();
        (pod.metadata.name, pod.spec.node_name) = (name.into(), on.into());
        pod.status.conditions =
            vec![PodCondition { type_: "Ready".into(), status: ready.into(), ..PodCondition::default() }];
        world.pods.apply(pod);
    }
    let plan = Monitor::new(&options()).look(&world, at(0));
    let marked: Vec<_> = plan
        .actions()
        .filter_map(Action::patched)
        .filter(|(target, _, _)| target.kind.kind == "Pod")
        .map(|(target, _, _)| target.name.clone())
        .collect();
    assert_eq!(marked, ["a"]);
    assert!(plan.notes.iter().any(|note| note.message == "Node is not ready"));
}

#[test]
fn evictions_keep_to_the_rate_of_the_zone() {
    let nodes: Vec<Node> = ["bad1", "bad2", "good1", "good2", "good3"]
        .iter()
        .map(|name| node(name, &[("Ready", if name.starts_with("bad") { "False" } else { "True" })]))
        .collect();
    let world = world(nodes.clone());
    let mut monitor = Monitor::new(&options());
    assert_eq!(taints_written(&monitor.look(&world, at(0))).keys().collect::<Vec<_>>(), ["bad1"]);
    let shared: Vec<Arc<Node>> = nodes.into_iter().map(Arc::new).collect();
    assert!(taints_written(&monitor.taint(&shared[1..], at(1))).is_empty(), "one in ten seconds");
    assert_eq!(taints_written(&monitor.taint(&shared[1..], at(11))).keys().collect::<Vec<_>>(), ["bad2"]);
    // An exchange waits for nothing, nor does a removal.
    let mut exchanged = node("x", &[("Ready", "Unknown")]);
    exchanged.spec.taints = vec![taint("node.kubernetes.io/not-ready", "NoExecute")];
    let mut recovered = node("y", &[("Ready", "True")]);
    recovered.spec.taints = vec![taint("node.kubernetes.io/unreachable", "NoExecute")];
    let written = taints_written(&monitor.taint(&[Arc::new(exchanged), Arc::new(recovered)], at(11)));
    assert_eq!(written["x"], ["unreachable:NoExecute"]);
    assert!(written["y"].is_empty());
}

#[test]
fn when_every_node_fails_nobody_is_evicted() {
    let mut tainted = node("a", &[("Ready", "Unknown")]);
    tainted.spec.taints = vec![taint("node.kubernetes.io/unreachable", "NoExecute")];
    let world = world(vec![tainted, node("b", &[("Ready", "False")])]);
    let mut monitor = Monitor::new(&options());
    let written = taints_written(&monitor.look(&world, at(0)));
    assert_eq!(written.len(), 1);
    assert!(written["a"].is_empty(), "the taint is taken back");
    // One recovers: silence counts anew and evictions resume.
    world.nodes.apply(node("b", &[("Ready", "True")]));
    let later = at(0) + SignedDuration::from_secs(5);
    assert_eq!(taints_written(&monitor.look(&world, later)).keys().next(), None, "a is tainted already");
    world.nodes.apply(node("a", &[("Ready", "Unknown")]));
    assert_eq!(taints_written(&monitor.look(&world, later)).keys().collect::<Vec<_>>(), ["a"]);
}
