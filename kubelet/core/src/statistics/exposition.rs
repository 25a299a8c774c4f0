//! Resource use as Prometheus text: the format, and `/metrics/resource`.

use std::fmt::Write;

use jiff::Timestamp;

use super::{ContainerUse, NodeUse, PodUse};
use crate::ports::{FilesystemUsage, MemoryUsage};

/// One family of samples under way.
pub(super) struct Family<'a> {
    out: &'a mut String,
    name: &'static str,
    /// When it was measured; `None` for now.
    at: Option<Timestamp>,
}

impl<'a> Family<'a> {
    pub(super) fn new(
        out: &'a mut String,
        name: &'static str,
        help: &str,
        kind: &str,
        at: Timestamp,
    ) -> Family<'a> {
        Family { at: Some(at), ..Family::now(out, name, help, kind) }
    }

    fn now(out: &'a mut String, name: &'static str, help: &str, kind: &str) -> Family<'a> {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { out, name, at: None }
    }

    /// Adds a sample, when its value is known.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: Option<f64>) {
        let Some(value) = value else { return };
        let labels: Vec<String> =
            labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escaped(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let at = self.at.map(|at| format!(" {}", at.as_millisecond())).unwrap_or_default();
        let _ = writeln!(self.out, "{}{labels} {value}{at}", self.name);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[expect(clippy::cast_precision_loss, reason = "the format has no integers")]
pub(super) fn seconds(nanos: Option<u64>) -> Option<f64> {
    nanos.map(|nanos| nanos as f64 / 1e9)
}

#[expect(clippy::cast_precision_loss, reason = "the format has no integers")]
pub(super) fn number(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

#[expect(clippy::cast_precision_loss, reason = "the format has no integers")]
pub(super) fn unix(at: Option<Timestamp>) -> Option<f64> {
    at.map(|at| at.as_millisecond() as f64 / 1e3)
}

pub(super) fn each(pods: &[PodUse]) -> impl Iterator<Item = (&PodUse, &ContainerUse)> {
    pods.iter().flat_map(|pod| pod.containers.iter().map(move |container| (pod, container)))
}

/// Both names upstream tells a failed measurement by.
const SCRAPE_ERRORS: [(&str, &str); 2] =
    [("resource_scrape_error", "[STABLE]"), ("scrape_error", "[ALPHA] (Deprecated since 1.29.0)")];

/// `/metrics/resource`, upstream's names and labels.
pub fn resource(node: &NodeUse, pods: &[PodUse]) -> String {
    let mut out = String::new();
    let at = node.at;
    let mut family = Family::new(
        &mut out,
        "container_cpu_usage_seconds_total",
        "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
        "counter",
        at,
    );
    for (pod, container) in each(pods) {
        family.sample(&names(pod, container), seconds(container.cpu.total_nanos));
    }
    let mut family = Family::new(
        &mut out,
        "container_memory_working_set_bytes",
        "[STABLE] Current working set of the container in bytes",
        "gauge",
        at,
    );
    for (pod, container) in each(pods) {
        family.sample(&names(pod, container), number(container.memory.working_set_bytes));
    }
    let mut family = Family::new(
        &mut out,
        "container_start_time_seconds",
        "[STABLE] Start time of the container since unix epoch in seconds",
        "gauge",
        at,
    );
    for (pod, container) in each(pods) {
        family.sample(&names(pod, container), unix(container.started_at));
    }
    Family::new(
        &mut out,
        "node_cpu_usage_seconds_total",
        "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
        "counter",
        at,
    )
    .sample(&[], seconds(node.cpu.total_nanos));
    Family::new(
        &mut out,
        "node_memory_working_set_bytes",
        "[STABLE] Current working set of the node in bytes",
        "gauge",
        at,
    )
    .sample(&[], number(node.memory.as_ref().map(|memory| memory.working_set_bytes)));
    let swap = |usage: &MemoryUsage| usage.swap_capacity_bytes.saturating_sub(usage.swap_available_bytes);
    Family::new(
        &mut out,
        "node_swap_usage_bytes",
        "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems",
        "gauge",
        at,
    )
    .sample(&[], number(node.memory.as_ref().map(swap)));
    let mut family = Family::new(
        &mut out,
        "pod_cpu_usage_seconds_total",
        "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
        "counter",
        at,
    );
    for pod in pods {
        family.sample(&[("namespace", &pod.namespace), ("pod", &pod.name)], seconds(pod.cpu.total_nanos));
    }
    let mut family = Family::new(
        &mut out,
        "pod_memory_working_set_bytes",
        "[STABLE] Current working set of the pod in bytes",
        "gauge",
        at,
    );
    for pod in pods {
        family.sample(
            &[("namespace", &pod.namespace), ("pod", &pod.name)],
            number(pod.memory.working_set_bytes),
        );
    }
    let help = "1 if there was an error while getting container metrics, 0 otherwise";
    for (name, stability) in SCRAPE_ERRORS {
        Family::new(&mut out, name, &format!("{stability} {help}"), "gauge", at).sample(&[], Some(0.0));
    }
    out
}

/// A number of a file system that is told of claims.
type OfClaim = (&'static str, &'static str, fn(&FilesystemUsage) -> u64);

const OF_CLAIM: [OfClaim; 6] = [
    ("kubelet_volume_stats_capacity_bytes", "Capacity in bytes of the volume", |usage| usage.capacity_bytes),
    ("kubelet_volume_stats_available_bytes", "Number of available bytes in the volume", |usage| {
        usage.available_bytes
    }),
    ("kubelet_volume_stats_used_bytes", "Number of used bytes in the volume", |usage| usage.used_bytes),
    ("kubelet_volume_stats_inodes", "Maximum number of inodes in the volume", |usage| usage.inodes),
    ("kubelet_volume_stats_inodes_free", "Number of free inodes in the volume", |usage| usage.inodes_free),
    ("kubelet_volume_stats_inodes_used", "Number of used inodes in the volume", |usage| usage.inodes_used),
];

/// A claim, by namespace and name, with the file system its volume is.
pub type ClaimUse = (String, String, FilesystemUsage);

/// The use of volumes by claim, as it is on `/metrics`; nothing without claims.
pub fn claims(claims: &[ClaimUse]) -> String {
    let mut out = String::new();
    if claims.is_empty() {
        return out;
    }
    for (name, help, value) in OF_CLAIM {
        let mut family = Family::now(&mut out, name, &format!("[ALPHA] {help}"), "gauge");
        for (namespace, claim, usage) in claims {
            let labels = [("namespace", namespace.as_str()), ("persistentvolumeclaim", claim.as_str())];
            family.sample(&labels, number(Some(value(usage))));
        }
    }
    out
}

fn names<'a>(pod: &'a PodUse, container: &'a ContainerUse) -> [(&'static str, &'a str); 3] {
    [("container", &container.name), ("namespace", &pod.namespace), ("pod", &pod.name)]
}
