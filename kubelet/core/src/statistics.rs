//! Resource use in the forms clients read: the summary API, `/metrics/resource` and `/metrics/cadvisor`.

mod cadvisor;
mod exposition;
mod summary;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::cadvisor::cadvisor;
pub use self::exposition::{ClaimUse, claims, resource};
pub use self::summary::summary;
use crate::ports::{CgroupDetails, FilesystemUsage, Interface, MemoryUsage, Packets, ProcessCount};

/// CPU time, and its rate when two measurements are at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuUse {
    pub total_nanos: Option<u64>,
    /// Nanoseconds per second.
    pub nanocores: Option<u64>,
}

/// Memory of a pod or container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    pub working_set_bytes: Option<u64>,
    pub usage_bytes: Option<u64>,
    pub rss_bytes: Option<u64>,
    pub available_bytes: Option<u64>,
    pub page_faults: Option<u64>,
    pub major_page_faults: Option<u64>,
}

/// Space taken by something on a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpaceUse {
    pub used_bytes: Option<u64>,
    pub inodes_used: Option<u64>,
}

/// Traffic of one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkUse {
    pub name: String,
    pub rx_bytes: u64,
    pub rx_errors: u64,
    pub tx_bytes: u64,
    pub tx_errors: u64,
    pub packets: Option<Packets>,
}

/// The node measured.
#[derive(Clone, Debug, Default)]
pub struct NodeUse {
    pub name: String,
    pub at: Timestamp,
    /// When the machine came up, when it is known.
    pub started_at: Option<Timestamp>,
    pub cpu: CpuUse,
    /// Processors of the machine.
    pub cpus: u64,
    pub memory: Option<MemoryUsage>,
    pub filesystem: Option<FilesystemUsage>,
    /// The file system of images, with what images take of it.
    pub images: Option<(FilesystemUsage, SpaceUse)>,
    pub interfaces: Vec<Interface>,
    /// The interface of the default route; empty when there is none.
    pub default_interface: String,
    pub processes: Option<ProcessCount>,
    /// `kubelet`, `pods`: cgroups beside the containers.
    pub system: Vec<(String, CpuUse, MemoryUse)>,
}

/// A pod measured.
#[derive(Clone, Debug, Default)]
pub struct PodUse {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub started_at: Option<Timestamp>,
    pub cpu: CpuUse,
    pub memory: MemoryUse,
    pub network: Option<NetworkUse>,
    pub process_count: Option<u64>,
    pub details: CgroupDetails,
    pub containers: Vec<ContainerUse>,
    /// By volume name: what it takes, and the file system it is on.
    pub volumes: BTreeMap<String, (SpaceUse, FilesystemUsage)>,
}

/// A container measured.
#[derive(Clone, Debug, Default)]
pub struct ContainerUse {
    pub name: String,
    pub id: String,
    pub image: String,
    pub started_at: Option<Timestamp>,
    pub cpu: CpuUse,
    pub memory: MemoryUse,
    pub writable_layer: SpaceUse,
    pub logs: SpaceUse,
    pub process_count: Option<u64>,
    pub details: CgroupDetails,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ports::DeviceUse;
    use crate::testing::{ago, now};

    fn node() -> NodeUse {
        NodeUse {
            name: "n".into(),
            at: now(),
            cpu: CpuUse { total_nanos: Some(2_500_000_000), nanocores: Some(100) },
            memory: Some(MemoryUsage { working_set_bytes: 7, available_bytes: 3, ..MemoryUsage::default() }),
            ..NodeUse::default()
        }
    }

    fn pod() -> PodUse {
        PodUse {
            name: "p".into(),
            namespace: "work".into(),
            uid: "u".into(),
            started_at: Some(ago(10)),
            memory: MemoryUse { working_set_bytes: Some(5), ..MemoryUse::default() },
            network: Some(NetworkUse {
                name: "eth0".into(),
                packets: Some(Packets { received: 4, transmit_dropped: 2, ..Packets::default() }),
                ..NetworkUse::default()
            }),
            containers: vec![ContainerUse {
                name: "c".into(),
                id: "1".into(),
                cpu: CpuUse { total_nanos: Some(1_500_000_000), nanocores: None },
                memory: MemoryUse { working_set_bytes: Some(5), ..MemoryUse::default() },
                started_at: Some(ago(9)),
                details: CgroupDetails {
                    cpu_quota: Some(20_000),
                    cpu_throttled_periods: Some(3),
                    memory_limit_bytes: Some(64),
                    cpu_shares: Some(2),
                    devices: [("/dev/vda".to_owned(), DeviceUse { reads: 6, ..DeviceUse::default() })].into(),
                    ..CgroupDetails::default()
                },
                ..ContainerUse::default()
            }],
            ..PodUse::default()
        }
    }

    #[test]
    fn the_summary_has_what_metrics_servers_read() {
        let text = summary(&node(), &[pod()], false);
        let at = |path: &str| text.pointer(path).cloned().unwrap_or_default();
        assert_eq!(at("/node/nodeName"), json!("n"));
        assert_eq!(at("/node/cpu/usageCoreNanoSeconds"), json!(2_500_000_000_u64));
        assert_eq!(at("/node/memory/workingSetBytes"), json!(7));
        assert_eq!(at("/pods/0/podRef"), json!({"name": "p", "namespace": "work", "uid": "u"}));
        assert_eq!(at("/pods/0/containers/0/memory/workingSetBytes"), json!(5));
        assert_eq!(at("/pods/0/containers/0/cpu/usageNanoCores"), json!(null));
        let small = summary(&node(), &[pod()], true);
        assert_eq!(small.pointer("/node/fs"), None);
    }

    #[test]
    fn expositions_are_prometheus_text() {
        let text = resource(&node(), &[pod()]);
        assert!(text.contains("# TYPE container_cpu_usage_seconds_total counter\n"), "{text}");
        assert!(
            text.contains(
                "container_cpu_usage_seconds_total{container=\"c\",namespace=\"work\",pod=\"p\"} 1.5 1000000000\n"
            ),
            "{text}"
        );
        assert!(text.contains("node_memory_working_set_bytes 7 1000000000\n"), "{text}");
        let text = cadvisor(&node(), &[pod()]);
        assert!(text.contains("container_memory_working_set_bytes{container=\"c\",id=\"1\","), "{text}");
        for line in [
            r#"container_cpu_usage_seconds_total{container="c",cpu="total",id="1",image="",name="1",namespace="work",pod="p"} 1.5"#,
            r#"container_memory_working_set_bytes{container="",id="/",image="",name="",namespace="",pod=""} 7"#,
            r#"container_memory_working_set_bytes{container="",id="u",image="",name="",namespace="work",pod="p"} 5"#,
            "container_scrape_error 0",
            r#"container_cpu_cfs_throttled_periods_total{container="c",id="1",image="",name="1",namespace="work",pod="p"} 3"#,
            r#"container_spec_memory_limit_bytes{container="c",id="1",image="",name="1",namespace="work",pod="p"} 64"#,
            r#"container_fs_reads_total{container="c",device="/dev/vda",id="1",image="",name="1",namespace="work",pod="p"} 6"#,
            r#"container_network_receive_packets_total{id="u",image="",interface="eth0",name="",namespace="work",pod="p"} 4"#,
            r#"container_network_transmit_packets_dropped_total{id="u",image="",interface="eth0",name="",namespace="work",pod="p"} 2"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches("# TYPE container_memory_failures_total").count(), 1);
    }

    #[test]
    fn claims_are_told_by_namespace_and_name() {
        let usage = FilesystemUsage { capacity_bytes: 9, inodes_used: 2, ..FilesystemUsage::default() };
        let text = claims(&[("work".to_owned(), "c".to_owned(), usage)]);
        for line in [
            "# TYPE kubelet_volume_stats_capacity_bytes gauge",
            r#"kubelet_volume_stats_capacity_bytes{namespace="work",persistentvolumeclaim="c"} 9"#,
            r#"kubelet_volume_stats_inodes_used{namespace="work",persistentvolumeclaim="c"} 2"#,
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
        }
        assert_eq!(claims(&[]), "");
    }
}
