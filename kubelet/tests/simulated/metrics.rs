//! What Prometheus reads of the kubelet.

use std::time::Duration;

use component_base::metrics::Metrics;
use kubelet::clock::Clock;
use kubelet::metrics::{KubeletMetrics, Measured, OperationMetrics};
use kubelet_core::ports::{Images, Runtime};

use crate::pods::ready;
use crate::world::runtime::SimulatedRuntime;
use crate::world::{World, deleted, pod};

fn contains(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|known| known == *line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn calls_to_the_runtime_are_counted_and_measured() {
    let (metrics, runtime) = (Metrics::new(), SimulatedRuntime::new(Clock::wall()));
    let measured = Measured::new(runtime.clone(), runtime, OperationMetrics::register(&metrics));
    Images::list(measured.as_ref()).await.expect("a list");
    measured.container_status("none").await.expect_err("no such container");
    measured.run_sandbox(&Default::default(), "").await.expect("a sandbox");
    contains(
        &metrics.render(),
        &[
            r#"kubelet_runtime_operations_total{operation_type="list_images"} 1"#,
            r#"kubelet_runtime_operations_total{operation_type="container_status"} 1"#,
            r#"kubelet_runtime_operations_errors_total{operation_type="container_status"} 1"#,
            r#"kubelet_runtime_operations_duration_seconds_count{operation_type="run_podsandbox"} 1"#,
            r#"kubelet_run_podsandbox_duration_seconds_count{runtime_handler=""} 1"#,
        ],
    );
}

#[test]
fn pulls_are_told_apart_by_size() {
    let metrics = Metrics::new();
    let kubelet = KubeletMetrics::register(&metrics, &Metrics::new(), "node");
    for size in [0, 5, 11 << 20, 1 << 30, (1 << 30) + 1, 200 << 30] {
        kubelet.pulled(2.0, size);
    }
    let labels = ["N/A", "0-10MB", "10MB-100MB", "500MB-1GB", "1GB-5GB", "GT100GB"];
    let lines = labels.map(|label| {
        format!(r#"kubelet_image_pull_duration_seconds_count{{image_size_in_bytes="{label}"}} 1"#)
    });
    contains(&metrics.render(), &lines.each_ref().map(String::as_str));
}

#[tokio::test(start_paused = true)]
async fn pods_are_counted_by_stage_and_their_starts_and_volumes_measured() {
    let world = World::new("counted").await;
    let spec = r#"{"containers":[{"name":"web","image":"img:1"}],"volumes":[{"name":"v","emptyDir":{}}]}"#;
    let mut pod = pod("counted", spec);
    let created = world.runtime.clock.now().as_second() - 2;
    pod.metadata.creation_timestamp = machinery::Time { seconds: created, nanos: 0 };
    world.list(std::slice::from_ref(&pod));
    world.until("counted", "readiness", ready).await;
    let working = |lifecycle: &str, count: u32| {
        format!(r#"kubelet_working_pods{{config="desired",lifecycle="{lifecycle}",static=""}} {count}"#)
    };
    let volumes = |state: &str, count: u32| {
        let labels = format!(r#"plugin_name="kubernetes.io/empty-dir",state="{state}_state_of_world""#);
        format!("volume_manager_total_volumes{{{labels}}} {count}")
    };
    let started = |count: u32| format!("kubelet_pod_start_sli_duration_seconds_count {count}");
    let lines = [working("sync", 1), volumes("desired", 1), volumes("actual", 1), started(1)];
    contains(&world.metrics.render(), &lines.each_ref().map(String::as_str));

    world.runtime.let_ignore_stop("web");
    world.apply(&deleted(&pod, 30));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let lines = [working("sync", 0), working("terminating", 1), volumes("actual", 1)];
    contains(&world.metrics.render(), &lines.each_ref().map(String::as_str));
    world.until_runtime("removal", |runtime| runtime.remains() == 0).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let lines = [working("terminating", 0), volumes("desired", 0), volumes("actual", 0), started(1)];
    contains(&world.metrics.render(), &lines.each_ref().map(String::as_str));
}
