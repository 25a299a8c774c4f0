//! Which pods go, when, and how; the order of pods does not matter.

use std::sync::Arc;

use api_types::core::v1::{Node, Pod, Taint};
use jiff::Timestamp;
use machinery::Time;
use runtime::plan::Guard;
use runtime::{Action, Plan};

use super::plan::Collector;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
}

fn pod(name: &str, node: &str, phase: &str) -> Pod {
    let mut pod = Pod::default();
    (pod.metadata.name, pod.metadata.uid, pod.spec.node_name, pod.status.phase) =
        (name.into(), name.into(), node.into(), phase.into());
    pod
}

fn node(name: &str) -> Node {
    let mut node = Node::default();
    node.metadata.name = name.into();
    node
}

fn names(plans: &[Plan]) -> Vec<String> {
    plans
        .iter()
        .flat_map(|plan| plan.deletes::<Pod>().into_iter().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn shared<T>(objects: Vec<T>) -> Vec<Arc<T>> {
    objects.into_iter().map(Arc::new).collect()
}

#[test]
fn ended_pods_beyond_the_threshold_go() {
    let aged = |name: &str, age: i64, reason: &str| {
        let mut pod = pod(name, "n", "Failed");
        pod.metadata.creation_timestamp = Time::from(at(-age));
        pod.status.reason = reason.into();
        pod
    };
    let mut pods = vec![
        aged("new", 1, ""),
        aged("old", 9, ""),
        aged("evicted", 2, "Evicted"),
        pod("runs", "n", "Running"),
    ];
    for _ in 0..2 {
        pods.reverse();
        let look = |threshold| {
            names(&Collector::new(threshold).look(&shared(pods.clone()), &shared(vec![node("n")]), at(0)))
        };
        assert_eq!(look(1), ["evicted", "old"]);
        assert_eq!(look(2), ["evicted"]);
        assert!(look(3).is_empty() && look(0).is_empty() && look(-1).is_empty());
    }
}

#[test]
fn pods_of_a_lost_node_go_after_a_while() {
    let (pods, mut collector) =
        (shared(vec![pod("p", "lost", "Running"), pod("q", "n", "Running")]), Collector::new(0));
    let nodes = shared(vec![node("n")]);
    assert!(collector.look(&pods, &nodes, at(0)).is_empty());
    assert!(collector.look(&pods, &nodes, at(39)).is_empty());
    let plans = collector.look(&pods, &nodes, at(40));
    assert_eq!(names(&plans), ["p"]);
    assert!(
        plans[0]
            .actions()
            .all(|action| matches!(&action.guard, Some(Guard::Gone(target)) if target.name == "lost"))
    );
    let (_, _, patch) = plans[0].actions().next().and_then(Action::patched).expect("patched");
    assert_eq!(
        (&patch.value()["status"]["phase"], &patch.value()["status"]["conditions"][0]["reason"]),
        (&"Failed".into(), &"DeletionByPodGC".into())
    );
    // It comes back: the wait begins anew when it is lost again.
    assert!(collector.look(&pods, &shared(vec![node("n"), node("lost")]), at(60)).is_empty());
    assert!(collector.look(&pods, &nodes, at(61)).is_empty());
}

#[test]
fn deleted_pods_without_a_working_node_go() {
    let going = |name: &str, node: &str| {
        let mut pod = pod(name, node, "Pending");
        pod.metadata.deletion_timestamp = Some(Time::from(at(0)));
        pod
    };
    let mut dead = node("dead");
    dead.spec.taints = vec![Taint { key: "node.kubernetes.io/out-of-service".into(), ..Taint::default() }];
    let pods = shared(vec![
        going("unscheduled", ""),
        going("on-dead", "dead"),
        going("on-live", "n"),
        pod("stays", "dead", "Running"),
    ]);
    let plans = Collector::new(0).look(&pods, &shared(vec![dead, node("n")]), at(0));
    assert_eq!(names(&plans), ["on-dead", "unscheduled"]);
}
