//! Measures the node and its pods for the server's statistics pages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api_types::core::v1::Pod;
use async_trait::async_trait;
use hashbrown::HashMap;
use jiff::Timestamp;
use kubelet_core::backoff::elapsed;
use kubelet_core::observed::{ObservedPod, POD_UID_LABEL};
use kubelet_core::ports::{
    CgroupName, CgroupUsage, ContainerState, ContainerUsage, FilesystemUsage, Packets, PodUsage,
};
use kubelet_core::qos;
use kubelet_core::statistics::{
    self, ContainerUse, CpuUse, MemoryUse, NetworkUse, NodeUse, PodUse, SpaceUse,
};
use parking_lot::Mutex;

use crate::context::Context;
use crate::observing::PodCache;
use crate::pods::ManagerHandle;
use crate::server::statistics::Statistics;
use crate::volumes;

/// Measures on request. Directories are walked at most once per `volumeStatsAggPeriod`.
pub struct Measuring {
    context: Arc<Context>,
    cache: Arc<PodCache>,
    manager: Arc<ManagerHandle>,
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    /// The last CPU time of cgroups and the node, for rates.
    cpu: HashMap<String, (Timestamp, u64)>,
    /// When a directory was last walked, and what was found.
    directories: HashMap<PathBuf, (Timestamp, SpaceUse)>,
}

impl Measuring {
    /// Measures what these know.
    pub fn new(context: Arc<Context>, cache: Arc<PodCache>, manager: Arc<ManagerHandle>) -> Measuring {
        Measuring { context, cache, manager, remembered: Mutex::default() }
    }

    /// CPU time with its rate since the last measurement under the same key.
    fn cpu(&self, key: &str, total_nanos: Option<u64>, at: Timestamp) -> CpuUse {
        let Some(total) = total_nanos else { return CpuUse::default() };
        let before = self.remembered.lock().cpu.insert(key.to_owned(), (at, total));
        let nanocores = before.and_then(|(then, known)| {
            let nanos = elapsed(then, at).as_nanos();
            if nanos == 0 {
                return None;
            }
            u64::try_from(u128::from(total.saturating_sub(known)) * 1_000_000_000 / nanos).ok()
        });
        CpuUse { total_nanos: Some(total), nanocores }
    }

    async fn space(&self, directory: &Path, at: Timestamp) -> SpaceUse {
        let period = self.context.config.volume_stats_agg_period.0;
        if let Some((walked, space)) = self.remembered.lock().directories.get(directory)
            && elapsed(*walked, at) < period
        {
            return *space;
        }
        let space = match self.context.ports.mounts.directory_usage(directory).await {
            Ok((bytes, inodes)) => SpaceUse { used_bytes: Some(bytes), inodes_used: Some(inodes) },
            Err(_) => SpaceUse::default(),
        };
        self.remembered.lock().directories.insert(directory.to_owned(), (at, space));
        space
    }

    async fn cgroup(&self, name: &CgroupName) -> CgroupUsage {
        self.context.ports.cgroups.usage(name).await.unwrap_or_default()
    }

    async fn node(&self, at: Timestamp, small: bool) -> Result<NodeUse, String> {
        let machine = &self.context.ports.machine;
        let total = machine.cpu_total_nanos().await.map_err(|error| error.to_string())?;
        let memory = machine.memory().await.map_err(|error| error.to_string())?;
        let of_pods = self.cgroup(&qos::pods_cgroup(&self.context.cgroup_root)).await;
        let mut node = NodeUse {
            name: self.context.node_name.clone(),
            at,
            cpu: self.cpu("node", Some(total), at),
            cpus: self.context.facts.cpus,
            memory: Some(memory),
            system: vec![(
                "pods".to_owned(),
                self.cpu("pods", of_pods.cpu_total_nanos, at),
                memory_of_cgroup(&of_pods),
            )],
            ..NodeUse::default()
        };
        if small {
            return Ok(node);
        }
        node.filesystem = machine.filesystem(&self.context.root).await.ok();
        node.interfaces = machine.interfaces().await.unwrap_or_default();
        node.processes = machine.processes().await.ok();
        let routes = machine.default_route_addresses().await.unwrap_or_default();
        let has_route = |interface: &&kubelet_core::ports::Interface| {
            interface.addresses.iter().any(|(ip, _)| routes.contains(ip))
        };
        node.default_interface = node
            .interfaces
            .iter()
            .find(has_route)
            .map(|interface| interface.name.clone())
            .unwrap_or_default();
        let systems = self.context.ports.images.filesystems().await.unwrap_or_default();
        if let Some(images) = systems.iter().find(|system| !system.holds_containers)
            && let Ok(usage) = machine.filesystem(Path::new(&images.mountpoint)).await
        {
            let space =
                SpaceUse { used_bytes: Some(images.used_bytes), inodes_used: Some(images.inodes_used) };
            node.images = Some((usage, space));
        }
        Ok(node)
    }

    async fn pods(&self, at: Timestamp, node: &NodeUse, small: bool) -> Vec<PodUse> {
        let runtime = &self.context.ports.runtime;
        let mut containers: HashMap<String, Vec<ContainerUsage>> = HashMap::new();
        for usage in runtime.container_usage().await.unwrap_or_default() {
            if let Some(uid) = usage.labels.get(POD_UID_LABEL) {
                containers.entry(uid.clone()).or_default().push(usage);
            }
        }
        let sandboxes: HashMap<String, PodUsage> = runtime
            .pod_usage()
            .await
            .ok()
            .flatten()
            .unwrap_or_default()
            .into_iter()
            .filter_map(|usage| Some((usage.labels.get(POD_UID_LABEL)?.clone(), usage)))
            .collect();
        let mut measured = Vec::new();
        for pod in self.manager.pods() {
            let observed = self.cache.get(&pod.metadata.uid);
            if observed.ready_sandbox().is_none() {
                continue;
            }
            let own = containers.remove(&pod.metadata.uid).unwrap_or_default();
            measured.push(
                self.pod(&pod, &observed, &own, sandboxes.get(&pod.metadata.uid), at, node, small).await,
            );
        }
        measured
    }

    async fn pod(
        &self,
        pod: &Pod,
        observed: &ObservedPod,
        containers: &[ContainerUsage],
        sandbox: Option<&PodUsage>,
        at: Timestamp,
        node: &NodeUse,
        small: bool,
    ) -> PodUse {
        let meta = &pod.metadata;
        let usage = self.cgroup(&qos::pod_cgroup(&self.context.cgroup_root, pod)).await;
        let network = sandbox.filter(|usage| usage.network_rx_bytes.is_some());
        let packets = match network {
            Some(usage) if !small && !pod.spec.host_network => {
                self.packets(pod, &usage.network_interface).await
            }
            _ => None,
        };
        let mut result = PodUse {
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            uid: meta.uid.clone(),
            started_at: observed.sandbox_created_at(),
            cpu: self.cpu(&meta.uid, usage.cpu_total_nanos, at),
            memory: memory_of_cgroup(&usage),
            network: network.map(|usage| NetworkUse {
                name: usage.network_interface.clone(),
                rx_bytes: usage.network_rx_bytes.unwrap_or(0),
                rx_errors: usage.network_rx_errors.unwrap_or(0),
                tx_bytes: usage.network_tx_bytes.unwrap_or(0),
                tx_errors: usage.network_tx_errors.unwrap_or(0),
                packets,
            }),
            process_count: usage.process_count,
            details: usage.details,
            ..PodUse::default()
        };
        let logs = kubelet_core::sandbox_config::logs_directory(
            &self.context.config.pod_logs_dir,
            &meta.namespace,
            &meta.name,
            &meta.uid,
        );
        for status in observed.containers.iter().filter(|status| status.state == ContainerState::Running) {
            let usage = containers.iter().find(|usage| usage.container_id == status.id);
            let logs = if small {
                SpaceUse::default()
            } else {
                self.space(&Path::new(&logs).join(&status.name), at).await
            };
            let own = if small {
                None
            } else {
                let pod = qos::pod_cgroup(&self.context.cgroup_root, pod);
                self.context.ports.cgroups.container_usage(&pod, &status.id).await.ok().flatten()
            };
            let own = own.unwrap_or_default();
            result.containers.push(ContainerUse {
                name: status.name.clone(),
                id: status.id.clone(),
                image: status.image.clone(),
                started_at: status.started_at,
                cpu: usage.map_or_else(CpuUse::default, |usage| {
                    let measured = self.cpu(&status.id, usage.cpu_total_nanos, usage.at);
                    CpuUse { nanocores: usage.cpu_usage_nanocores.or(measured.nanocores), ..measured }
                }),
                memory: usage.map(memory_of_container).unwrap_or_default(),
                writable_layer: SpaceUse {
                    used_bytes: usage.and_then(|usage| usage.writable_layer_bytes),
                    inodes_used: usage.and_then(|usage| usage.writable_layer_inodes),
                },
                logs,
                process_count: own.process_count,
                details: own.details,
            });
        }
        if !small && let Some(system) = &node.filesystem {
            result.volumes = self.volumes(pod, system, at).await;
        }
        result
    }

    /// Packets of a pod's interface, which the runtime does not count: any process of the pod sees it.
    async fn packets(&self, pod: &Pod, interface: &str) -> Option<Packets> {
        let ports = &self.context.ports;
        let cgroup = qos::pod_cgroup(&self.context.cgroup_root, pod);
        let pid = *ports.cgroups.processes(&cgroup).await.ok()?.first()?;
        let interfaces = ports.machine.interfaces_of(pid).await.ok()?;
        interfaces.into_iter().find(|known| known.name == interface).map(|known| known.packets)
    }

    async fn volumes(
        &self,
        pod: &Pod,
        system: &FilesystemUsage,
        at: Timestamp,
    ) -> BTreeMap<String, (SpaceUse, FilesystemUsage)> {
        let mut measured = BTreeMap::new();
        for volume in &pod.spec.volumes {
            let source = &volume.volume_source;
            let plugin = if source.empty_dir.is_some() {
                "empty-dir"
            } else if source.config_map.is_some() {
                "configmap"
            } else if source.secret.is_some() {
                "secret"
            } else if source.downward_api.is_some() {
                "downward-api"
            } else if source.projected.is_some() {
                "projected"
            } else {
                continue;
            };
            let path = volumes::volume_directory(&self.context, &pod.metadata.uid, plugin, &volume.name);
            let space = self.space(&path, at).await;
            let own = self.context.ports.machine.filesystem(&path).await.unwrap_or_else(|_| system.clone());
            measured.insert(volume.name.clone(), (space, own));
        }
        measured
    }

    /// Forgets what is gone, so that nothing grows for ever.
    fn tidy(&self, at: Timestamp) {
        let period = self.context.config.volume_stats_agg_period.0 * 4;
        let mut remembered = self.remembered.lock();
        remembered.directories.retain(|_, (walked, _)| elapsed(*walked, at) < period);
        remembered.cpu.retain(|_, (then, _)| elapsed(*then, at).as_secs() < 3600);
    }

    async fn all(&self, small: bool) -> Result<(NodeUse, Vec<PodUse>), String> {
        let at = self.context.now();
        let node = self.node(at, small).await?;
        let pods = self.pods(at, &node, small).await;
        self.tidy(at);
        Ok((node, pods))
    }
}

fn memory_of_cgroup(usage: &CgroupUsage) -> MemoryUse {
    MemoryUse {
        working_set_bytes: usage.memory_working_set_bytes,
        usage_bytes: usage.memory_usage_bytes,
        rss_bytes: usage.memory_rss_bytes,
        available_bytes: None,
        page_faults: usage.memory_page_faults,
        major_page_faults: usage.memory_major_page_faults,
    }
}

fn memory_of_container(usage: &ContainerUsage) -> MemoryUse {
    MemoryUse {
        working_set_bytes: usage.memory_working_set_bytes,
        usage_bytes: usage.memory_usage_bytes,
        rss_bytes: usage.memory_rss_bytes,
        available_bytes: usage.memory_available_bytes,
        page_faults: usage.memory_page_faults,
        major_page_faults: usage.memory_major_page_faults,
    }
}

#[async_trait]
impl Statistics for Measuring {
    async fn summary(&self, only_cpu_and_memory: bool) -> Result<String, String> {
        let (node, pods) = self.all(only_cpu_and_memory).await?;
        Ok(statistics::summary(&node, &pods, only_cpu_and_memory).to_string())
    }

    async fn cadvisor(&self) -> String {
        match self.all(false).await {
            Ok((node, pods)) => statistics::cadvisor(&node, &pods),
            Err(error) => format!("# {}\n", error.replace('\n', " ")),
        }
    }

    async fn claims(&self) -> String {
        let mut measured = Vec::new();
        for claim in self.context.metrics.volumes.claims() {
            match self.context.ports.machine.filesystem(&claim.path).await {
                Ok(usage) => measured.push((claim.namespace, claim.name, usage)),
                Err(error) => {
                    tracing::debug!(%error, path = %claim.path.display(), "failed to measure a volume");
                }
            }
        }
        statistics::claims(&measured)
    }

    async fn resource(&self) -> String {
        match self.all(true).await {
            Ok((node, pods)) => statistics::resource(&node, &pods),
            Err(error) => {
                tracing::warn!(error, "failed to measure the node");
                "# TYPE resource_scrape_error gauge\nresource_scrape_error 1\n".to_owned()
            }
        }
    }
}
