//! The kubelet's metrics, by upstream's names.

use component_base::metrics::{Metrics, exponential_buckets};
use kubelet_core::ports::ContainerState;
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use crate::observing::PodCache;

/// What is counted and measured. Cheap to clone.
#[derive(Clone)]
pub struct KubeletMetrics {
    pub started_pods: IntCounterVec,
    pub started_pod_errors: IntCounterVec,
    /// By `container_type`.
    pub started_containers: IntCounterVec,
    /// By `container_type` and `code`, which is the waiting reason.
    pub started_container_errors: IntCounterVec,
    pub relist_seconds: HistogramVec,
    /// By `eviction_signal`.
    pub evictions: IntCounterVec,
    /// By `reason`: `age` or `space`.
    pub collected_images: IntCounterVec,
    /// By `probe_type`, `result`, `container`, `pod`, `namespace` and `pod_uid`.
    pub probes: IntCounterVec,
    running_pods: IntGaugeVec,
    /// By `container_state`.
    running_containers: IntGaugeVec,
}

impl KubeletMetrics {
    /// Registers every metric; those of probes have a page of their own.
    pub fn register(metrics: &Metrics, probes: &Metrics, node_name: &str) -> KubeletMetrics {
        metrics
            .int_gauge("kubelet_node_name", "[ALPHA] The node's name. The count is always 1.", &["node"])
            .with_label_values(&[node_name])
            .set(1);
        KubeletMetrics {
            started_pods: metrics.int_counter(
                "kubelet_started_pods_total",
                "[ALPHA] Cumulative number of pods started",
                &[],
            ),
            started_pod_errors: metrics.int_counter(
                "kubelet_started_pods_errors_total",
                "[ALPHA] Cumulative number of errors when starting pods",
                &[],
            ),
            started_containers: metrics.int_counter(
                "kubelet_started_containers_total",
                "[ALPHA] Cumulative number of containers started",
                &["container_type"],
            ),
            started_container_errors: metrics.int_counter(
                "kubelet_started_containers_errors_total",
                "[ALPHA] Cumulative number of errors when starting containers",
                &["container_type", "code"],
            ),
            relist_seconds: metrics.histogram(
                "kubelet_pleg_relist_duration_seconds",
                "[ALPHA] Duration in seconds for relisting pods in PLEG.",
                &[],
                &exponential_buckets(0.001, 2.0, 14),
            ),
            evictions: metrics.int_counter(
                "kubelet_evictions",
                "[ALPHA] Cumulative number of pod evictions by eviction signal",
                &["eviction_signal"],
            ),
            collected_images: metrics.int_counter(
                "kubelet_image_garbage_collected_total",
                "[ALPHA] Total number of images garbage collected by the kubelet, whether through disk usage or image age.",
                &["reason"],
            ),
            probes: probes.int_counter(
                "prober_probe_total",
                "[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.",
                &["probe_type", "result", "container", "pod", "namespace", "pod_uid"],
            ),
            running_pods: metrics.int_gauge(
                "kubelet_running_pods",
                "[ALPHA] Number of pods that have a running pod sandbox",
                &[],
            ),
            running_containers: metrics.int_gauge(
                "kubelet_running_containers",
                "[ALPHA] Number of containers currently running",
                &["container_state"],
            ),
        }
    }

    /// Takes in what the runtime shows.
    pub fn observe(&self, cache: &PodCache) {
        const NO_LABELS: [&str; 0] = [];
        let pods = cache.all();
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let running = pods.iter().filter(|pod| pod.ready_sandbox().is_some()).count();
        self.running_pods.with_label_values(&NO_LABELS).set(whole(running));
        for (name, state) in [
            ("created", ContainerState::Created),
            ("running", ContainerState::Running),
            ("exited", ContainerState::Exited),
            ("unknown", ContainerState::Unknown),
        ] {
            let of_state = |known: &&kubelet_core::ports::ContainerStatus| known.state == state;
            let count: usize = pods.iter().map(|pod| pod.containers.iter().filter(of_state).count()).sum();
            self.running_containers.with_label_values(&[name]).set(whole(count));
        }
    }
}
