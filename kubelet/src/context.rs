//! What every part of the kubelet shares: ports to the outside, configuration, identity.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::Node;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use kubelet_core::dns::DnsFacts;
use kubelet_core::downward::DownwardFacts;
use kubelet_core::ports::{
    CgroupName, Cgroups, Images, Machine, MachineFacts, Mounts, Prober, Runtime, RuntimeStatus,
};
use kubelet_core::qos::ResourcePolicy;

use crate::clock::Clock;
use crate::config::KubeletConfiguration;
use crate::events::Recorder;
use crate::metrics::KubeletMetrics;
use crate::objects::Objects;

/// Ports to the outside. Tests give their own.
#[derive(Clone)]
pub struct Ports {
    pub runtime: Arc<dyn Runtime>,
    pub images: Arc<dyn Images>,
    pub mounts: Arc<dyn Mounts>,
    pub cgroups: Arc<dyn Cgroups>,
    pub machine: Arc<dyn Machine>,
    pub prober: Arc<dyn Prober>,
}

/// What every part shares. Immutable but for the cells that one task each writes.
pub struct Context {
    pub ports: Ports,
    pub clock: Clock,
    pub config: KubeletConfiguration,
    pub node_name: String,
    /// `--root-dir`.
    pub root: PathBuf,
    pub facts: MachineFacts,
    /// Most processes of the machine.
    pub pid_limit: u64,
    pub policy: ResourcePolicy,
    pub cgroup_root: CgroupName,
    /// `--pod-infra-container-image`: the image of sandboxes, which is never deleted though no container uses it.
    pub sandbox_image: String,
    /// Such as `containerd`; the scheme of container ids.
    pub runtime_name: String,
    pub dns: DnsFacts,
    pub recorder: Recorder,
    pub metrics: KubeletMetrics,
    /// API objects that pods refer to.
    pub objects: Arc<dyn Objects>,
    /// When this kubelet started.
    pub started_at: Timestamp,
    /// Written by the node task: the addresses of this node, primary first.
    pub host_ips: ArcSwap<Vec<String>>,
    /// Written by the node task: this node as the API has it, or as it would be registered.
    pub node: ArcSwap<Node>,
    /// Written by the eviction task: the pressures that hold, such as `MemoryPressure`.
    pub pressures: ArcSwap<Vec<&'static str>>,
    /// Written by the runtime watch: the runtime's last status, or why there is none.
    pub runtime_status: ArcSwap<Result<RuntimeStatus, String>>,
}

impl Context {
    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// `<root>/pods/<uid>`.
    pub fn pod_directory(&self, uid: &str) -> PathBuf {
        self.root.join("pods").join(uid)
    }

    /// `<root>/pods`.
    pub fn pods_directory(&self) -> PathBuf {
        self.root.join("pods")
    }

    /// Where localhost seccomp profiles are.
    pub fn seccomp_directory(&self) -> String {
        self.root.join("seccomp").display().to_string()
    }

    /// What a pod with these addresses may read about itself and the node.
    pub fn downward_facts(&self, pod_ips: Vec<String>, host_network: bool) -> DownwardFacts {
        let host_ips = self.host_ips.load_full();
        let pod_ips = if pod_ips.is_empty() && host_network { host_ips.as_ref().clone() } else { pod_ips };
        DownwardFacts {
            pod_ips,
            host_ips: host_ips.as_ref().clone(),
            allocatable: self.node.load().status.allocatable.clone(),
        }
    }

    /// Why pods with a network of their own cannot start, in upstream's words; `None` when they can.
    pub fn network_not_ready(&self) -> Option<String> {
        match self.runtime_status.load().as_ref() {
            Err(error) => Some(error.clone()),
            Ok(status) => {
                let condition =
                    status.conditions.iter().find(|condition| condition.type_ == "NetworkReady")?;
                (!condition.status).then(|| {
                    format!(
                        "container runtime network not ready: NetworkReady=false reason:{} message:{}",
                        condition.reason, condition.message
                    )
                })
            }
        }
    }

    /// Whether the runtime's handler mounts read-only recursively.
    pub fn recursive_readonly(&self, handler: &str) -> bool {
        self.runtime_status.load().as_ref().as_ref().is_ok_and(|status| {
            status.handlers.iter().any(|known| known.name == handler && known.recursive_readonly_mounts)
        })
    }

    /// The longest wait of a crashing container.
    pub fn crash_loop_max(&self) -> Duration {
        self.config
            .crash_loop_back_off
            .max_container_restart_period
            .map_or(kubelet_core::backoff::CRASH_LOOP_MAX, |period| period.0)
    }
}
