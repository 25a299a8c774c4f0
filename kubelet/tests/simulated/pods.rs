//! Pods on a simulated node, from creation to removal, in paused time.

use std::time::Duration;

use api_types::core::v1::{Pod, PodStatus};
use kubelet::pods::PodEvent;
use kubelet_core::pod_lifecycle::Eviction;
use machinery::Quantity;

use crate::world::{World, deleted, pod};

const WEB: &str = r#"{"terminationGracePeriodSeconds":20,"containers":[{"name":"web","image":"img:1"}]}"#;

pub(crate) fn ready(status: &PodStatus) -> bool {
    status.conditions.iter().any(|known| known.type_ == "Ready" && known.status == "True")
}

pub(crate) fn waiting(status: &PodStatus, name: &str) -> String {
    let known = status
        .container_statuses
        .iter()
        .chain(&status.init_container_statuses)
        .find(|known| known.name == name);
    known.and_then(|known| Some(known.state.waiting.as_ref()?.reason.clone())).unwrap_or_default()
}

pub(crate) fn restarts(status: &PodStatus, name: &str) -> i32 {
    status.container_statuses.iter().find(|known| known.name == name).map_or(-1, |known| known.restart_count)
}

/// Starts a world with this pod and waits until it is ready.
async fn running(name: &str, spec: &str) -> (World, Pod) {
    let world = World::new(name).await;
    let pod = pod(name, spec);
    world.list(std::slice::from_ref(&pod));
    world.until(name, "readiness", ready).await;
    (world, pod)
}

#[tokio::test(start_paused = true)]
async fn a_pod_lives_and_goes() {
    let (world, pod) = running("life", WEB).await;
    assert_eq!(world.runtime.log(), ["run life", "start web"]);
    world.apply(&deleted(&pod, 20));
    world.until_runtime("removal", |runtime| runtime.remains() == 0).await;
    assert_eq!(world.runtime.log(), ["run life", "start web", "stop web 20"]);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_kubelet_restarts_nothing() {
    let (world, mut pod) = running("restart", WEB).await;
    pod.status = world.statuses.get("restart").expect("a status");
    world.runtime.clear_log();
    let world = world.restart(&[pod]).await;
    world.until("restart", "readiness", ready).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(world.runtime.log(), Vec::<String>::new());
    assert_eq!(world.runtime.running(), ["web"]);
}

#[tokio::test(start_paused = true)]
async fn crashes_are_restarted_with_growing_waits() {
    let (world, _) = running("crash", WEB).await;
    world.runtime.let_end("web", 1);
    let before = world.runtime.clock.now();
    world.runtime.end("web", 1);
    world.until("crash", "a back-off", |status| waiting(status, "web") == "CrashLoopBackOff").await;
    let status = world.until("crash", "the fourth restart", |status| restarts(status, "web") >= 4).await;
    // At once, then after 10, 20 and 40 seconds.
    let passed = kubelet_core::backoff::elapsed(before, world.runtime.clock.now());
    assert!((70..80).contains(&passed.as_secs()), "{passed:?}");
    assert_eq!(status.phase, "Running");
}

#[tokio::test(start_paused = true)]
async fn a_job_ends_and_its_sandbox_with_it() {
    let world = World::new("job").await;
    world.runtime.let_end("once", 0);
    world.list(&[pod("job", r#"{"restartPolicy":"Never","containers":[{"name":"once","image":"img:1"}]}"#)]);
    let status = world.until("job", "success", |status| status.phase == "Succeeded").await;
    assert!(!ready(&status));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.runtime.log(), ["run job", "start once"]);
    // Its container stays for its log, until the pod is deleted.
    assert_eq!(world.runtime.remains(), 2);
}

#[tokio::test(start_paused = true)]
async fn init_containers_and_sidecars_come_first() {
    let world = World::new("init").await;
    world.runtime.let_end("setup", 0);
    let spec = r#"{"initContainers":[{"name":"setup","image":"img:1"},{"name":"side","image":"img:1","restartPolicy":"Always"}],
        "containers":[{"name":"web","image":"img:1"}]}"#;
    let pod = pod("init", spec);
    world.list(std::slice::from_ref(&pod));
    world.until("init", "readiness", ready).await;
    assert_eq!(world.runtime.log(), ["run init", "start setup", "start side", "start web"]);
    world.apply(&deleted(&pod, 30));
    world.until_runtime("removal", |runtime| runtime.remains() == 0).await;
    let log = world.runtime.log();
    let place = |word: &str| log.iter().position(|known| known.starts_with(word));
    assert!(place("stop web") < place("stop side"), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn images_that_cannot_be_pulled_are_tried_again() {
    let world = World::new("image").await;
    world.list(&[pod("image", r#"{"containers":[{"name":"web","image":"missing:1"}]}"#)]);
    world.until("image", "the error", |status| waiting(status, "web") == "ErrImagePull").await;
    world.until("image", "the wait", |status| waiting(status, "web") == "ImagePullBackOff").await;
    world
        .until_runtime("a third try", |runtime| {
            runtime.log().iter().filter(|word| word.starts_with("pull")).count() >= 3
        })
        .await;
    world.runtime.add_image("missing:1");
    world.until("image", "readiness", ready).await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_object_is_named() {
    let world = World::new("object").await;
    let spec = r#"{"containers":[{"name":"web","image":"img:1","env":[{"name":"A","valueFrom":{"configMapKeyRef":
        {"name":"cm","key":"k"}}}]}]}"#;
    world.list(&[pod("object", spec)]);
    let is_config_error = |status: &PodStatus| waiting(status, "web") == "CreateContainerConfigError";
    let status = world.until("object", "the error", is_config_error).await;
    let message = status
        .container_statuses
        .first()
        .and_then(|known| Some(known.state.waiting.as_ref()?.message.clone()));
    assert_eq!(message.as_deref(), Some("configmap \"cm\" not found"));
}

#[tokio::test(start_paused = true)]
async fn liveness_failures_restart_the_container() {
    let spec = r#"{"terminationGracePeriodSeconds":3,"containers":[{"name":"web","image":"img:1","livenessProbe":
        {"periodSeconds":5,"failureThreshold":2,"httpGet":{"path":"/live","port":80}}}]}"#;
    let (world, _) = running("live", spec).await;
    world.runtime.let_probe_fail("http /live", true);
    world.until("live", "a restart", |status| restarts(status, "web") == 1).await;
    assert!(world.runtime.log().contains(&"stop web 3".to_owned()), "{:?}", world.runtime.log());
}

#[tokio::test(start_paused = true)]
async fn readiness_follows_its_probe() {
    let spec = r#"{"containers":[{"name":"web","image":"img:1","readinessProbe":
        {"periodSeconds":5,"failureThreshold":1,"httpGet":{"path":"/ready","port":80}}}]}"#;
    let (world, _) = running("readiness", spec).await;
    world.runtime.let_probe_fail("http /ready", true);
    world.until("readiness", "unreadiness", |status| !ready(status)).await;
    world.runtime.let_probe_fail("http /ready", false);
    world.until("readiness", "readiness again", ready).await;
    assert_eq!(world.runtime.running(), ["web"]);
}

#[tokio::test(start_paused = true)]
async fn less_grace_cuts_a_stop_short() {
    let (world, pod) = running("grace", WEB).await;
    world.runtime.let_ignore_stop("web");
    world.apply(&deleted(&pod, 600));
    world
        .until_runtime("the stop", |runtime| runtime.log().iter().any(|word| word.starts_with("stop")))
        .await;
    let before = world.runtime.clock.now();
    world.apply(&deleted(&pod, 5));
    world.until_runtime("removal", |runtime| runtime.remains() == 0).await;
    let passed = kubelet_core::backoff::elapsed(before, world.runtime.clock.now());
    assert!(passed < Duration::from_secs(30), "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn pre_stop_hooks_run_before_the_stop() {
    let spec = r#"{"terminationGracePeriodSeconds":9,"containers":[{"name":"web","image":"img:1","lifecycle":
        {"preStop":{"exec":{"command":["drain"]}},"postStart":{"exec":{"command":["warm"]}}}}]}"#;
    let (world, pod) = running("hooks", spec).await;
    world.apply(&deleted(&pod, 9));
    world.until_runtime("removal", |runtime| runtime.remains() == 0).await;
    let expected = ["run hooks", "start web", "exec warm in web", "exec drain in web", "stop web 9"];
    assert_eq!(world.runtime.log(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_reboot_brings_everything_back() {
    let (world, pod) = running("reboot", WEB).await;
    world.runtime.reboot();
    world.runtime.clear_log();
    let world = world.restart(&[pod]).await;
    let status =
        world.until("reboot", "readiness", |status| ready(status) && restarts(status, "web") == 1).await;
    assert_eq!(world.runtime.log(), ["run reboot", "start web"]);
    assert!(status.container_statuses.first().is_some_and(|known| known.last_state.terminated.is_some()));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_wants_is_stopped() {
    let (world, _) = running("orphan", WEB).await;
    let world = world.restart(&[]).await;
    world.until_runtime("removal", |runtime| runtime.remains() == 0).await;
    // The grace comes from what the kubelet before this one wrote on the container.
    assert!(world.runtime.log().contains(&"stop web 20".to_owned()), "{:?}", world.runtime.log());
}

#[tokio::test(start_paused = true)]
async fn pods_without_room_fail() {
    let world = World::new("room").await;
    let spec = r#"{"containers":[{"name":"web","image":"img:1","resources":{"requests":{"cpu":"5"}}}]}"#;
    world.list(&[pod("room", spec)]);
    let status = world.until("room", "failure", |status| status.phase == "Failed").await;
    assert_eq!(
        (status.reason.as_str(), status.message.as_str()),
        (
            "OutOfcpu",
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 5000, used: 0, capacity: 4000"
        )
    );
    assert_eq!(world.runtime.log(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn evicted_pods_end_with_their_reason() {
    let (world, _) = running("evicted", WEB).await;
    let eviction = Eviction {
        reason: "Evicted".into(),
        message: "low on memory".into(),
        disruption_reason: "TerminationByKubelet".into(),
    };
    let event = PodEvent::Evict { uid: "evicted".into(), eviction, grace_seconds: 1 };
    world.events.send(event).expect("a kubelet");
    let ended = |status: &PodStatus| status.phase == "Failed" && world.runtime.running().is_empty();
    let status = world.until("evicted", "failure", ended).await;
    assert_eq!((status.reason.as_str(), status.message.as_str()), ("Evicted", "low on memory"));
}

#[tokio::test(start_paused = true)]
async fn pods_past_their_deadline_fail() {
    let spec = r#"{"activeDeadlineSeconds":60,"containers":[{"name":"web","image":"img:1"}]}"#;
    let (world, _) = running("deadline", spec).await;
    let status = world.until("deadline", "failure", |status| status.phase == "Failed").await;
    assert_eq!(status.reason, "DeadlineExceeded");
}

#[tokio::test(start_paused = true)]
async fn resizes_are_applied_in_place() {
    let spec = r#"{"containers":[{"name":"web","image":"img:1","resources":{"requests":{"cpu":"100m"},"limits":{"cpu":"100m"}}}]}"#;
    let (world, mut pod) = running("resize", spec).await;
    for container in &mut pod.spec.containers {
        container.resources.limits.insert("cpu".into(), Quantity("200m".into()));
    }
    world.apply(&pod);
    world.until_runtime("the resize", |runtime| runtime.log().contains(&"resize web 20000".to_owned())).await;
    let limit = |status: &PodStatus| {
        let resources = status.container_statuses.first()?.resources.clone()?;
        resources.limits.get("cpu").map(|limit| limit.0.clone())
    };
    world.until("resize", "the new limit", |status| limit(status).as_deref() == Some("200m")).await;
    // What the node can never give is refused, and what runs goes on.
    for container in &mut pod.spec.containers {
        container.resources.requests.insert("cpu".into(), Quantity("64".into()));
        container.resources.limits.insert("cpu".into(), Quantity("64".into()));
    }
    world.apply(&pod);
    let infeasible = |status: &PodStatus| {
        status
            .conditions
            .iter()
            .any(|known| known.type_ == "PodResizePending" && known.reason == "Infeasible")
    };
    world.until("resize", "the refusal", infeasible).await;
    assert_eq!(world.runtime.running(), ["web"]);
}

#[tokio::test(start_paused = true)]
async fn containers_that_cannot_start_say_why_and_try_again() {
    let world = World::new("refused").await;
    world.runtime.let_fail("web", true);
    world.list(&[pod("refused", WEB)]);
    let refused = |status: &PodStatus| waiting(status, "web") == "CreateContainerError";
    let status = world.until("refused", "the error", refused).await;
    let message = status
        .container_statuses
        .first()
        .and_then(|known| Some(known.state.waiting.as_ref()?.message.clone()));
    assert_eq!(message.as_deref(), Some("no such command"));
    world.runtime.let_fail("web", false);
    world.until("refused", "readiness", ready).await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_could_not_be_made_is_tried_again_soon() {
    let world = World::new("volume-late").await;
    let spec = r#"{"containers":[{"name":"web","image":"img:1"}],"volumes":[{"name":"v","configMap":{"name":"late"}}]}"#;
    world.list(&[pod("volume-late", spec)]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.runtime.running(), Vec::<String>::new());
    world.objects.add_config_map("late", "KEY", "value");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.runtime.running(), ["web"]);
    // One that never comes is asked for less and less often.
    world.told();
    world.list(&[pod("volume-never", &spec.replace("late", "never"))]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let failures = world.told().iter().filter(|line| line.starts_with("FailedMount ")).count();
    assert!((8..=12).contains(&failures), "{failures}");
}
