//! Which node a pod gets, and what is said when it gets none.

use serde_json::{Value, json};

use super::{asking, cluster, node, pod};
use crate::cluster::{Cluster, SelectorOwner};
use crate::cycle::{Outcome, schedule};
use crate::framework::Profile;
use crate::pod::PodInfo;

fn run(cluster: &Cluster, pod: &PodInfo) -> Result<String, String> {
    match schedule(&Profile::default(), cluster, pod, &mut 0, &mut |_| 0) {
        Outcome::Place { node, .. } => Ok(node),
        Outcome::NoFit(no_fit) => Err(no_fit.message()),
    }
}

fn check(cluster: &Cluster, pod: &PodInfo, expected: Result<&str, &str>) {
    let found = run(cluster, pod);
    assert_eq!(found.as_deref().map_err(String::as_str), expected, "pod {}", pod.name);
}

fn zone(name: &str) -> Value {
    json!({"metadata": {"labels": {"zone": name}}})
}

fn on(node: &str, labels: Value, spec: Value) -> Value {
    let mut value = json!({"metadata": {"labels": labels}, "spec": {"nodeName": node}});
    super::merge(&mut value["spec"], spec);
    value
}

#[test]
fn resources_must_fit_and_reasons_are_counted() {
    let nodes =
        [node("a", json!({})), node("b", json!({})), node("c", json!({"spec": {"unschedulable": true}}))];
    let full = asking("full", "3", "7Gi", json!({"spec": {"nodeName": "a"}}));
    let cluster = cluster(&nodes, &[full]);
    check(&cluster, &asking("p", "2", "2Gi", json!({})), Ok("b"));
    check(
        &cluster,
        &asking("p", "5", "2Gi", json!({})),
        Err(
            "0/3 nodes are available: 1 Insufficient memory, 1 node(s) were unschedulable, 2 Insufficient cpu.",
        ),
    );
    check(&super::cluster(&[], &[]), &pod("p", json!({})), Err("no nodes available to schedule pods"));
}

#[test]
fn taints_selectors_and_names_decide() {
    let taint = json!({"spec": {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}});
    let cluster = cluster(&[node("a", taint), node("b", zone("east"))], &[]);
    check(&cluster, &pod("plain", json!({})), Ok("b"));
    let tolerant = json!({"spec": {"tolerations": [{"key": "k", "operator": "Exists"}], "nodeSelector": {"kubernetes.io/hostname": "a"}}});
    check(&cluster, &pod("tolerant", tolerant), Ok("a"));
    check(
        &cluster,
        &pod("west", json!({"spec": {"nodeSelector": {"zone": "west"}}})),
        Err(
            "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s).",
        ),
    );
    let named = json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}]}}}}});
    check(&cluster, &pod("named", named), Ok("b"));
}

#[test]
fn host_ports_are_given_once() {
    let port = |address: &str| json!({"spec": {"containers": [{"name": "main", "ports": [{"containerPort": 80, "hostPort": 80, "hostIP": address}]}]}});
    let mut first = port("127.0.0.1");
    first["spec"]["nodeName"] = json!("a");
    let cluster = cluster(&[node("a", json!({}))], &[pod("first", first)]);
    check(&cluster, &pod("other address", port("10.0.0.1")), Ok("a"));
    let taken = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
    check(&cluster, &pod("same", port("127.0.0.1")), Err(taken));
    check(&cluster, &pod("every", port("")), Err(taken));
}

fn spread(max_skew: i64, hard: bool) -> Value {
    let when = if hard { "DoNotSchedule" } else { "ScheduleAnyway" };
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"topologySpreadConstraints": [{"maxSkew": max_skew, "topologyKey": "zone",
        "whenUnsatisfiable": when, "labelSelector": {"matchLabels": {"app": "web"}}}]}})
}

#[test]
fn pods_are_spread_over_zones() {
    let nodes = [node("a", zone("1")), node("b", zone("2")), node("c", json!({}))];
    let web = || on("a", json!({"app": "web"}), json!({}));
    let one = cluster(&nodes, &[pod("w1", web())]);
    check(&one, &pod("hard", spread(1, true)), Ok("b"));
    check(&one, &pod("soft", spread(1, false)), Ok("b"));
    let cordoned = [
        node("a", zone("1")),
        node("b", json!({"metadata": {"labels": {"zone": "2"}}, "spec": {"unschedulable": true}})),
        node("c", json!({})),
    ];
    check(
        &cluster(&cordoned, &[pod("w1", web())]),
        &pod("hard", spread(1, true)),
        Err(
            "0/3 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) didn't match pod topology spread constraints (missing required label), 1 node(s) were unschedulable.",
        ),
    );
}

fn affinity(kind: &str, key: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": key, "labelSelector": {"matchLabels": {"app": "web"}}}]}}}})
}

#[test]
fn pods_keep_together_or_apart() {
    let nodes = [node("a", zone("1")), node("b", zone("1")), node("c", zone("2"))];
    let web = pod("w", on("c", json!({"app": "web"}), json!({})));
    let with_web = cluster(&nodes, std::slice::from_ref(&web));
    check(&with_web, &pod("near", affinity("podAffinity", "zone")), Ok("c"));
    check(&cluster(&nodes, &[]), &pod("first of its kind", affinity("podAffinity", "zone")), Ok("a"));
    let mut apart = affinity("podAntiAffinity", "zone");
    check(&with_web, &pod("apart", apart.clone()), Ok("a"));
    apart["spec"]["nodeName"] = json!("a");
    let guarded = cluster(&nodes[..2], &[pod("guard", apart)]);
    check(
        &guarded,
        &pod("plain", json!({"metadata": {"labels": {"app": "web"}}})),
        Err("0/2 nodes are available: 2 node(s) didn't satisfy existing pods anti-affinity rules."),
    );
}

#[test]
fn preferences_and_room_add_up() {
    let nodes = [node("a", zone("1")), node("b", zone("2"))];
    let busy = asking("busy", "3", "6Gi", json!({"spec": {"nodeName": "a"}}));
    let cluster = cluster(&nodes, &[busy]);
    check(&cluster, &asking("room", "100m", "100Mi", json!({})), Ok("b"));
    let preferred = json!({"spec": {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 100, "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["1"]}]}}]}}}});
    check(&cluster, &pod("likes a", preferred), Ok("a"));
}

#[test]
fn a_controllers_pods_spread_by_default() {
    let nodes = [node("a", json!({})), node("b", json!({}))];
    let labels = json!({"app": "web"});
    let mut cluster = cluster(&nodes, &[pod("w1", on("a", labels.clone(), json!({})))]);
    let owned = json!({"metadata": {"labels": labels, "ownerReferences": [{"kind": "ReplicaSet", "uid": "rs", "controller": true}]}});
    cluster.set_selector_owner(
        "rs".into(),
        Some(SelectorOwner {
            namespace: "default".into(),
            kind: "ReplicaSet",
            uid: "rs".into(),
            selector: machinery::selectors::labels::Selector::parse("app=web").unwrap(),
        }),
    );
    check(&cluster, &pod("w2", owned), Ok("b"));
}

#[test]
fn the_order_of_nodes_does_not_matter_when_scores_differ() {
    let mut nodes = vec![node("a", zone("1")), node("b", zone("2")), node("c", zone("3"))];
    let pods = [
        asking("x", "1", "1Gi", json!({"spec": {"nodeName": "a"}})),
        asking("y", "2", "3Gi", json!({"spec": {"nodeName": "b"}})),
    ];
    let wanted = asking("p", "500m", "512Mi", json!({}));
    let expected = run(&cluster(&nodes, &pods), &wanted);
    for _ in 0..3 {
        nodes.rotate_left(1);
        assert_eq!(run(&cluster(&nodes, &pods), &wanted), expected);
    }
}
