//! What users read in `kubectl describe pod`, word for word.

use std::time::Duration;

use api_types::core::v1::PodStatus;
use machinery::Quantity;

use crate::pods::{ready, waiting};
use crate::world::{World, deleted, pod};

/// Without how long things took.
fn without_times(told: Vec<String>) -> Vec<String> {
    told.into_iter()
        .map(|line| match line.split_once(" in ") {
            Some((before, rest)) if line.starts_with("Pulled Successfully") => {
                let (_, size) = rest.split_once("). ").unwrap_or_default();
                format!("{before} … {size}")
            }
            _ => line,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn of_a_pod_from_start_to_end() {
    let world = World::new("events-life").await;
    let pod = pod(
        "events-life",
        r#"{"containers":[{"name":"web","image":"img:1"},{"name":"more","image":"far:1"}]}"#,
    );
    world.list(std::slice::from_ref(&pod));
    world.until("events-life", "readiness", ready).await;
    assert_eq!(
        without_times(world.told()),
        [
            r#"Pulled Container image "img:1" already present on machine and can be accessed by the pod"#,
            "Created Container created",
            "Started Container started",
            r#"Pulling Pulling image "far:1""#,
            r#"Pulled Successfully pulled image "far:1" … Image size: 100 bytes."#,
            "Created Container created",
            "Started Container started",
        ]
    );
    world.apply(&deleted(&pod, 5));
    world.until_runtime("removal", |runtime| runtime.remains() == 0).await;
    let mut told = world.told();
    told.sort();
    assert_eq!(told, ["Killing Stopping container more", "Killing Stopping container web"]);
}

#[tokio::test(start_paused = true)]
async fn of_an_image_that_is_missing() {
    let world = World::new("events-image").await;
    world.list(&[pod("events-image", r#"{"containers":[{"name":"web","image":"missing:1"}]}"#)]);
    let back_off = |status: &PodStatus| waiting(status, "web") == "ImagePullBackOff";
    let status = world.until("events-image", "the wait", back_off).await;
    assert_eq!(
        world.told(),
        [
            r#"Pulling Pulling image "missing:1""#,
            r#"Failed Failed to pull image "missing:1": rpc error: code = NotFound desc = no such image"#,
            "Failed Error: ErrImagePull",
            r#"BackOff Back-off pulling image "missing:1""#,
            "Failed Error: ImagePullBackOff",
        ]
    );
    let message = status.container_statuses.first().and_then(|known| known.state.waiting.as_ref());
    assert_eq!(
        message.map(|waiting| waiting.message.as_str()),
        Some(
            r#"Back-off pulling image "missing:1": ErrImagePull: rpc error: code = NotFound desc = no such image"#
        )
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_container_that_crashes() {
    let world = World::new("events-crash").await;
    world.runtime.let_end("web", 1);
    world.list(&[pod("events-crash", r#"{"containers":[{"name":"web","image":"img:1"}]}"#)]);
    let back_off = |status: &PodStatus| waiting(status, "web") == "CrashLoopBackOff";
    let status = world.until("events-crash", "the wait", back_off).await;
    let told = world.told();
    let expected = "BackOff Back-off restarting failed container web in pod events-crash_work(events-crash)";
    assert!(told.iter().any(|line| line == expected), "{told:#?}");
    let message = status.container_statuses.first().and_then(|known| known.state.waiting.as_ref());
    assert_eq!(
        message.map(|waiting| waiting.message.as_str()),
        Some("back-off 10s restarting failed container=web pod=events-crash_work(events-crash)")
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_container_that_does_not_start() {
    let world = World::new("events-start").await;
    world.runtime.let_refuse("web");
    world.list(&[pod("events-start", r#"{"containers":[{"name":"web","image":"img:1"}]}"#)]);
    world.until("events-start", "the error", |status| waiting(status, "web") == "RunContainerError").await;
    // Tried again every ten seconds, not as often as the runtime shows something new.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(world.runtime.remains() < 10, "{}", world.runtime.remains());
    // The name stands for the id, which would make every try another event.
    assert!(world.told().contains(&"Failed Error: task web: no such file".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn of_probes_that_fail() {
    let world = World::new("events-probe").await;
    let spec = r#"{"containers":[{"name":"web","image":"img:1","livenessProbe":
        {"periodSeconds":5,"failureThreshold":2,"httpGet":{"path":"/live","port":80}}}]}"#;
    world.list(&[pod("events-probe", spec)]);
    world.until("events-probe", "readiness", ready).await;
    world.told();
    world.runtime.let_probe_fail("http /live", true);
    let restarted = |status: &PodStatus| crate::pods::restarts(status, "web") == 1;
    world.until("events-probe", "a restart", restarted).await;
    assert_eq!(
        world.told().get(..3).unwrap_or_default(),
        [
            "Unhealthy Liveness probe failed: refused",
            "Unhealthy Liveness probe failed: refused",
            "Killing Container web failed liveness probe, will be restarted",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_pod_past_its_deadline() {
    let world = World::new("events-deadline").await;
    world.list(&[pod(
        "events-deadline",
        r#"{"activeDeadlineSeconds":60,"containers":[{"name":"web","image":"img:1"}]}"#,
    )]);
    world.until("events-deadline", "failure", |status| status.phase == "Failed").await;
    let expected = "DeadlineExceeded Pod was active on the node longer than the specified deadline";
    assert!(world.told().contains(&expected.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn of_a_resize() {
    let world = World::new("events-resize").await;
    let spec = r#"{"containers":[{"name":"web","image":"img:1","resources":{"limits":{"cpu":"100m"},"requests":{"cpu":"100m"}}}]}"#;
    let mut pod = pod("events-resize", spec);
    world.list(std::slice::from_ref(&pod));
    world.until("events-resize", "readiness", ready).await;
    world.told();
    for container in &mut pod.spec.containers {
        container.resources.limits.insert("cpu".into(), Quantity("200m".into()));
    }
    pod.metadata.generation = 2;
    world.apply(&pod);
    let applied = |status: &PodStatus| {
        let known = status.container_statuses.first().and_then(|known| known.resources.as_ref());
        known.is_some_and(|resources| resources.limits.get("cpu").is_some_and(|limit| limit.0 == "200m"))
            && !status.conditions.iter().any(|known| known.type_.starts_with("PodResize"))
    };
    world.until("events-resize", "the resize", applied).await;
    let resources = r#"{"containers":[{"name":"web","resources":{"limits":{"cpu":"200m"},"requests":{"cpu":"100m"}}}],"generation":2}"#;
    assert_eq!(
        world.told(),
        [
            format!("ResizeStarted Pod resize started: {resources}"),
            format!("ResizeCompleted Pod resize completed: {resources}"),
        ]
    );
}
