//! Cases over taints and tolerations; the order of taints does not matter.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{Node, Pod, Taint, Toleration};
use jiff::{SignedDuration, Timestamp};
use machinery::Time;
use runtime::{Controller, ObjectKey, Plan, Store};

use super::gather::{Inputs, TaintEviction};

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("in range")
}

fn taint(key: &str) -> Taint {
    Taint { key: key.into(), effect: "NoExecute".into(), ..Taint::default() }
}

fn toleration(key: &str, seconds: Option<i64>) -> Toleration {
    Toleration {
        key: key.into(),
        operator: "Exists".into(),
        toleration_seconds: seconds,
        ..Toleration::default()
    }
}

fn plan(taints: Vec<Taint>, tolerations: Vec<Toleration>, age: i64) -> Plan {
    let mut pod = Pod::default();
    (pod.metadata.namespace, pod.metadata.name) = ("work".into(), "p".into());
    pod.spec.tolerations = tolerations;
    let inputs = Inputs { pod: Arc::new(pod), taints, since: now() - SignedDuration::from_secs(age) };
    TaintEviction::plan(&inputs, now())
}

/// Deleted now, or looked at again after so many seconds.
fn check(taints: &[&str], tolerations: &[(&str, Option<i64>)], age: i64, deleted: bool, again: Option<u64>) {
    let tolerations: Vec<_> = tolerations.iter().map(|(key, seconds)| toleration(key, *seconds)).collect();
    let mut taints: Vec<Taint> = taints.iter().map(|key| taint(key)).collect();
    for _ in 0..2 {
        taints.reverse();
        let plan = plan(taints.clone(), tolerations.clone(), age);
        assert_eq!(!plan.deletes::<Pod>().is_empty(), deleted);
        assert_eq!(plan.requeue_after, again.map(Duration::from_secs));
    }
}

#[test]
fn pods_leave_when_they_must() {
    check(&["a"], &[], 0, true, None);
    check(&["a"], &[("b", None)], 0, true, None);
    check(&["a"], &[("a", None)], 9999, false, None);
    check(&["a"], &[("a", Some(300))], 100, false, Some(200));
    check(&["a"], &[("a", Some(300))], 300, true, None);
    check(&["a"], &[("a", Some(0))], 0, true, None);
    check(&["a", "b"], &[("a", Some(300)), ("b", Some(60))], 0, false, Some(60));
    check(&["a", "b"], &[("a", Some(300))], 0, true, None);
    check(&["a", "b"], &[("a", None), ("b", Some(60))], 0, false, Some(60));
}

#[test]
fn the_pod_is_marked_before_it_is_deleted() {
    let plan = plan(vec![taint("a")], vec![], 0);
    assert_eq!(plan.stages.len(), 2);
    let (_, subresource, patch) = plan.stages[0][0].patched().expect("patched");
    assert_eq!(
        (subresource, &patch.value()["status"]["conditions"][0]["reason"]),
        ("status", &"DeletionByTaintManager".into())
    );
    assert_eq!(plan.notes[0].message, "Marking for deletion Pod work/p");
}

#[test]
fn time_counts_from_the_taint_or_the_first_sight() {
    let mut pod = Pod::default();
    (pod.metadata.name, pod.metadata.uid, pod.spec.node_name) = ("p".into(), "u".into(), "n".into());
    pod.status.start_time = Some(Time { seconds: 1000, nanos: 0 });
    let mut node = Node::default();
    node.metadata.name = "n".into();
    node.spec.taints = vec![Taint { time_added: Some(Time { seconds: 2000, nanos: 0 }), ..taint("a") }];
    let nodes = Store::with_objects([node.clone()]);
    let controller = TaintEviction::new(nodes.clone(), Store::with_objects([pod]));
    let since =
        |controller: &TaintEviction| controller.gather(&ObjectKey::new("", "p")).map(|inputs| inputs.since);
    assert_eq!(since(&controller), Timestamp::from_second(2000).ok());
    node.spec.taints[0].time_added = None;
    nodes.apply(node.clone());
    let first = since(&controller).expect("tainted");
    assert_eq!(since(&controller), Some(first), "the first sight stays");
    node.spec.taints.clear();
    nodes.apply(node);
    assert_eq!(since(&controller), None);
}
