//! `/metrics/cadvisor`: what dashboards of nodes, pods and containers are made of, under cAdvisor's names.

use jiff::Timestamp;

use super::exposition::{Family, number, seconds, unix};
use crate::ports::{CgroupDetails, DeviceUse};

use super::{ContainerUse, CpuUse, MemoryUse, NetworkUse, NodeUse, PodUse, SpaceUse};

/// One user of resources: the node, a pod with its sandbox, a container.
struct Row<'a> {
    /// In cAdvisor the path of a cgroup; here the runtime's id, the pod's uid, or the root.
    id: &'a str,
    container: &'a str,
    image: &'a str,
    pod: &'a str,
    namespace: &'a str,
    cpu: CpuUse,
    memory: MemoryUse,
    layer: SpaceUse,
    processes: Option<u64>,
    started_at: Option<Timestamp>,
    details: &'a CgroupDetails,
    at: Timestamp,
}

/// Of the node, whose use is not that of a cgroup.
static NO_DETAILS: std::sync::LazyLock<CgroupDetails> = std::sync::LazyLock::new(CgroupDetails::default);

type Pick = fn(&Row<'_>) -> Option<f64>;

/// A family: name, help, kind, a label besides the row's own, and the value.
type FamilyOfRows = (&'static str, &'static str, &'static str, Option<(&'static str, &'static str)>, Pick);

const FAMILIES: [FamilyOfRows; 24] = [
    (
        "container_cpu_usage_seconds_total",
        "Cumulative cpu time consumed in seconds.",
        "counter",
        Some(("cpu", "total")),
        |row| seconds(row.cpu.total_nanos),
    ),
    ("container_fs_inodes_total", "Number of Inodes", "gauge", None, |row| number(row.layer.inodes_used)),
    (
        "container_fs_usage_bytes",
        "Number of bytes that are consumed by the container on this filesystem.",
        "gauge",
        Some(("device", "")),
        |row| number(row.layer.used_bytes),
    ),
    ("container_memory_rss", "Size of RSS in bytes.", "gauge", None, |row| number(row.memory.rss_bytes)),
    (
        "container_memory_usage_bytes",
        "Current memory usage in bytes, including all memory regardless of when it was accessed",
        "gauge",
        None,
        |row| number(row.memory.usage_bytes),
    ),
    ("container_memory_working_set_bytes", "Current working set in bytes.", "gauge", None, |row| {
        number(row.memory.working_set_bytes)
    }),
    ("container_processes", "Number of processes running inside the container.", "gauge", None, |row| {
        number(row.processes)
    }),
    (
        "container_start_time_seconds",
        "Start time of the container since unix epoch in seconds.",
        "gauge",
        None,
        |row| unix(row.started_at),
    ),
    (
        "container_cpu_user_seconds_total",
        "Cumulative user cpu time consumed in seconds.",
        "counter",
        None,
        |row| seconds(row.details.cpu_user_nanos),
    ),
    (
        "container_cpu_system_seconds_total",
        "Cumulative system cpu time consumed in seconds.",
        "counter",
        None,
        |row| seconds(row.details.cpu_system_nanos),
    ),
    (
        "container_cpu_cfs_periods_total",
        "Number of elapsed enforcement period intervals.",
        "counter",
        None,
        |row| limited(row, row.details.cpu_periods),
    ),
    (
        "container_cpu_cfs_throttled_periods_total",
        "Number of throttled period intervals.",
        "counter",
        None,
        |row| limited(row, row.details.cpu_throttled_periods),
    ),
    (
        "container_cpu_cfs_throttled_seconds_total",
        "Total time duration the container has been throttled.",
        "counter",
        None,
        |row| row.details.cpu_quota.and(seconds(row.details.cpu_throttled_nanos)),
    ),
    ("container_spec_cpu_shares", "CPU share of the container.", "gauge", None, |row| {
        number(row.details.cpu_shares)
    }),
    ("container_spec_cpu_quota", "CPU quota of the container.", "gauge", None, |row| {
        number(row.details.cpu_quota)
    }),
    ("container_spec_cpu_period", "CPU period of the container.", "gauge", None, |row| {
        number(row.details.cpu_period)
    }),
    ("container_spec_memory_limit_bytes", "Memory limit for the container.", "gauge", None, |row| {
        // No limit is written as 0.
        row.details.cpu_shares.and(number(Some(row.details.memory_limit_bytes.unwrap_or(0))))
    }),
    ("container_memory_cache", "Number of bytes of page cache memory.", "gauge", None, |row| {
        number(row.details.memory_cache_bytes)
    }),
    ("container_memory_mapped_file", "Size of memory mapped files in bytes.", "gauge", None, |row| {
        number(row.details.memory_mapped_bytes)
    }),
    ("container_memory_swap", "Container swap usage in bytes.", "gauge", None, |row| {
        number(row.details.memory_swap_bytes)
    }),
    ("container_memory_max_usage_bytes", "Maximum memory usage recorded in bytes", "gauge", None, |row| {
        number(row.details.memory_peak_bytes)
    }),
    (
        "container_oom_events_total",
        "Count of out of memory events observed for the container",
        "counter",
        None,
        |row| number(row.details.oom_kills),
    ),
    ("container_threads", "Number of threads running inside the container", "gauge", None, |row| {
        number(row.processes)
    }),
    ("container_last_seen", "Last time a container was seen by the exporter", "gauge", None, |row| {
        unix(Some(row.at))
    }),
];

/// Only what has a quota is held to periods.
fn limited(row: &Row<'_>, count: Option<u64>) -> Option<f64> {
    row.details.cpu_quota.and(number(count))
}

type PickDevice = fn(&DeviceUse) -> u64;

const DEVICES: [(&str, &str, PickDevice); 4] = [
    ("container_fs_reads_bytes_total", "Cumulative count of bytes read", |usage| usage.read_bytes),
    ("container_fs_reads_total", "Cumulative count of reads completed", |usage| usage.reads),
    ("container_fs_writes_bytes_total", "Cumulative count of bytes written", |usage| usage.written_bytes),
    ("container_fs_writes_total", "Cumulative count of writes completed", |usage| usage.writes),
];

/// Families with a series for each device of each row.
fn devices(out: &mut String, rows: &[Row<'_>], at: Timestamp) {
    for (name, help, pick) in DEVICES {
        let mut family = Family::new(out, name, help, "counter", at);
        for row in rows {
            for (device, usage) in &row.details.devices {
                family.sample(&row.labels(Some(("device", device))), number(Some(pick(usage))));
            }
        }
    }
}

type PickTraffic = fn(&NetworkUse) -> Option<u64>;

const TRAFFIC: [(&str, &str, PickTraffic); 8] = [
    ("container_network_receive_bytes_total", "Cumulative count of bytes received", |usage| {
        Some(usage.rx_bytes)
    }),
    (
        "container_network_receive_errors_total",
        "Cumulative count of errors encountered while receiving",
        |usage| Some(usage.rx_errors),
    ),
    ("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", |usage| {
        Some(usage.tx_bytes)
    }),
    (
        "container_network_transmit_errors_total",
        "Cumulative count of errors encountered while transmitting",
        |usage| Some(usage.tx_errors),
    ),
    ("container_network_receive_packets_total", "Cumulative count of packets received", |usage| {
        usage.packets.map(|packets| packets.received)
    }),
    (
        "container_network_receive_packets_dropped_total",
        "Cumulative count of packets dropped while receiving",
        |usage| usage.packets.map(|packets| packets.receive_dropped),
    ),
    ("container_network_transmit_packets_total", "Cumulative count of packets transmitted", |usage| {
        usage.packets.map(|packets| packets.transmitted)
    }),
    (
        "container_network_transmit_packets_dropped_total",
        "Cumulative count of packets dropped while transmitting",
        |usage| usage.packets.map(|packets| packets.transmit_dropped),
    ),
];

/// The part of cAdvisor's metrics that the runtime and the cgroups tell.
pub fn cadvisor(node: &NodeUse, pods: &[PodUse]) -> String {
    let mut out = String::new();
    let at = node.at;
    let rows = rows(node, pods);
    for (name, help, kind, more, pick) in FAMILIES {
        let mut family = Family::new(&mut out, name, help, kind, at);
        for row in &rows {
            family.sample(&row.labels(more), pick(row));
        }
    }
    devices(&mut out, &rows, at);
    failures(&mut out, &rows, at);
    traffic(&mut out, node, pods);
    Family::new(&mut out, "machine_cpu_cores", "Number of logical CPU cores.", "gauge", at)
        .sample(&[], number(Some(node.cpus).filter(|cpus| *cpus > 0)));
    let capacity = node.memory.as_ref().map(|memory| memory.capacity_bytes);
    Family::new(&mut out, "machine_memory_bytes", "Amount of memory installed on the machine.", "gauge", at)
        .sample(&[], number(capacity));
    Family::new(
        &mut out,
        "container_scrape_error",
        "1 if there was an error while getting container metrics, 0 otherwise",
        "gauge",
        at,
    )
    .sample(&[], Some(0.0));
    out
}

impl<'a> Row<'a> {
    fn labels(&self, more: Option<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
        // Only containers have a name at the runtime.
        let name = if self.container.is_empty() { "" } else { self.id };
        let mut labels = vec![
            ("container", self.container),
            ("id", self.id),
            ("image", self.image),
            ("name", name),
            ("namespace", self.namespace),
            ("pod", self.pod),
        ];
        labels.extend(more);
        labels.sort_unstable();
        labels
    }
}

fn rows<'a>(node: &'a NodeUse, pods: &'a [PodUse]) -> Vec<Row<'a>> {
    let memory = node.memory.as_ref().map(|usage| MemoryUse {
        working_set_bytes: Some(usage.working_set_bytes),
        usage_bytes: Some(usage.usage_bytes),
        rss_bytes: Some(usage.rss_bytes),
        available_bytes: Some(usage.available_bytes),
        page_faults: Some(usage.page_faults),
        major_page_faults: Some(usage.major_page_faults),
    });
    let mut rows = vec![Row {
        id: "/",
        container: "",
        image: "",
        pod: "",
        namespace: "",
        cpu: node.cpu,
        memory: memory.unwrap_or_default(),
        layer: SpaceUse::default(),
        processes: None,
        started_at: node.started_at,
        details: &NO_DETAILS,
        at: node.at,
    }];
    for pod in pods {
        rows.push(of_pod(pod, node.at));
        rows.extend(pod.containers.iter().map(|container| of_container(pod, container, node.at)));
    }
    rows
}

fn of_pod(pod: &PodUse, at: Timestamp) -> Row<'_> {
    Row {
        id: &pod.uid,
        container: "",
        image: "",
        pod: &pod.name,
        namespace: &pod.namespace,
        cpu: pod.cpu,
        memory: pod.memory,
        layer: SpaceUse::default(),
        processes: pod.process_count,
        started_at: pod.started_at,
        details: &pod.details,
        at,
    }
}

fn of_container<'a>(pod: &'a PodUse, container: &'a ContainerUse, at: Timestamp) -> Row<'a> {
    Row {
        id: &container.id,
        container: &container.name,
        image: &container.image,
        pod: &pod.name,
        namespace: &pod.namespace,
        cpu: container.cpu,
        memory: container.memory,
        layer: container.writable_layer,
        processes: container.process_count,
        started_at: container.started_at,
        details: &container.details,
        at,
    }
}

/// One family with two series for each row.
fn failures(out: &mut String, rows: &[Row<'_>], at: Timestamp) {
    let help = "Cumulative count of memory allocation failures.";
    let mut family = Family::new(out, "container_memory_failures_total", help, "counter", at);
    for row in rows {
        let kinds = [("pgfault", row.memory.page_faults), ("pgmajfault", row.memory.major_page_faults)];
        for (kind, count) in kinds {
            let mut labels = row.labels(Some(("failure_type", kind)));
            labels.push(("scope", "hierarchy"));
            family.sample(&labels, number(count));
        }
    }
}

fn traffic(out: &mut String, node: &NodeUse, pods: &[PodUse]) {
    let of_node: Vec<NetworkUse> = node
        .interfaces
        .iter()
        .filter(|interface| !interface.loopback)
        .map(|interface| NetworkUse {
            name: interface.name.clone(),
            rx_bytes: interface.rx_bytes,
            rx_errors: interface.rx_errors,
            tx_bytes: interface.tx_bytes,
            tx_errors: interface.tx_errors,
            packets: Some(interface.packets),
        })
        .collect();
    for (name, help, pick) in TRAFFIC {
        let mut family = Family::new(out, name, help, "counter", node.at);
        let mut sample = |id: &str, namespace: &str, pod: &str, usage: &NetworkUse| {
            let labels = [
                ("id", id),
                ("image", ""),
                ("interface", usage.name.as_str()),
                ("name", ""),
                ("namespace", namespace),
                ("pod", pod),
            ];
            family.sample(&labels, number(pick(usage)));
        };
        for usage in &of_node {
            sample("/", "", "", usage);
        }
        for (pod, usage) in pods.iter().filter_map(|pod| Some((pod, pod.network.as_ref()?))) {
            sample(&pod.uid, &pod.namespace, &pod.name, usage);
        }
    }
}
