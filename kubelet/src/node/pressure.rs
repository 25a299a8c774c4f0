//! The eviction loop: measures the node, raises pressures, reclaims, and evicts one pod at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::Pod;
use component_base::Shutdown;
use kubelet_core::eviction::{
    self, Observation, Observations, PodConsumption, Pressure, Signal, Threshold, eviction_message, rank,
};
use kubelet_core::observed::POD_UID_LABEL;
use kubelet_core::pod;
use kubelet_core::pod_lifecycle::Eviction;
use kubelet_core::qos;
use machinery::Quantity;
use tokio::sync::{Notify, mpsc};

use crate::context::Context;
use crate::events::Kind;
use crate::housekeeping::{self, ImageCollector};
use crate::observing::PodCache;
use crate::pods::{ManagerHandle, PodEvent};

/// How often the node is measured.
const PERIOD: Duration = Duration::from_secs(10);
/// How long to wait for an evicted pod to go before the next one is considered.
const SETTLE: Duration = Duration::from_secs(5);

/// What the loop works with.
pub struct PressureWatch {
    pub context: Arc<Context>,
    pub cache: Arc<PodCache>,
    pub manager: Arc<ManagerHandle>,
    /// Deletes images when disk runs short.
    pub images: Arc<ImageCollector>,
    pub events: mpsc::UnboundedSender<PodEvent>,
    /// Told when a pressure comes or goes.
    pub changed: Arc<Notify>,
}

impl PressureWatch {
    /// Watches until shutdown.
    pub async fn run(self, thresholds: Vec<Threshold>, shutdown: Shutdown) {
        let mut pressure = Pressure::default();
        let mut told = None;
        loop {
            let evicted = self.round(&thresholds, &mut pressure, &mut told).await;
            let wait = if evicted { SETTLE } else { PERIOD };
            if !shutdown.sleep(wait).await {
                return;
            }
        }
    }

    /// One round; returns whether a pod was evicted.
    async fn round(
        &self,
        thresholds: &[Threshold],
        pressure: &mut Pressure,
        told: &mut Option<Signal>,
    ) -> bool {
        let pods: Vec<Arc<Pod>> = self
            .manager
            .pods()
            .into_iter()
            .filter(|pod| {
                !pod::is_terminal_phase(&pod.status.phase) && pod.metadata.deletion_timestamp.is_none()
            })
            .collect();
        if self.context.config.local_storage_capacity_isolation && self.evict_over_limits(&pods).await {
            return true;
        }
        let observations = self.measure().await;
        let transition = self.context.config.eviction_pressure_transition_period.0;
        let verdict = pressure.round(thresholds, &observations, transition, self.context.now());
        if **self.context.pressures.load() != verdict.conditions {
            self.context.pressures.store(Arc::new(verdict.conditions));
            self.changed.notify_one();
        }
        let Some(threshold) = verdict.act_on else {
            *told = None;
            return false;
        };
        // Told when it begins, not every round it lasts.
        if *told != Some(threshold.signal) {
            *told = Some(threshold.signal);
            tracing::warn!(signal = threshold.signal.name(), "eviction threshold met");
            let message = format!("Attempting to reclaim {}", threshold.signal.resource());
            self.context.recorder.node(Kind::Warning, "EvictionThresholdMet", message);
        }
        if self.reclaim(&threshold).await && !self.still_met(&threshold).await {
            return false;
        }
        let consumption = self.consumption(&pods, threshold.signal).await;
        let ranked = rank(&pods, threshold.signal, &consumption);
        let Some(victim) = ranked.first() else {
            tracing::debug!(signal = threshold.signal.name(), "no pod can be evicted to relieve the node");
            return false;
        };
        let message =
            eviction_message(victim, &threshold, &observations, consumption.get(&victim.metadata.uid));
        let most = i64::from(self.context.config.eviction_max_pod_grace_period);
        let grace = eviction::grace_seconds(&threshold, most, victim.spec.termination_grace_period_seconds);
        self.context.metrics.evictions.with_label_values(&[threshold.signal.name()]).inc();
        self.evict(victim, message, grace);
        true
    }

    fn evict(&self, pod: &Pod, message: String, grace_seconds: i64) {
        self.context.recorder.pod(pod, Kind::Warning, "Evicted", message.clone());
        let eviction = Eviction {
            reason: "Evicted".to_owned(),
            message,
            disruption_reason: "TerminationByKubelet".to_owned(),
        };
        // The manager is gone only when the kubelet is.
        let _ = self.events.send(PodEvent::Evict { uid: pod.metadata.uid.clone(), eviction, grace_seconds });
    }

    async fn measure(&self) -> Observations {
        let machine = &self.context.ports.machine;
        let mut observations = Observations::new();
        if let Ok(memory) = machine.memory().await {
            let observation =
                Observation { available: memory.available_bytes, capacity: memory.capacity_bytes };
            observations.insert(Signal::MemoryAvailable, observation);
        }
        if let Ok(count) = machine.processes().await {
            let observation =
                Observation { available: count.limit.saturating_sub(count.running), capacity: count.limit };
            observations.insert(Signal::PidAvailable, observation);
        }
        let mut filesystem = |usage: kubelet_core::ports::FilesystemUsage, space: Signal, inodes: Signal| {
            observations.insert(
                space,
                Observation { available: usage.available_bytes, capacity: usage.capacity_bytes },
            );
            // Some file systems make inodes as they go, and report none.
            if usage.inodes > 0 {
                observations
                    .insert(inodes, Observation { available: usage.inodes_free, capacity: usage.inodes });
            }
        };
        if let Ok(usage) = machine.filesystem(&self.context.root).await {
            filesystem(usage, Signal::NodeFsAvailable, Signal::NodeFsInodesFree);
        }
        let (images, containers) = self.image_paths().await;
        if let Some(path) = images
            && let Ok(usage) = machine.filesystem(&path).await
        {
            filesystem(usage, Signal::ImageFsAvailable, Signal::ImageFsInodesFree);
        }
        if let Some(path) = containers
            && let Ok(usage) = machine.filesystem(&path).await
        {
            filesystem(usage, Signal::ContainerFsAvailable, Signal::ContainerFsInodesFree);
        }
        observations
    }

    async fn image_paths(&self) -> (Option<PathBuf>, Option<PathBuf>) {
        let systems = self.context.ports.images.filesystems().await.unwrap_or_default();
        let find = |containers: bool| {
            systems
                .iter()
                .find(|system| system.holds_containers == containers)
                .map(|system| PathBuf::from(&system.mountpoint))
        };
        (find(false), find(true))
    }

    /// Frees what nobody misses before pods go: dead containers and unused images, for disk pressure.
    async fn reclaim(&self, threshold: &Threshold) -> bool {
        if threshold.signal.condition() != "DiskPressure" {
            return false;
        }
        housekeeping::reclaim_disk(&self.context, &self.cache, &self.manager, &self.images).await;
        true
    }

    async fn still_met(&self, threshold: &Threshold) -> bool {
        let observations = self.measure().await;
        let mut fresh = Pressure::default();
        let immediate = Threshold { grace: Duration::ZERO, ..threshold.clone() };
        fresh.round(&[immediate], &observations, Duration::ZERO, self.context.now()).act_on.is_some()
    }

    /// What each pod uses of the resource behind a signal.
    async fn consumption(&self, pods: &[Arc<Pod>], signal: Signal) -> BTreeMap<String, PodConsumption> {
        match signal.resource() {
            "memory" => self.memory_of_pods().await,
            "pids" => self.processes_of_pods(pods).await,
            _ => self.disk_of_pods(pods, signal).await,
        }
    }

    async fn memory_of_pods(&self) -> BTreeMap<String, PodConsumption> {
        let mut consumption: BTreeMap<String, PodConsumption> = BTreeMap::new();
        for usage in self.context.ports.runtime.container_usage().await.unwrap_or_default() {
            let Some(uid) = usage.labels.get(POD_UID_LABEL) else { continue };
            let bytes = usage.memory_working_set_bytes.or(usage.memory_usage_bytes).unwrap_or(0);
            let pod = consumption.entry(uid.clone()).or_default();
            pod.total += bytes;
            pod.containers.insert(usage.name.clone(), bytes);
        }
        consumption
    }

    async fn processes_of_pods(&self, pods: &[Arc<Pod>]) -> BTreeMap<String, PodConsumption> {
        let mut consumption = BTreeMap::new();
        for pod in pods {
            let name = qos::pod_cgroup(&self.context.cgroup_root, pod);
            if let Ok(usage) = self.context.ports.cgroups.usage(&name).await {
                let total = usage.process_count.unwrap_or(0);
                consumption
                    .insert(pod.metadata.uid.clone(), PodConsumption { total, ..PodConsumption::default() });
            }
        }
        consumption
    }

    /// Writable layers, logs and emptyDirs of every pod, in bytes or inodes.
    async fn disk_of_pods(&self, pods: &[Arc<Pod>], signal: Signal) -> BTreeMap<String, PodConsumption> {
        let by_inodes = signal.resource() == "inodes";
        let pick = |(bytes, inodes): (u64, u64)| if by_inodes { inodes } else { bytes };
        let mut consumption: BTreeMap<String, PodConsumption> = BTreeMap::new();
        for usage in self.context.ports.runtime.container_usage().await.unwrap_or_default() {
            let Some(uid) = usage.labels.get(POD_UID_LABEL) else { continue };
            let used =
                pick((usage.writable_layer_bytes.unwrap_or(0), usage.writable_layer_inodes.unwrap_or(0)));
            let pod = consumption.entry(uid.clone()).or_default();
            pod.total += used;
            *pod.containers.entry(usage.name.clone()).or_default() += used;
        }
        for pod in pods {
            let entry = consumption.entry(pod.metadata.uid.clone()).or_default();
            entry.total += pick(self.usage_of(&self.logs_of(pod)).await);
            for (path, _) in self.disk_volumes(pod) {
                entry.total += pick(self.usage_of(&path).await);
            }
        }
        consumption
    }

    async fn usage_of(&self, path: &Path) -> (u64, u64) {
        self.context.ports.mounts.directory_usage(path).await.unwrap_or((0, 0))
    }

    fn logs_of(&self, pod: &Pod) -> PathBuf {
        let meta = &pod.metadata;
        PathBuf::from(kubelet_core::sandbox_config::logs_directory(
            &self.context.config.pod_logs_dir,
            &meta.namespace,
            &meta.name,
            &meta.uid,
        ))
    }

    /// The emptyDirs of a pod that are on disk, with their limits.
    fn disk_volumes(&self, pod: &Pod) -> Vec<(PathBuf, Option<Quantity>)> {
        pod.spec
            .volumes
            .iter()
            .filter_map(|volume| {
                let source =
                    volume.volume_source.empty_dir.as_ref().filter(|source| source.medium.is_empty())?;
                let path = crate::volumes::volume_directory(
                    &self.context,
                    &pod.metadata.uid,
                    "empty-dir",
                    &volume.name,
                );
                Some((path, source.size_limit.clone()))
            })
            .collect()
    }

    /// Pods that use more local storage than they may are evicted whatever the node has left.
    async fn evict_over_limits(&self, pods: &[Arc<Pod>]) -> bool {
        let mut evicted = false;
        let mut layers: Option<Vec<kubelet_core::ports::ContainerUsage>> = None;
        for pod in pods.iter().filter(|pod| !pod::is_static(pod)) {
            for volume in &pod.spec.volumes {
                let Some(source) = &volume.volume_source.empty_dir else { continue };
                let Some(limit) = source.size_limit.as_ref().filter(|limit| limit.sign() > 0) else {
                    continue;
                };
                let path = crate::volumes::volume_directory(
                    &self.context,
                    &pod.metadata.uid,
                    "empty-dir",
                    &volume.name,
                );
                let (used, _) = self.usage_of(&path).await;
                if i128::from(used) > i128::from(limit.value()) {
                    let message = format!(
                        "Usage of EmptyDir volume {:?} exceeds the limit {:?}. ",
                        volume.name, limit.0
                    );
                    self.evict(pod, message, 1);
                    evicted = true;
                }
            }
            let limits: Vec<(&str, i64)> = pod
                .spec
                .containers
                .iter()
                .filter_map(|container| {
                    let limit = container.resources.limits.get("ephemeral-storage")?;
                    Some((container.name.as_str(), limit.value()))
                })
                .collect();
            if limits.is_empty() {
                continue;
            }
            if layers.is_none() {
                layers = Some(self.context.ports.runtime.container_usage().await.unwrap_or_default());
            }
            for (name, limit) in limits {
                let layer = layers.iter().flatten().find(|usage| {
                    usage.name == name && usage.labels.get(POD_UID_LABEL) == Some(&pod.metadata.uid)
                });
                let logs = self.usage_of(&self.logs_of(pod).join(name)).await.0;
                let used = layer.and_then(|usage| usage.writable_layer_bytes).unwrap_or(0) + logs;
                if i128::from(used) > i128::from(limit) {
                    let limit = Quantity::new(limit, machinery::quantity::Format::BinarySi);
                    let message = format!(
                        "Container {name} exceeded its local ephemeral storage limit {:?}. ",
                        limit.0
                    );
                    self.evict(pod, message, 1);
                    evicted = true;
                }
            }
        }
        evicted
    }
}
