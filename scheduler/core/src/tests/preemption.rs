//! Who has to go.

use serde_json::{Value, json};

use super::{asking, cluster, node};
use crate::cluster::{Budget, Cluster};
use crate::cycle::{Outcome, schedule};
use crate::framework::Profile;
use crate::pod::PodInfo;
use crate::preemption::{Preemption, preempt};

fn check(cluster: &Cluster, pod: &PodInfo, expected: Result<(&str, &[&str]), &str>) {
    let profile = Profile::default();
    let Outcome::NoFit(no_fit) = schedule(&profile, cluster, pod, &mut 0, &mut |_| 0) else {
        panic!("pod {} fits without preemption", pod.name)
    };
    match (preempt(&profile, cluster, pod, &no_fit, 0), expected) {
        (Preemption::Victims { node, pods }, Ok((wanted, victims))) => {
            let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
            assert_eq!((node.as_str(), names.as_slice()), (wanted, victims));
        }
        (Preemption::None(reason), Err(wanted)) => assert_eq!(reason, wanted),
        (found, wanted) => panic!("{found:?} instead of {wanted:?}"),
    }
}

fn at(node: &str, priority: i32) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"nodeName": node, "priority": priority}})
}

fn important(cpu: &str) -> std::sync::Arc<PodInfo> {
    asking("important", cpu, "1Gi", json!({"spec": {"priority": 1000}}))
}

#[test]
fn as_few_and_as_unimportant_pods_as_possible_go() {
    let nodes = [node("a", json!({})), node("b", json!({}))];
    let pods = [
        asking("a1", "2", "1Gi", at("a", 10)),
        asking("a2", "2", "1Gi", at("a", 20)),
        asking("b1", "2", "1Gi", at("b", 50)),
        asking("b2", "2", "1Gi", at("b", 60)),
    ];
    let cluster = cluster(&nodes, &pods);
    check(&cluster, &important("2"), Ok(("a", &["a1"])));
    check(&cluster, &important("4"), Ok(("a", &["a2", "a1"])));
    check(
        &cluster,
        &important("5"),
        Err("preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."),
    );
}

#[test]
fn budgets_are_kept_where_possible() {
    let nodes = [node("a", json!({})), node("b", json!({}))];
    let mut guarded = at("a", 10);
    guarded["metadata"]["labels"] = json!({"app": "guarded"});
    let pods = [asking("a1", "4", "1Gi", guarded), asking("b1", "4", "1Gi", at("b", 20))];
    let mut cluster = cluster(&nodes, &pods);
    check(&cluster, &important("2"), Ok(("a", &["a1"])));
    let selector = machinery::selectors::labels::Selector::parse("app=guarded").unwrap();
    let budget = Budget { namespace: "default".into(), selector, allowed: 0, disrupted: Vec::new() };
    cluster.set_budget("default/budget".into(), Some(budget));
    check(&cluster, &important("2"), Ok(("b", &["b1"])));
}

#[test]
fn equals_and_the_unwilling_push_nobody_out() {
    let cluster = cluster(&[node("a", json!({}))], &[asking("a1", "4", "1Gi", at("a", 1000))]);
    check(
        &cluster,
        &important("2"),
        Err("preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."),
    );
    let never = asking("never", "2", "1Gi", json!({"spec": {"priority": 2000, "preemptionPolicy": "Never"}}));
    check(&cluster, &never, Err("preemption: not eligible due to preemptionPolicy=Never."));
}
