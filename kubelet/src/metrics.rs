//! The kubelet's metrics, by upstream's names.

use component_base::metrics::{Metrics, exponential_buckets};
use kubelet_core::ports::ContainerState;
use prometheus::{Gauge, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec};

use crate::certificates::Wanted;
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
    client_certificate: CertificateMetrics,
    serving_certificate: CertificateMetrics,
    running_pods: IntGaugeVec,
    /// By `container_state`.
    running_containers: IntGaugeVec,
}

/// What is measured of a certificate that is renewed.
#[derive(Clone)]
pub struct CertificateMetrics {
    /// Until it expires; infinite while there is none.
    pub seconds_left: Gauge,
    /// Renewals that failed.
    pub failures: IntCounter,
}

impl CertificateMetrics {
    fn register(metrics: &Metrics, seconds_left: (&str, &str), failures: &str) -> CertificateMetrics {
        const NO_LABELS: [&str; 0] = [];
        let gauge = metrics.gauge(seconds_left.0, seconds_left.1, &[]).with_label_values(&NO_LABELS);
        gauge.set(f64::INFINITY);
        CertificateMetrics {
            seconds_left: gauge,
            failures: metrics
                .int_counter(failures, "[ALPHA] Counter of certificate renewal errors.", &[])
                .with_label_values(&NO_LABELS),
        }
    }
}

impl KubeletMetrics {
    /// Those of one certificate.
    pub fn certificates(&self, wanted: Wanted) -> &CertificateMetrics {
        match wanted {
            Wanted::Client => &self.client_certificate,
            Wanted::Serving => &self.serving_certificate,
        }
    }

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
            client_certificate: CertificateMetrics::register(
                metrics,
                (
                    "kubelet_certificate_manager_client_ttl_seconds",
                    "[ALPHA] Gauge of the TTL (time-to-live) of the Kubelet's client certificate. The value is in seconds \
                     until certificate expiry (negative if already expired). If client certificate is invalid or unused, \
                     the value will be +INF.",
                ),
                "kubelet_certificate_manager_client_expiration_renew_errors",
            ),
            serving_certificate: CertificateMetrics::register(
                metrics,
                (
                    "kubelet_certificate_manager_server_ttl_seconds",
                    "[ALPHA] Gauge of the shortest TTL (time-to-live) of the Kubelet's serving certificate. The value is in \
                     seconds until certificate expiry (negative if already expired). If serving certificate is invalid or \
                     unused, the value will be +INF.",
                ),
                "kubelet_server_expiration_renew_errors",
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
