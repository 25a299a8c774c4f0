//! A node made of plain memory: ports that remember what was asked of them, and a kubelet's pod machinery on top.

pub mod api;
pub mod objects;
pub mod ports;
pub mod runtime;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{Node, Pod, PodStatus};
use arc_swap::ArcSwap;
use component_base::Shutdown;
use component_base::metrics::Metrics;
use kubelet::clock::Clock;
use kubelet::config::KubeletConfiguration;
use kubelet::context::Context;
use kubelet::events::{Record, Recorder};
use kubelet::metrics::KubeletMetrics;
use kubelet::observing::PodCache;
use kubelet::pods::images::ImagePuller;
use kubelet::pods::manager::Sources;
use kubelet::pods::worker::Shared;
use kubelet::pods::{Manager, ManagerHandle, Neighbours, PodEvent};
use kubelet::statuses::{ApiPods, Statuses};
use kubelet_core::dns::DnsFacts;
use kubelet_core::ports::{CgroupName, MachineFacts, RuntimeCondition, RuntimeStatus};
use kubelet_core::qos::ResourcePolicy;
use machinery::{Message, Quantity};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use self::api::Api;
use self::objects::SimulatedObjects;
use self::ports::SimulatedMachine;
use self::runtime::SimulatedRuntime;

/// Most simulated time a condition may take.
const PATIENCE: Duration = Duration::from_secs(3600);

/// One simulated node with its kubelet.
pub struct World {
    pub runtime: Arc<SimulatedRuntime>,
    pub machine: Arc<SimulatedMachine>,
    pub objects: Arc<SimulatedObjects>,
    pub context: Arc<Context>,
    pub metrics: Metrics,
    pub cache: Arc<PodCache>,
    pub manager: Arc<ManagerHandle>,
    pub statuses: Arc<Statuses>,
    pub shutdown: Shutdown,
    pub events: mpsc::UnboundedSender<PodEvent>,
    records: Mutex<mpsc::Receiver<Record>>,
    directory: PathBuf,
}

impl World {
    /// A node with nothing on it.
    pub async fn new(name: &str) -> World {
        let directory = std::env::temp_dir().join(format!("kubelet-world-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let runtime = SimulatedRuntime::new(Clock::simulated());
        World::on(directory, runtime).await
    }

    async fn on(directory: PathBuf, runtime: Arc<SimulatedRuntime>) -> World {
        let machine = Arc::new(SimulatedMachine::default());
        let objects = Arc::new(SimulatedObjects::default());
        let ports = ports::simulated(runtime.clone(), machine.clone());
        let (recorder, records) = Recorder::new("node");
        let mut node = Node::default();
        node.metadata.name = "node".into();
        node.status.allocatable = [("cpu", "4"), ("memory", "8Gi"), ("pods", "10")]
            .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
            .into();
        let ready =
            |type_: &str| RuntimeCondition { type_: type_.into(), status: true, ..Default::default() };
        let config = KubeletConfiguration {
            pod_logs_dir: directory.join("logs").display().to_string(),
            sync_frequency: kubelet::config::GoDuration::seconds(60),
            ..KubeletConfiguration::default()
        };
        let metrics = Metrics::new();
        let context = Arc::new(Context {
            ports: ports.clone(),
            clock: runtime.clock,
            config,
            node_name: "node".into(),
            root: directory.join("root"),
            facts: MachineFacts::default(),
            pid_limit: 1000,
            policy: ResourcePolicy { memory_capacity: 8 << 30, ..ResourcePolicy::default() },
            cgroup_root: CgroupName::root(),
            sandbox_image: String::new(),
            runtime_name: "simulated".into(),
            dns: DnsFacts {
                cluster_servers: vec!["10.96.0.10".into()],
                host: Some(Default::default()),
                ..DnsFacts::default()
            },
            recorder,
            metrics: KubeletMetrics::register(&metrics, &Metrics::new(), "node"),
            objects: objects.clone(),
            started_at: runtime.clock.now(),
            host_ips: ArcSwap::from_pointee(vec!["192.0.2.1".into()]),
            node: ArcSwap::from_pointee(node),
            pressures: ArcSwap::default(),
            runtime_status: ArcSwap::from_pointee(Ok(RuntimeStatus {
                conditions: vec![ready("RuntimeReady"), ready("NetworkReady")],
                ..RuntimeStatus::default()
            })),
        });
        let shutdown = Shutdown::new();
        let (events, received) = mpsc::unbounded_channel();
        let cache = PodCache::new(ports.runtime.clone(), context.metrics.relist.clone());
        let (changed, mut changes) = mpsc::unbounded_channel();
        tokio::spawn(cache.clone().run(changed, shutdown.clone()));
        let to_manager = events.clone();
        tokio::spawn(async move {
            while let Some(uids) = changes.recv().await {
                let _ = to_manager.send(PodEvent::Observed(uids));
            }
        });
        cache.refresh("").await.expect("a first list");
        let (finished, mut finishes) = mpsc::unbounded_channel();
        let to_manager = events.clone();
        tokio::spawn(async move {
            while let Some(uid) = finishes.recv().await {
                let _ = to_manager.send(PodEvent::Finished(uid));
            }
        });
        let api_pods = Arc::new(ApiPods::default());
        let statuses = Statuses::new(api_pods.clone());
        let handle = Arc::new(ManagerHandle::default());
        let seen = watch::Sender::new(0);
        let shared = Shared {
            context: context.clone(),
            cache: cache.clone(),
            statuses: statuses.clone(),
            images: ImagePuller::new(context.clone()),
            neighbours: Arc::new(Neighbours::default()),
            seen: seen.subscribe(),
            finished,
        };
        let sources = Sources { api: true, manifests: false };
        let manager = Manager::new(shared, api_pods, handle.clone(), events.clone(), seen, sources);
        tokio::spawn(manager.run(received, shutdown.clone()));
        World {
            runtime,
            machine,
            objects,
            context,
            metrics,
            cache,
            manager: handle,
            statuses,
            shutdown,
            events,
            records: Mutex::new(records),
            directory,
        }
    }

    /// Kills the kubelet and starts another on the same runtime and disk, told these pods.
    pub async fn restart(self, pods: &[Pod]) -> World {
        let world = self.restarted().await;
        world.list(pods);
        world
    }

    /// Kills the kubelet and starts another on the same runtime and disk, which has heard of no pod yet.
    pub async fn restarted(self) -> World {
        self.shutdown.trigger();
        tokio::time::sleep(Duration::from_millis(10)).await;
        let (directory, runtime) = (self.directory.clone(), self.runtime.clone());
        std::mem::forget(self);
        World::on(directory, runtime).await
    }

    /// Brings statuses to an API server from now on, and hears what changes there.
    pub fn connect(&self, api: &Arc<Api>) {
        api.watch(self.events.clone());
        tokio::spawn(self.statuses.clone().run(api.clone(), self.shutdown.clone()));
    }

    /// The events since the last question, as `Reason message`.
    pub fn told(&self) -> Vec<String> {
        let mut records = self.records.lock();
        std::iter::from_fn(|| records.try_recv().ok())
            .map(|record| format!("{} {}", record.reason, record.message))
            .collect()
    }

    /// Tells the kubelet all its pods.
    pub fn list(&self, pods: &[Pod]) {
        let pods = pods.iter().cloned().map(Arc::new).collect();
        self.events.send(PodEvent::ApiList(pods)).expect("a kubelet");
    }

    /// Tells the kubelet of a new or changed pod.
    pub fn apply(&self, pod: &Pod) {
        self.events.send(PodEvent::ApiApplied(Arc::new(pod.clone()))).expect("a kubelet");
    }

    /// Waits until a status of the pod meets the condition; shows the last one when it never does.
    pub async fn until(&self, uid: &str, what: &str, met: impl Fn(&PodStatus) -> bool) -> PodStatus {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let status = self.statuses.get(uid).unwrap_or_default();
            if met(&status) {
                return status;
            }
            if tokio::time::Instant::now() > deadline {
                panic!("{what} never came; last status: {}", status.to_value());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the runtime meets the condition.
    pub async fn until_runtime(&self, what: &str, met: impl Fn(&SimulatedRuntime) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !met(&self.runtime) {
            if tokio::time::Instant::now() > deadline {
                panic!("{what} never came; the runtime did: {:?}", self.runtime.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.trigger();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A pod from the JSON of its spec, named and identified by `name`.
pub fn pod(name: &str, spec: &str) -> Pod {
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"work","uid":"{name}"}},"spec":{spec}}}"#
    );
    let mut pod = Pod::from_json(text.as_bytes()).expect("a pod");
    rules::core::v1::pod::defaults::set(&mut pod);
    pod.spec.node_name = "node".into();
    pod
}

/// The pod as the API shows it after a delete request.
pub fn deleted(pod: &Pod, grace: i64) -> Pod {
    let mut pod = pod.clone();
    pod.metadata.deletion_timestamp = Some(machinery::Time { seconds: 1, nanos: 0 });
    pod.metadata.deletion_grace_period_seconds = Some(grace);
    pod
}
