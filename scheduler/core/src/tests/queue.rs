//! When a waiting pod is tried.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{asking, node, pod};
use crate::cluster::{ClusterEvent, NodeFacts};
use crate::framework::Plugin;
use crate::queue::{LONGEST_WAIT, Pending, Queue};

fn plugins() -> Vec<&'static dyn Plugin> {
    crate::plugins::all().iter().map(|row| row.plugin).collect()
}

fn start() -> Timestamp {
    Timestamp::from_second(1_000_000).unwrap()
}

fn later(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

#[test]
fn important_pods_go_first_then_the_longest_waiting() {
    let mut queue = Queue::default();
    for (name, priority, at) in [("late", 0, 2), ("early", 0, 1), ("important", 9, 3)] {
        queue.set(pod(name, json!({"spec": {"priority": priority}})), false, &plugins(), later(at));
    }
    let order: Vec<String> =
        std::iter::from_fn(|| queue.pop()).map(|waiting| waiting.pod.name.clone()).collect();
    assert_eq!(order, ["important", "early", "late"]);
}

#[test]
fn a_rejected_pod_waits_for_an_event_that_helps_and_backs_off() {
    let mut queue = Queue::default();
    queue.set(asking("p", "2", "1Gi", json!({})), false, &plugins(), start());
    let waiting = queue.pop().unwrap();
    queue.rejected(waiting, BTreeSet::from(["NodeResourcesFit"]), start());
    assert_eq!(queue.pending(), Pending { unschedulable: 1, ..Pending::default() });

    let small = json!({"status": {"allocatable": {"cpu": "1"}}});
    queue.on_event(&ClusterEvent::NodeAdded(NodeFacts::of(&node("small", small))), &plugins(), start());
    assert_eq!(queue.pending().unschedulable, 1, "a node that is too small is no hope");
    queue.on_event(&ClusterEvent::NodeAdded(NodeFacts::of(&node("large", json!({})))), &plugins(), start());
    assert_eq!(queue.pending(), Pending { backoff: 1, ..Pending::default() });
    assert_eq!(queue.next_tick(), Some(later(1)));
    queue.tick(later(1));
    assert_eq!(queue.pop().map(|waiting| waiting.attempts), Some(2));
}

#[test]
fn no_pod_waits_for_ever() {
    let mut queue = Queue::default();
    queue.set(pod("p", json!({})), false, &plugins(), start());
    let waiting = queue.pop().unwrap();
    queue.rejected(waiting, BTreeSet::from(["NodeAffinity"]), start());
    queue.tick(start() + LONGEST_WAIT);
    assert_eq!(queue.pending().unschedulable, 1);
    queue.tick(start() + LONGEST_WAIT + SignedDuration::from_secs(1));
    assert_eq!(queue.pending(), Pending { active: 1, ..Pending::default() });
}

#[test]
fn gates_hold_a_pod_back() {
    let mut queue = Queue::default();
    queue.set(pod("p", json!({"spec": {"schedulingGates": [{"name": "wait"}]}})), true, &plugins(), start());
    assert!(queue.pop().is_none());
    assert_eq!(queue.pending().gated, 1);
    queue.set(pod("p", json!({})), false, &plugins(), later(1));
    assert!(queue.pop().is_some());
}
