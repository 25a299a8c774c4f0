//! Tables of pods and what is seen of them, with the plan expected.

use std::collections::BTreeMap;

use super::*;
use crate::backoff::CRASH_LOOP_MAX;
use crate::testing::{ago, now, observed, pod};

struct World {
    verdicts: Verdicts,
    back_off: BackOff,
    actuated: BTreeMap<String, ResourceAmounts>,
}

fn world() -> World {
    World {
        verdicts: Verdicts::default(),
        back_off: BackOff::crash_loop(CRASH_LOOP_MAX),
        actuated: BTreeMap::new(),
    }
}

fn plan_in(world: &World, pod: &Pod, seen: &ObservedPod) -> Plan {
    let World { verdicts, back_off, actuated } = world;
    plan(Inputs { pod, observed: seen, verdicts, back_off, actuated }, now())
}

fn text(plan: &Plan) -> String {
    plan.actions.iter().map(Action::to_string).collect::<Vec<_>>().join("; ")
}

fn check(spec: &str, seen: &str, expected: &str) {
    let pod = pod(spec);
    assert_eq!(text(&plan_in(&world(), &pod, &observed(&pod, seen))), expected, "{spec} seen {seen:?}");
}

const TWO: &str = r#"{"containers":[{"name":"a","image":"img"},{"name":"b","image":"img"}]}"#;
const NEVER: &str = r#"{"restartPolicy":"Never","containers":[{"name":"a"},{"name":"b"}]}"#;
const ON_FAILURE: &str = r#"{"restartPolicy":"OnFailure","containers":[{"name":"a"},{"name":"b"}]}"#;
const INIT: &str = r#"{"initContainers":[{"name":"i"},{"name":"j"}],"containers":[{"name":"a"}]}"#;
const INIT_NEVER: &str =
    r#"{"restartPolicy":"Never","initContainers":[{"name":"i"},{"name":"j"}],"containers":[{"name":"a"}]}"#;
const SIDECAR: &str = r#"{"initContainers":[{"name":"i"},{"name":"s","restartPolicy":"Always"},{"name":"j"}],
    "containers":[{"name":"a"}]}"#;

#[test]
fn a_new_pod_gets_a_sandbox_and_its_containers() {
    check(TWO, "", "create sandbox 0; start a; start b");
    check(INIT, "", "create sandbox 0; start i");
}

#[test]
fn a_running_pod_is_left_alone() {
    check(TWO, "sandbox a=running b=running", "");
    check(INIT, "sandbox a=running", "");
    check(NEVER, "sandbox a=exited:1 b=running", "");
}

#[test]
fn ended_containers_restart_by_policy() {
    check(TWO, "sandbox a=exited:0 b=running", "start a");
    check(ON_FAILURE, "sandbox a=exited:0 b=exited:1", "start b");
    check(NEVER, "sandbox a=exited:0 b=exited:1", "kill pod");
    check(NEVER, "old-sandbox a=exited:0 b=exited:1", "");
    check(TWO, "sandbox a=created b=running", "start a");
    check(
        TWO,
        "sandbox a=unknown b=running",
        "kill a (Container is in \"unknown\" state, try killing it before restart); start a",
    );
}

#[test]
fn restart_rules_of_containers() {
    let spec = r#"{"restartPolicy":"Never","containers":[{"name":"a","restartPolicy":"Never",
        "restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]},{"name":"b"}]}"#;
    check(spec, "sandbox a=exited:42 b=running", "start a");
    check(spec, "sandbox a=exited:1 b=running", "");
    let all = r#"{"restartPolicy":"Never","containers":[{"name":"a","restartPolicy":"Never",
        "restartPolicyRules":[{"action":"RestartAllContainers","exitCodes":{"operator":"In","values":[42]}}]},
        {"name":"b"}]}"#;
    check(all, "sandbox a=exited:42 b=running", "kill and remove b; remove a");
}

#[test]
fn a_lost_sandbox_is_replaced() {
    check(
        TWO,
        "old-sandbox a=exited:137 b=exited:137",
        "kill pod to recreate it; create sandbox 1; start a; start b",
    );
    check(
        INIT,
        "old-sandbox a=exited:0 i=exited:0",
        "kill pod to recreate it; remove init containers; create sandbox 1; start i",
    );
    check(
        ON_FAILURE,
        "old-sandbox a=exited:0 b=exited:1",
        "kill pod to recreate it; create sandbox 1; start b",
    );
    check(ON_FAILURE, "old-sandbox a=exited:0 b=exited:0", "");
    check(NEVER, "old-sandbox", "kill pod to recreate it; create sandbox 1; start a; start b");
    check(
        TWO,
        "sandbox sandbox a=running b=running",
        "kill pod to recreate it; create sandbox 1; start a; start b",
    );
}

#[test]
fn init_containers_run_in_order() {
    check(INIT, "sandbox", "start i");
    check(INIT, "sandbox i=running", "");
    check(INIT, "sandbox i=exited:0", "start j");
    check(INIT, "sandbox j=exited:0 i=exited:0", "start a");
    check(INIT, "sandbox j=exited:0", "start a");
    check(INIT, "sandbox i=exited:1", "start i");
    check(INIT_NEVER, "sandbox i=exited:1", "kill pod");
    check(INIT, "sandbox i=created", "start i");
}

#[test]
fn sidecars_start_in_turn_and_stay() {
    check(SIDECAR, "sandbox i=exited:0", "start s");
    check(SIDECAR, "sandbox s=running i=exited:0", "start j");
    check(SIDECAR, "sandbox j=running s=exited:1 i=exited:0", "start s");
    check(SIDECAR, "sandbox j=exited:0 s=running i=exited:0", "start a");
    check(SIDECAR, "sandbox a=running s=exited:1", "start s");
    check(SIDECAR, "sandbox a=running", "start s");
    // With no container left to run, the sidecar does not keep the pod alive.
    let never = SIDECAR.replacen('{', r#"{"restartPolicy":"Never","#, 1);
    check(&never, "sandbox a=exited:0 j=exited:0 s=running i=exited:0", "kill pod");
}

#[test]
fn probes_decide_about_running_containers() {
    let run = |spec: &str, liveness: Option<Verdict>, startup: Option<Verdict>, seen: &str| {
        let pod = pod(spec);
        let seen = observed(&pod, seen);
        let mut world = world();
        for container in &seen.containers {
            if let Some(verdict) = liveness {
                world.verdicts.liveness.insert(container.id.clone(), verdict);
            }
            if let Some(verdict) = startup {
                world.verdicts.startup.insert(container.id.clone(), verdict);
            }
        }
        text(&plan_in(&world, &pod, &seen))
    };
    let one = r#"{"containers":[{"name":"a"}]}"#;
    let failed = Some(Verdict::Failure);
    assert_eq!(
        run(one, failed, None, "sandbox a=running"),
        "kill a (Container a failed liveness probe, will be restarted); start a"
    );
    assert_eq!(
        run(
            r#"{"restartPolicy":"Never","containers":[{"name":"a"},{"name":"b"}]}"#,
            failed,
            None,
            "sandbox a=running"
        ),
        "kill a (Container a failed liveness probe); start b"
    );
    let probed = r#"{"initContainers":[{"name":"s","restartPolicy":"Always","startupProbe":{}}],
        "containers":[{"name":"a"}]}"#;
    assert_eq!(run(probed, None, None, "sandbox s=running"), "");
    assert_eq!(run(probed, None, Some(Verdict::Success), "sandbox s=running"), "start a");
    assert_eq!(
        run(probed, None, failed, "sandbox s=running"),
        "kill s (Init container s failed startup probe); start s"
    );
}

#[test]
fn crashes_back_off() {
    let pod = pod(r#"{"initContainers":[],"containers":[{"name":"a"},{"name":"b"}]}"#);
    let mut world = world();
    let a = pod.spec.containers.first().expect("a");
    world.back_off.advance(&back_off_key(&pod, a), ago(15), ago(10));
    let plan = plan_in(&world, &pod, &observed(&pod, "sandbox a=exited:1@4 b=running"));
    assert_eq!(text(&plan), "wait 10s for a");
    assert_eq!(plan.wake_at, Some(ago(-6)));
    let plan = plan_in(&world, &pod, &observed(&pod, "sandbox a=exited:1@10 b=running"));
    assert_eq!(text(&plan), "start a");
}

#[test]
fn changed_definitions_restart_whatever_the_policy() {
    let old = pod(NEVER);
    let mut new = old.clone();
    if let Some(container) = new.spec.containers.first_mut() {
        container.image = "other".into();
    }
    let seen = observed(&old, "sandbox a=running b=running");
    assert_eq!(
        text(&plan_in(&world(), &new, &seen)),
        "kill a (Container a definition changed, will be restarted); start a"
    );
}

#[test]
fn ephemeral_containers_start_once() {
    let spec = r#"{"initContainers":[{"name":"i"}],"containers":[{"name":"a"}],"ephemeralContainers":[{"name":"e"}]}"#;
    check(spec, "sandbox i=running", "start e");
    check(spec, "sandbox e=exited:1 i=running", "");
}

#[test]
fn resizes_are_applied_in_place_or_by_restart() {
    let spec = |policy: &str| {
        format!(
            r#"{{"containers":[{{"name":"a","resources":{{"limits":{{"cpu":"200m"}}}},
            "resizePolicy":[{{"resourceName":"cpu","restartPolicy":"{policy}"}}]}}]}}"#
        )
    };
    let run = |policy: &str, cpu_limit_milli: i64| {
        let pod = pod(&spec(policy));
        let mut world = world();
        world.actuated.insert("a".into(), ResourceAmounts { cpu_limit_milli, ..ResourceAmounts::default() });
        text(&plan_in(&world, &pod, &observed(&pod, "sandbox a=running")))
    };
    assert_eq!(run("NotRequired", 200), "");
    assert_eq!(run("NotRequired", 100), "resize a to cpu 0m/200m memory 0/0");
    assert_eq!(run("RestartContainer", 100), "kill a (Container a resize requires restart); start a");
}

#[test]
fn a_pod_being_deleted_starts_nothing() {
    let mut pod = pod(TWO);
    pod.metadata.deletion_timestamp = Some(machinery::Time { seconds: 1, nanos: 0 });
    let plan = plan_in(&world(), &pod, &observed(&pod, "sandbox a=exited:1 b=running"));
    assert_eq!(text(&plan), "");
}
