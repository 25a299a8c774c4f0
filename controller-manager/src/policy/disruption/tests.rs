//! Cases of budgets.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::Pod;
use api_types::policy::v1::PodDisruptionBudget;
use jiff::Timestamp;
use machinery::Message;
use runtime::Plan;
use serde_json::{Value, json};

use super::gather::{Inputs, Keeper};
use super::plan::plan;
use super::stale;

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

/// Pods: r ready, u not ready, t ready but going; upper case has no keeper.
fn inputs(spec: Value, status: Value, pods: &str) -> Inputs {
    let pod = |(number, flag): (usize, char)| {
        let ready = if flag.eq_ignore_ascii_case(&'u') { "False" } else { "True" };
        let mut value = json!({"metadata": {"name": format!("p{number}")}, "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        if flag == 't' {
            value["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        let keeper = if flag.is_ascii_uppercase() { Keeper::None } else { Keeper::Known("owner".into(), 4) };
        (Arc::new(Pod::from_value(&value).unwrap()), keeper)
    };
    let budget = json!({"metadata": {"namespace": "ns", "name": "b", "generation": 3}, "spec": spec, "status": status});
    Inputs {
        budget: Arc::new(PodDisruptionBudget::from_value(&budget).unwrap()),
        pods: pods.chars().enumerate().map(pod).collect(),
    }
}

fn written(plan: &Plan) -> Option<&PodDisruptionBudget> {
    plan.actions().find_map(|action| action.replaced().map(|(_, budget)| budget))
}

/// Expected: pods, to be healthy, healthy, allowed.
#[track_caller]
fn check(spec: Value, pods: &str, expected: (i32, i32, i32, i32)) {
    let mut inputs = inputs(spec, json!({}), pods);
    let plan_of = |inputs: &Inputs| plan(inputs, now());
    let first = plan_of(&inputs);
    let budget = written(&first).expect("a status").clone();
    let s = &budget.status;
    assert_eq!((s.expected_pods, s.desired_healthy, s.current_healthy, s.disruptions_allowed), expected);
    assert_eq!(s.observed_generation, 3);
    let reason = if s.disruptions_allowed > 0 { "SufficientPods" } else { "InsufficientPods" };
    assert_eq!(s.conditions[0].reason, reason);
    inputs.budget = Arc::new(budget);
    inputs.pods.reverse();
    assert!(plan_of(&inputs).is_empty(), "again and in another order nothing is to be done");
}

#[test]
fn pods_may_be_lost_as_the_budget_says() {
    check(json!({"minAvailable": 2}), "rrr", (3, 2, 3, 1));
    check(json!({"minAvailable": 2}), "rut", (3, 2, 1, 0));
    check(json!({"minAvailable": "50%"}), "rrr", (4, 2, 3, 1));
    check(json!({"minAvailable": "30%"}), "rrr", (4, 2, 3, 1));
    check(json!({"maxUnavailable": 1}), "rrrr", (4, 3, 4, 1));
    check(json!({"maxUnavailable": "25%"}), "rrru", (4, 3, 3, 0));
    check(json!({"maxUnavailable": 9}), "rrrr", (4, 0, 4, 4));
    check(json!({"minAvailable": 0}), "", (0, 0, 0, 0));
    check(json!({"maxUnavailable": 1}), "RR", (0, 0, 2, 0));
}

#[test]
fn oddities_are_told_with_a_change() {
    let reasons = |spec, pods| -> Vec<String> {
        plan(&inputs(spec, json!({}), pods), now()).notes.iter().map(|note| note.reason.clone()).collect()
    };
    assert_eq!(reasons(json!({"minAvailable": 1}), ""), ["NoPods"]);
    assert_eq!(reasons(json!({"maxUnavailable": 1}), "rR"), ["UnmanagedPods"]);
    assert_eq!(reasons(json!({"minAvailable": 1}), "rR"), [""; 0]);
}

#[test]
fn what_cannot_be_counted_allows_nothing() {
    let mut inputs = inputs(json!({"maxUnavailable": 1}), json!({"disruptionsAllowed": 2}), "rr");
    inputs.pods[0].1 = Keeper::Unknown("found no controllers".into());
    let first = plan(&inputs, now());
    let budget = written(&first).unwrap().clone();
    assert_eq!((budget.status.disruptions_allowed, first.notes.len()), (0, 1));
    assert_eq!(budget.status.conditions[0].reason, "SyncFailed");
    inputs.budget = Arc::new(budget);
    assert!(plan(&inputs, now()).is_empty());
}

#[test]
fn evicted_pods_count_as_lost_until_they_were_not() {
    let status = json!({"disruptedPods": {"p0": "2026-01-01T00:59:00Z", "p1": "2026-01-01T00:57:00Z", "gone": "2026-01-01T00:59:00Z"}});
    let first = plan(&inputs(json!({"minAvailable": 1}), status, "rrr"), now());
    let status = &written(&first).unwrap().status;
    assert_eq!(status.disrupted_pods.keys().collect::<Vec<_>>(), ["p0"]);
    assert_eq!((status.current_healthy, status.disruptions_allowed), (2, 1));
    assert_eq!(first.requeue_after, Some(Duration::from_secs(60)));
    assert_eq!(
        (first.notes[0].reason.as_str(), first.notes[0].regarding.name.as_str()),
        ("NotDeleted", "p1")
    );
}

#[test]
fn a_going_budget_is_left_alone() {
    let mut inputs = inputs(json!({"minAvailable": 1}), json!({}), "rr");
    let mut going = inputs.budget.as_ref().clone();
    going.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".parse().unwrap());
    inputs.budget = Arc::new(going);
    assert!(plan(&inputs, now()).is_empty());
}

#[test]
fn a_disruption_that_did_not_happen_is_taken_back() {
    let pod = |reason: &str, since: &str| {
        let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": reason, "lastTransitionTime": since});
        let status = json!({"phase": "Running", "conditions": [condition]});
        Pod::from_value(&json!({"metadata": {"name": "p"}, "status": status})).unwrap()
    };
    let fresh = pod("EvictionByEvictionAPI", "2026-01-01T00:59:00Z");
    let plan = stale::plan(&fresh, now());
    assert_eq!((plan.stages.len(), plan.requeue_after), (0, Some(Duration::from_secs(60))));
    let old = pod("EvictionByEvictionAPI", "2026-01-01T00:50:00Z");
    assert!(stale::is_marked(&old));
    let plan = stale::plan(&old, now());
    let (_, subresource, patch) = plan.actions().next().unwrap().patched().unwrap();
    assert_eq!(subresource, "status");
    assert_eq!(patch.value()["status"]["conditions"][0]["status"], "False");
    assert!(!stale::is_marked(&pod("TerminationByKubelet", "2026-01-01T00:50:00Z")));
}
