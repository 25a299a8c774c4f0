//! Tables of pods and what is seen of them, with the status expected.

use std::collections::BTreeMap;

use api_types::core::v1::{Pod, PodCondition, PodStatus};
use machinery::Message;
use serde_json::json;

use super::*;
use crate::actions::{Verdict, Verdicts};
use crate::testing::{now, observed, pod};

struct Given<'a> {
    pod: Pod,
    seen: &'a str,
    old: PodStatus,
    waiting: BTreeMap<String, WaitingReason>,
    verdicts: Verdicts,
    terminal: bool,
    eviction: Option<Eviction>,
}

fn given<'a>(spec: &str, seen: &'a str) -> Given<'a> {
    Given {
        pod: pod(spec),
        seen,
        old: PodStatus::default(),
        waiting: BTreeMap::new(),
        verdicts: Verdicts::default(),
        terminal: false,
        eviction: None,
    }
}

fn status(given: &Given<'_>) -> PodStatus {
    let seen = observed(&given.pod, given.seen);
    let made = generate(StatusInputs {
        pod: &given.pod,
        old: &given.old,
        observed: &seen,
        waiting: &given.waiting,
        verdicts: &given.verdicts,
        terminal: given.terminal,
        eviction: given.eviction.as_ref(),
        host_ips: &["192.0.2.1".to_owned()],
        runtime_name: "containerd",
        actuated: &BTreeMap::new(),
        resize_conditions: &[],
        recursive_readonly: false,
    });
    merge::finish(&given.pod, &given.old, made, now())
}

fn conditions(status: &PodStatus) -> String {
    let text: Vec<String> = status
        .conditions
        .iter()
        .map(|condition| match condition.reason.as_str() {
            "" => format!("{}={}", condition.type_, condition.status),
            reason => format!("{}={}({reason})", condition.type_, condition.status),
        })
        .collect();
    text.join(" ")
}

const ONE: &str = r#"{"containers":[{"name":"a","image":"img"}]}"#;
const NEVER: &str = r#"{"restartPolicy":"Never","containers":[{"name":"a"},{"name":"b"}]}"#;
const INIT: &str = r#"{"initContainers":[{"name":"i"}],"containers":[{"name":"a"}]}"#;
const SIDECAR: &str = r#"{"restartPolicy":"Never","initContainers":[{"name":"s","restartPolicy":"Always"}],"containers":[{"name":"a"}]}"#;

#[test]
fn phases() {
    let check = |spec: &str, seen: &str, terminal: bool, expected: &str| {
        let mut given = given(spec, seen);
        given.terminal = terminal;
        assert_eq!(status(&given).phase, expected, "{spec} seen {seen:?}");
    };
    check(ONE, "", false, "Pending");
    check(ONE, "sandbox a=running", false, "Running");
    check(ONE, "sandbox a=exited:1", false, "Running");
    check(ONE, "sandbox a=exited:0", true, "Succeeded");
    check(ONE, "sandbox a=exited:1", true, "Failed");
    check(NEVER, "sandbox a=exited:0 b=running", false, "Running");
    check(NEVER, "sandbox a=exited:0 b=exited:0", false, "Succeeded");
    check(NEVER, "sandbox a=exited:0 b=exited:2", false, "Failed");
    check(INIT, "sandbox i=running", false, "Pending");
    check(INIT, "sandbox i=exited:1", false, "Pending");
    check(INIT, "sandbox a=running", false, "Running");
    check(&INIT.replacen('{', r#"{"restartPolicy":"Never","#, 1), "sandbox i=exited:1", false, "Failed");
    check(SIDECAR, "sandbox s=running", false, "Pending");
    check(SIDECAR, "sandbox a=running s=running", false, "Running");
    check(SIDECAR, "sandbox a=exited:0 s=exited:0", false, "Succeeded");
}

#[test]
fn conditions_follow_the_containers() {
    let check = |spec: &str, seen: &str, expected: &str| {
        assert_eq!(conditions(&status(&given(spec, seen))), expected, "{spec} seen {seen:?}");
    };
    check(
        ONE,
        "",
        "PodReadyToStartContainers=False Initialized=True Ready=False(ContainersNotReady) \
         ContainersReady=False(ContainersNotReady) PodScheduled=True",
    );
    check(
        ONE,
        "sandbox a=running",
        "PodReadyToStartContainers=True Initialized=True Ready=True ContainersReady=True PodScheduled=True",
    );
    check(
        INIT,
        "sandbox i=running",
        "PodReadyToStartContainers=True Initialized=False(ContainersNotInitialized) Ready=False(ContainersNotReady) \
         ContainersReady=False(ContainersNotReady) PodScheduled=True",
    );
    check(
        NEVER,
        "sandbox a=exited:0 b=exited:0",
        "PodReadyToStartContainers=True Initialized=True(PodCompleted) Ready=False(PodCompleted) \
         ContainersReady=False(PodCompleted) PodScheduled=True",
    );
}

#[test]
fn container_statuses_as_users_read_them() {
    let mut case = given(ONE, "sandbox a=exited:1 a=exited:2");
    let reason = WaitingReason { reason: "CrashLoopBackOff".into(), message: "back-off".into() };
    case.waiting.insert("a".into(), reason);
    let made = status(&case);
    let container = made.container_statuses.first().expect("one").to_value();
    assert_eq!(
        container.get("state"),
        Some(&json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}))
    );
    assert_eq!(
        container.get("lastState"),
        Some(&json!({"terminated": {"exitCode": 1, "reason": "Error", "containerID": "containerd://a-2",
            "startedAt": "1970-01-12T13:44:59Z", "finishedAt": "1970-01-12T13:45:40Z"}}))
    );
    assert_eq!(container.get("imageID"), Some(&json!("img@sha256:0")));
    assert_eq!((made.host_ip.as_str(), made.pod_ip.as_str()), ("192.0.2.1", "10.0.0.7"));
}

#[test]
fn waiting_reasons_before_the_first_start() {
    let check = |spec: &str, expected: &str| {
        let made = status(&given(spec, ""));
        let waiting =
            made.container_statuses.first().and_then(|known| known.state.waiting.clone()).expect("waiting");
        assert_eq!(waiting.reason, expected);
    };
    check(ONE, "ContainerCreating");
    check(INIT, "PodInitializing");
}

#[test]
fn a_container_that_vanished_counts_as_ended() {
    let mut case = given(NEVER, "sandbox b=running");
    case.old = status(&given(NEVER, "sandbox a=running b=running"));
    let made = status(&case);
    let last = made.container_statuses.first().expect("a").last_state.terminated.clone().expect("ended");
    assert_eq!((last.reason.as_str(), last.exit_code), ("ContainerStatusUnknown", 137));
}

#[test]
fn probes_decide_readiness() {
    let spec = r#"{"containers":[{"name":"a","readinessProbe":{},"startupProbe":{}}]}"#;
    let check = |startup: Option<Verdict>, readiness: Option<Verdict>, expected: (bool, bool)| {
        let mut case = given(spec, "sandbox a=running");
        let verdicts = &mut case.verdicts;
        verdicts.startup = startup.map(|verdict| ("a-1".to_owned(), verdict)).into_iter().collect();
        verdicts.readiness = readiness.map(|verdict| ("a-1".to_owned(), verdict)).into_iter().collect();
        let made = status(&case);
        let container = made.container_statuses.first().expect("a");
        assert_eq!((container.started == Some(true), container.ready), expected);
    };
    check(None, None, (false, false));
    check(Some(Verdict::Success), None, (true, false));
    check(Some(Verdict::Success), Some(Verdict::Success), (true, true));
    check(Some(Verdict::Failure), Some(Verdict::Success), (false, false));
}

#[test]
fn evicted_pods_fail_with_their_reason() {
    let mut case = given(ONE, "sandbox a=running");
    case.eviction = Some(Eviction {
        reason: "Evicted".into(),
        message: "low on memory".into(),
        disruption_reason: "TerminationByKubelet".into(),
    });
    let made = status(&case);
    assert_eq!((made.phase.as_str(), made.reason.as_str()), ("Failed", "Evicted"));
    assert!(conditions(&made).contains("DisruptionTarget=True(TerminationByKubelet)"));
    // Held back while the container may still run.
    let api = PodStatus { phase: "Running".into(), ..PodStatus::default() };
    let sent = merge::with_api_status(&api, &made, true, now());
    assert_eq!((sent.phase.as_str(), sent.reason.as_str()), ("Running", ""));
    assert!(!conditions(&sent).contains("DisruptionTarget"));
    let sent = merge::with_api_status(&api, &made, false, now());
    assert!(sent.phase == "Failed" && conditions(&sent).contains("DisruptionTarget=True"));
}

#[test]
fn an_ended_pod_keeps_its_address() {
    let mut case = given(NEVER, "old-sandbox a=exited:0 b=exited:0");
    case.old = status(&given(NEVER, "sandbox a=running b=running"));
    assert_eq!(status(&case).pod_ip, "10.0.0.7");
}

#[test]
fn a_final_phase_stays() {
    let mut case = given(ONE, "sandbox a=running");
    case.old.phase = "Failed".into();
    assert_eq!(status(&case).phase, "Failed");
}

#[test]
fn generating_again_changes_nothing() {
    let mut case = given(ONE, "sandbox a=running");
    let first = status(&case);
    case.old = first.clone();
    case.pod.status = first.clone();
    let second = status(&case);
    assert_eq!(first, second);
    assert_eq!(merge::patch("uid", &first, &second), None);
}

#[test]
fn patches_touch_only_what_changed() {
    let before = status(&given(ONE, "sandbox"));
    let after = status(&given(ONE, "sandbox a=running"));
    let patch = merge::patch("uid", &before, &after).expect("a change");
    assert_eq!(patch.pointer("/metadata/uid"), Some(&json!("uid")));
    assert_eq!(patch.pointer("/status/phase"), Some(&json!("Running")));
    let changed: Vec<&str> = patch
        .pointer("/status/conditions")
        .and_then(|list| list.as_array())
        .map(|list| list.iter().filter_map(|item| item.get("type")?.as_str()).collect())
        .unwrap_or_default();
    assert_eq!(changed, ["Ready", "ContainersReady"]);
    assert_eq!(patch.pointer("/status/podIPs"), None);
    assert_eq!(patch.pointer("/status/conditions/0/reason"), Some(&json!(null)));
}

#[test]
fn terminating_leaves_nothing_running() {
    let running = status(&given(ONE, "sandbox a=running"));
    let ended = merge::terminated(&pod(ONE), &running);
    let state =
        ended.container_statuses.first().and_then(|known| known.state.terminated.clone()).expect("ended");
    assert_eq!(
        (ended.phase.as_str(), state.reason.as_str(), state.exit_code),
        ("Failed", "ContainerStatusUnknown", 137)
    );
    assert!(conditions(&ended).contains("Ready=False(PodFailed)"));
}

#[test]
fn what_the_kubelet_wrote_itself_comes_back_as_an_echo() {
    let known = pod(ONE);
    let mut newer = Pod { status: status(&given(ONE, "sandbox a=running")), ..known.clone() };
    newer.metadata.resource_version = "2".into();
    assert!(merge::is_echo(&known, &newer));
    let changed = |change: fn(&mut Pod)| {
        let mut other = newer.clone();
        change(&mut other);
        !merge::is_echo(&newer, &other)
    };
    assert!(changed(|pod| pod.spec.active_deadline_seconds = Some(5)));
    assert!(changed(|pod| {
        pod.metadata.labels.insert("a".into(), "b".into());
    }));
    assert!(changed(|pod| pod.metadata.deletion_grace_period_seconds = Some(5)));
    // A readiness gate.
    assert!(changed(|pod| pod
        .status
        .conditions
        .push(PodCondition { type_: "example.com/served".into(), ..PodCondition::default() })));
}
