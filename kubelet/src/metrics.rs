//! The kubelet's metrics, by upstream's names.

mod operations;
pub mod volumes;

use std::sync::Arc;

use component_base::metrics::{Metrics, exponential_buckets};
use kubelet_core::ports::ContainerState;
use kubelet_core::start_latency::Started;
use prometheus::{Gauge, GaugeVec, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec};

use crate::certificates::Wanted;
use crate::observing::PodCache;
use crate::pods::stage::STAGES;

use self::volumes::VolumeBook;

pub use self::operations::{Measured, OperationMetrics};

/// Prometheus' default buckets, in seconds.
pub(crate) const DEFAULT_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Buckets of how long pods take to start, in seconds.
const START_BUCKETS: [f64; 25] = [
    0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0,
    480.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0,
];

/// Buckets of how long pulls take, in seconds.
const PULL_BUCKETS: [f64; 18] = [
    1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0, 480.0, 600.0, 900.0, 1200.0, 1800.0,
    2700.0, 3600.0,
];

/// Sizes of images in MiB from which a label holds.
const IMAGE_SIZES: [(u64, &str); 12] = [
    (100 << 10, "GT100GB"),
    (60 << 10, "60GB-100GB"),
    (40 << 10, "40GB-60GB"),
    (30 << 10, "30GB-40GB"),
    (20 << 10, "20GB-30GB"),
    (10 << 10, "10GB-20GB"),
    (5 << 10, "5GB-10GB"),
    (1 << 10, "1GB-5GB"),
    (500, "500MB-1GB"),
    (100, "100MB-500MB"),
    (10, "10MB-100MB"),
    (0, "0-10MB"),
];

/// What is measured of the lists of the runtime.
#[derive(Clone)]
pub struct RelistMetrics {
    pub seconds: HistogramVec,
    /// From one list to the next.
    pub interval: HistogramVec,
    /// When the last one was, in Unix seconds.
    pub last_seen: GaugeVec,
}

/// How many pods are in which state, counted by the owner of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodCounts {
    /// From manifests, and from the API: indexed by whether they are static.
    pub desired: [i64; 2],
    /// Of those, the ones that hold resources.
    pub active: [i64; 2],
    /// By the row of [`WorkingPod`] and the stage.
    working: [[i64; STAGES.len()]; WORKING.len()],
}

impl PodCounts {
    /// Counts a pod that has, had or waits for a worker.
    pub fn add_working(&mut self, pod: WorkingPod, stage: usize) {
        let row = match pod {
            WorkingPod { found: true, .. } => 4,
            WorkingPod { gone, is_static, .. } => usize::from(gone) * 2 + usize::from(is_static),
        };
        if let Some(count) = self.working.get_mut(row).and_then(|row| row.get_mut(stage)) {
            *count += 1;
        }
    }
}

/// Where the kubelet knows a pod from.
#[derive(Clone, Copy, Debug)]
pub struct WorkingPod {
    /// Its source no longer has it.
    pub gone: bool,
    /// Only the runtime ever had it.
    pub found: bool,
    pub is_static: bool,
}

/// The labels `config` and `static` of the rows of working pods.
const WORKING: [(&str, &str); 5] =
    [("desired", ""), ("desired", "true"), ("orphan", ""), ("orphan", "true"), ("runtime_only", "unknown")];

/// What is counted and measured. Cheap to clone.
#[derive(Clone)]
pub struct KubeletMetrics {
    pub started_pods: IntCounterVec,
    pub started_pod_errors: IntCounterVec,
    /// By `container_type`.
    pub started_containers: IntCounterVec,
    /// By `container_type` and `code`, which is the waiting reason.
    pub started_container_errors: IntCounterVec,
    pub relist: RelistMetrics,
    /// By `operation_type`: `create` or `sync`.
    pub sync_seconds: HistogramVec,
    /// From the first sight of a pod to its running.
    pub start_seconds: HistogramVec,
    /// From the creation of a pod in the API to its running.
    start_total_seconds: HistogramVec,
    /// The same without pulls and init containers, for pods without lasting volumes.
    start_own_seconds: HistogramVec,
    /// By `reason`.
    pub rejections: IntCounterVec,
    /// Pods the runtime had and nobody knew.
    pub orphans: IntCounterVec,
    /// By `probe_type`, `container`, `pod` and `namespace`.
    pub probe_seconds: HistogramVec,
    pub cgroup_version: IntGaugeVec,
    pull_seconds: HistogramVec,
    desired_pods: IntGaugeVec,
    active_pods: IntGaugeVec,
    mirror_pods: IntGaugeVec,
    /// By `lifecycle`, `config` and `static`.
    working_pods: IntGaugeVec,
    pub volumes: Arc<VolumeBook>,
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
            relist: RelistMetrics {
                seconds: metrics.histogram(
                    "kubelet_pleg_relist_duration_seconds",
                    "[ALPHA] Duration in seconds for relisting pods in PLEG.",
                    &[],
                    &exponential_buckets(0.001, 2.0, 14),
                ),
                interval: metrics.histogram(
                    "kubelet_pleg_relist_interval_seconds",
                    "[ALPHA] Interval in seconds between relisting in PLEG.",
                    &[],
                    &DEFAULT_BUCKETS,
                ),
                last_seen: metrics.gauge(
                    "kubelet_pleg_last_seen_seconds",
                    "[ALPHA] Timestamp in seconds when PLEG was last seen active.",
                    &[],
                ),
            },
            sync_seconds: metrics.histogram(
                "kubelet_pod_worker_duration_seconds",
                "[ALPHA] Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync",
                &["operation_type"],
                &DEFAULT_BUCKETS,
            ),
            start_seconds: metrics.histogram(
                "kubelet_pod_start_duration_seconds",
                "[ALPHA] Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
                &[],
                &START_BUCKETS,
            ),
            start_total_seconds: metrics.histogram(
                "kubelet_pod_start_total_duration_seconds",
                "[ALPHA] Duration in seconds to start a pod since creation, including time to pull images and run init \
                 containers, measured from pod creation timestamp to when all its containers are reported as started and \
                 observed via watch",
                &[],
                &START_BUCKETS,
            ),
            start_own_seconds: metrics.histogram(
                "kubelet_pod_start_sli_duration_seconds",
                "[ALPHA] Duration in seconds to start a pod, excluding time to pull images and run init containers, \
                 measured from pod creation timestamp to when all its containers are reported as started and observed via \
                 watch",
                &[],
                &START_BUCKETS,
            ),
            rejections: metrics.int_counter(
                "kubelet_admission_rejections_total",
                "[ALPHA] Cumulative number pod admission rejections by the Kubelet.",
                &["reason"],
            ),
            orphans: metrics.int_counter(
                "kubelet_orphaned_runtime_pods_total",
                "[ALPHA] Number of pods that have been detected in the container runtime without being already known to the \
                 pod worker. This typically indicates the kubelet was restarted while a pod was force deleted in the API or \
                 in the local configuration, which is unusual.",
                &[],
            ),
            probe_seconds: probes.histogram(
                "prober_probe_duration_seconds",
                "[ALPHA] Duration in seconds for a probe response.",
                &["probe_type", "container", "pod", "namespace"],
                &DEFAULT_BUCKETS,
            ),
            cgroup_version: metrics.int_gauge(
                "kubelet_cgroup_version",
                "[ALPHA] cgroup version on the hosts.",
                &[],
            ),
            pull_seconds: metrics.histogram(
                "kubelet_image_pull_duration_seconds",
                "[ALPHA] Duration in seconds to pull an image.",
                &["image_size_in_bytes"],
                &PULL_BUCKETS,
            ),
            desired_pods: metrics.int_gauge(
                "kubelet_desired_pods",
                "[ALPHA] The number of pods the kubelet is being instructed to run. static is true if the pod is not from \
                 the apiserver.",
                &["static"],
            ),
            active_pods: metrics.int_gauge(
                "kubelet_active_pods",
                "[ALPHA] The number of pods the kubelet considers active and which are being considered when admitting new \
                 pods. static is true if the pod is not from the apiserver.",
                &["static"],
            ),
            mirror_pods: metrics.int_gauge(
                "kubelet_mirror_pods",
                "[ALPHA] The number of mirror pods the kubelet will try to create (one per admitted static pod)",
                &[],
            ),
            working_pods: metrics.int_gauge(
                "kubelet_working_pods",
                "[ALPHA] Number of pods the kubelet is actually running, broken down by lifecycle phase, whether the pod is \
                 desired, orphaned, or runtime only (also orphaned), and whether the pod is static. An orphaned pod has been \
                 removed from local configuration or force deleted in the API and consumes resources that are not otherwise \
                 visible.",
                &["lifecycle", "config", "static"],
            ),
            volumes: Arc::new(VolumeBook::register(metrics)),
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

    /// Takes in how many pods there are.
    pub fn count(&self, counts: PodCounts) {
        const NO_LABELS: [&str; 0] = [];
        for (place, is_static) in [(0, ""), (1, "true")] {
            let desired = counts.desired.get(place).copied().unwrap_or(0);
            let active = counts.active.get(place).copied().unwrap_or(0);
            self.desired_pods.with_label_values(&[is_static]).set(desired);
            self.active_pods.with_label_values(&[is_static]).set(active);
        }
        self.mirror_pods.with_label_values(&NO_LABELS).set(counts.active[1]);
        for ((config, is_static), stages) in WORKING.iter().zip(counts.working) {
            for (lifecycle, count) in STAGES.iter().zip(stages) {
                self.working_pods.with_label_values(&[*lifecycle, *config, *is_static]).set(count);
            }
        }
    }

    /// Takes in how long a pod took to start.
    pub fn started(&self, started: Started) {
        self.start_total_seconds.with_label_values::<&str>(&[]).observe(started.total.as_secs_f64());
        if let Some(own) = started.own {
            self.start_own_seconds.with_label_values::<&str>(&[]).observe(own.as_secs_f64());
        }
    }

    /// Takes in how long a pull took.
    pub fn pulled(&self, seconds: f64, size_bytes: u64) {
        let label = match size_bytes {
            0 => "N/A",
            _ => {
                IMAGE_SIZES.iter().find(|(least, _)| size_bytes > least << 20).map_or("", |(_, label)| label)
            }
        };
        self.pull_seconds.with_label_values(&[label]).observe(seconds);
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
