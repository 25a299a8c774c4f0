//! Resource use as Prometheus text.

use std::fmt::Write;

use jiff::Timestamp;

use super::{ContainerUse, NodeUse, PodUse};

/// One family of samples under way.
struct Family<'a> {
    out: &'a mut String,
    name: &'static str,
    at: Timestamp,
}

impl<'a> Family<'a> {
    fn new(out: &'a mut String, name: &'static str, help: &str, kind: &str, at: Timestamp) -> Family<'a> {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { out, name, at }
    }

    /// Adds a sample, when its value is known.
    fn sample(&mut self, labels: &[(&str, &str)], value: Option<f64>) {
        let Some(value) = value else { return };
        let labels: Vec<String> =
            labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escaped(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.out, "{}{labels} {value} {}", self.name, self.at.as_millisecond());
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[expect(clippy::cast_precision_loss, reason = "the format has no integers")]
fn seconds(nanos: Option<u64>) -> Option<f64> {
    nanos.map(|nanos| nanos as f64 / 1e9)
}

#[expect(clippy::cast_precision_loss, reason = "the format has no integers")]
fn number(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

#[expect(clippy::cast_precision_loss, reason = "the format has no integers")]
fn unix(at: Option<Timestamp>) -> Option<f64> {
    at.map(|at| at.as_millisecond() as f64 / 1e3)
}

fn each(pods: &[PodUse]) -> impl Iterator<Item = (&PodUse, &ContainerUse)> {
    pods.iter().flat_map(|pod| pod.containers.iter().map(move |container| (pod, container)))
}

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
    Family::new(
        &mut out,
        "resource_scrape_error",
        "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
        "gauge",
        at,
    )
    .sample(&[], Some(0.0));
    out
}

fn names<'a>(pod: &'a PodUse, container: &'a ContainerUse) -> [(&'static str, &'a str); 3] {
    [("container", &container.name), ("namespace", &pod.namespace), ("pod", &pod.name)]
}

/// The part of cAdvisor's metrics that dashboards of pods are made of.
pub fn cadvisor(node: &NodeUse, pods: &[PodUse]) -> String {
    let mut out = String::new();
    let at = node.at;
    type Pick = fn(&ContainerUse) -> Option<f64>;
    let families: [(&'static str, &str, &str, Pick); 7] = [
        (
            "container_cpu_usage_seconds_total",
            "Cumulative cpu time consumed in seconds.",
            "counter",
            |container| seconds(container.cpu.total_nanos),
        ),
        ("container_memory_working_set_bytes", "Current working set in bytes.", "gauge", |container| {
            number(container.memory.working_set_bytes)
        }),
        (
            "container_memory_usage_bytes",
            "Current memory usage in bytes, including all memory regardless of when it was accessed",
            "gauge",
            |container| number(container.memory.usage_bytes),
        ),
        ("container_memory_rss", "Size of RSS in bytes.", "gauge", |container| {
            number(container.memory.rss_bytes)
        }),
        (
            "container_fs_usage_bytes",
            "Number of bytes that are consumed by the container on this filesystem.",
            "gauge",
            |container| number(container.writable_layer.used_bytes),
        ),
        ("container_fs_inodes_total", "Number of Inodes", "gauge", |container| {
            number(container.writable_layer.inodes_used)
        }),
        (
            "container_start_time_seconds",
            "Start time of the container since unix epoch in seconds.",
            "gauge",
            |container| unix(container.started_at),
        ),
    ];
    for (name, help, kind, pick) in families {
        let mut family = Family::new(&mut out, name, help, kind, at);
        for (pod, container) in each(pods) {
            let labels = [
                ("container", container.name.as_str()),
                ("id", container.id.as_str()),
                ("image", container.image.as_str()),
                ("name", container.id.as_str()),
                ("namespace", pod.namespace.as_str()),
                ("pod", pod.name.as_str()),
            ];
            family.sample(&labels, pick(container));
        }
    }
    type PickTraffic = fn(&super::NetworkUse) -> u64;
    let traffic: [(&'static str, &str, PickTraffic); 4] = [
        ("container_network_receive_bytes_total", "Cumulative count of bytes received", |usage| {
            usage.rx_bytes
        }),
        (
            "container_network_receive_errors_total",
            "Cumulative count of errors encountered while receiving",
            |usage| usage.rx_errors,
        ),
        ("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", |usage| {
            usage.tx_bytes
        }),
        (
            "container_network_transmit_errors_total",
            "Cumulative count of errors encountered while transmitting",
            |usage| usage.tx_errors,
        ),
    ];
    for (name, help, pick) in traffic {
        let mut family = Family::new(&mut out, name, help, "counter", at);
        for (pod, usage) in pods.iter().filter_map(|pod| Some((pod, pod.network.as_ref()?))) {
            let labels = [
                ("interface", usage.name.as_str()),
                ("namespace", pod.namespace.as_str()),
                ("pod", pod.name.as_str()),
            ];
            family.sample(&labels, number(Some(pick(usage))));
        }
    }
    out
}
