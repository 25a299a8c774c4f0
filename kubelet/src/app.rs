//! Builds the kubelet: the only place that constructs its parts and ties them together.

mod serving;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::runtime::client_metrics::ClientMetrics;
use anyhow::{Context as _, bail};
use api_types::core::v1::{Node, Taint};
use arc_swap::ArcSwap;
use client::Client;
use component_base::health::Health;
use component_base::metrics::Metrics;
use component_base::{Shutdown, version};
use jiff::Timestamp;
use kubelet_adapters::cgroups::{Driver, Hierarchy, NodeCgroups};
use kubelet_adapters::cri::CriRuntime;
use kubelet_adapters::machine::NodeMachine;
use kubelet_adapters::mounts::NodeMounts;
use kubelet_adapters::probes::NetworkProber;
use kubelet_core::dns::{DnsFacts, parse_resolv_conf};
use kubelet_core::garbage::ContainerGcPolicy;
use kubelet_core::node_status::{self, Registration};
use kubelet_core::ports::{CgroupVersion, MachineFacts, RuntimeVersion};
use kubelet_core::qos::{CpuQuotaPolicy, ResourcePolicy};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use crate::certificates::{CertificateStore, Rotation, Wanted, client_config, serving_store};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::{self, KubeletConfiguration};
use crate::context::{Context, Ports};
use crate::events::{Kind, Record, Recorder};
use crate::housekeeping::{self, ContainerGc, ImageCollector};
use crate::metrics::{KubeletMetrics, Measured, OperationMetrics};
use crate::mirrors;
use crate::node::addresses::{self, NodeIpFlag};
use crate::node::pressure::PressureWatch;
use crate::node::status::Reporter;
use crate::node::{classes, kernel, lease, pod_range, registration, reserved, runtime};
use crate::objects::watched::WatchedObjects;
use crate::objects::{NoObjects, Objects};
use crate::observing::PodCache;
use crate::options::{self, Options};
use crate::pods::images::ImagePuller;
use crate::pods::manager::Sources;
use crate::pods::worker::Shared;
use crate::pods::{Manager, ManagerHandle, Neighbours, PodEvent};
use crate::rate::Bucket;
use crate::sources::{self, manifests::Manifests};
use crate::statuses::{ApiPods, PodApi, Statuses};
use client::outage::Outage;

/// How often to try the runtime again while it does not answer at the start.
const RUNTIME_RETRY: Duration = Duration::from_secs(2);

/// Runs the kubelet until shutdown. Containers go on when it ends.
pub async fn run(options: Options, shutdown: Shutdown) -> anyhow::Result<()> {
    let config = configuration(&options)?;
    let ports = real_ports(&config)?;
    run_with(options, config, ports, shutdown).await
}

/// The configuration in force: file, drop-ins, flags.
pub fn configuration(options: &Options) -> anyhow::Result<KubeletConfiguration> {
    let mut config = config::load(options.config.as_deref(), options.config_dir.as_deref())?;
    options.overrides.apply(&mut config)?;
    config::validate(&config)?;
    Ok(config)
}

/// The ports on this machine.
fn real_ports(config: &KubeletConfiguration) -> anyhow::Result<Ports> {
    let image_endpoint = Some(config.image_service_endpoint.as_str()).filter(|endpoint| !endpoint.is_empty());
    let runtime = CriRuntime::new(
        &config.container_runtime_endpoint,
        image_endpoint,
        config.runtime_request_timeout.0,
    )?;
    let runtime = Arc::new(runtime);
    let hierarchy = Hierarchy::detect().context("failed to find the cgroup hierarchy")?;
    let driver = if config.cgroup_driver == "systemd" { Driver::Systemd } else { Driver::Cgroupfs };
    Ok(Ports {
        images: runtime.clone(),
        runtime,
        mounts: Arc::new(NodeMounts),
        cgroups: Arc::new(NodeCgroups::new(hierarchy, driver)),
        machine: Arc::new(NodeMachine::new()),
        prober: Arc::new(NetworkProber::new()),
    })
}

/// Runs the kubelet on these ports.
pub async fn run_with(
    options: Options,
    config: KubeletConfiguration,
    ports: Ports,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let facts = ports.machine.facts().await.context("failed to look at the machine")?;
    kernel::check(&config, &facts, ports.cgroups.version())?;
    kernel::prepare(&config, ports.machine.as_ref()).await?;
    if !options.pod_infra_container_image.is_empty() {
        tracing::warn!(
            "--pod-infra-container-image has no effect: the runtime's configuration names the image"
        );
    }
    let node_name = node_name(&options, &facts)?;
    let node_ip = NodeIpFlag::parse(&options.node_ip)?;
    let Some(runtime_version) = wait_for_runtime(&ports, &shutdown).await else { return Ok(()) };
    tracing::info!(
        node = %node_name,
        version = %version::git_version(),
        runtime = %runtime_version.name,
        runtime_version = %runtime_version.version,
        "kubelet starts"
    );
    make_directories(&options, &config, &ports).await?;

    let host_ips = match addresses::find(ports.machine.as_ref(), &node_ip, &node_name).await {
        Ok(ips) => ips.iter().map(ToString::to_string).collect(),
        Err(error) => {
            tracing::warn!(%error, "the node has no address yet");
            Vec::new()
        }
    };
    let node = first_node(&options, &config, &facts, &ports, &node_name).await?;
    let rotate = config.rotate_certificates;
    let client = match client_config(&options, &node_name, rotate, &shutdown).await? {
        Some(mut client_config) => {
            let rate = (config.kube_api_qps > 0).then(|| {
                let burst = u32::try_from(config.kube_api_burst).unwrap_or(100);
                #[expect(clippy::cast_precision_loss, reason = "requests per second are few")]
                let rate = config.kube_api_qps as f32;
                (rate, burst)
            });
            client_config.rate_limit = rate;
            client_config.user_agent = version::user_agent("kubelet");
            Some(Client::new(client_config)?)
        }
        None if options.kubeconfig.is_some() => return Ok(()),
        None => {
            tracing::warn!("standalone mode: no --kubeconfig, no API server");
            None
        }
    };
    let (recorder, records) = Recorder::new(&node_name);
    let (events, received) = mpsc::unbounded_channel::<PodEvent>();
    let objects: Arc<dyn Objects> = match &client {
        Some(client) => Arc::new(WatchedObjects::start(client.clone(), events.clone(), &shutdown)),
        None => Arc::new(NoObjects),
    };
    let (metrics, probe_metrics) = (Metrics::for_component(), Metrics::new());
    if let Some(client) = &client {
        client.observe(ClientMetrics::register(&metrics));
    }
    let measured =
        Measured::new(ports.runtime.clone(), ports.images.clone(), OperationMetrics::register(&metrics));
    let ports = Ports { runtime: measured.clone(), images: measured, ..ports };
    let context = Arc::new(Context {
        policy: resource_policy(&config, &facts, ports.cgroups.version()),
        pid_limit: ports.machine.processes().await.map(|count| count.limit).unwrap_or(0),
        cgroup_root: reserved::cgroup_root(&config),
        runtime_name: runtime_version.name.clone(),
        dns: dns_facts(&config, &host_ips)?,
        clock: Clock::wall(),
        started_at: Timestamp::now(),
        host_ips: ArcSwap::from_pointee(host_ips),
        node: ArcSwap::from_pointee(node.clone()),
        pressures: ArcSwap::default(),
        runtime_status: ArcSwap::from_pointee(
            ports.runtime.status().await.map_err(|error| error.to_string()),
        ),
        root: options.root_dir.clone(),
        sandbox_image: options.pod_infra_container_image.clone(),
        ports,
        config,
        metrics: KubeletMetrics::register(&metrics, &probe_metrics, &node_name),
        node_name,
        facts,
        recorder,
        objects,
    });
    reserved::ensure_cgroups(&context, kubelet_core::qos::MIN_SHARES)
        .await
        .context("failed to make the cgroups of pods")?;
    let parts = Parts::new(&context, metrics, probe_metrics);
    // The first list comes before any pod: what runs already must be seen before anything is started.
    let mut tasks = JoinSet::new();
    if !start_observing(&mut tasks, &parts, &events, &shutdown).await {
        return Ok(());
    }
    start_pods(&mut tasks, &parts, client.is_some(), events.clone(), received, &shutdown);
    start_node(&mut tasks, &options, &parts, &events, &shutdown)?;
    serving::start_health(&mut tasks, &parts, &shutdown).await?;
    if context.config.enable_server {
        serving::start(&mut tasks, &options, &parts, client.as_ref(), &shutdown);
    }
    match &client {
        Some(client) => {
            start_cluster(&mut tasks, client, &parts, node, node_ip, events, &shutdown);
            tasks.spawn(events_to_api(client.clone(), context.clone(), records, shutdown.clone()));
            start_certificates(&mut tasks, client, &options, &parts, &shutdown);
        }
        // Without an API, events are for the log, which has them already.
        None => {
            tasks.spawn(discard(records));
        }
    }
    context.recorder.node(Kind::Normal, "Starting", "Starting kubelet.");
    let version = if context.ports.cgroups.version() == CgroupVersion::V1 { 1 } else { 2 };
    context.metrics.cgroup_version.with_label_values::<&str>(&[]).set(version);
    if version == 1 {
        context.recorder.node(Kind::Warning, "CgroupV1", kernel::CGROUP_V1_WARNING);
    }
    if reserved::limits_pods(&context.config) {
        let message = "Updated Node Allocatable limit across pods";
        context.recorder.node(Kind::Normal, "NodeAllocatableEnforced", message);
    }
    shutdown.wait().await;
    tasks.shutdown().await;
    Ok(())
}

/// The parts that several tasks share.
struct Parts {
    context: Arc<Context>,
    cache: Arc<PodCache>,
    api_pods: Arc<ApiPods>,
    statuses: Arc<Statuses>,
    neighbours: Arc<Neighbours>,
    manager: Arc<ManagerHandle>,
    /// Told when the node's status may have changed.
    node_changed: Arc<Notify>,
    health: Health,
    metrics: Metrics,
    probe_metrics: Metrics,
    seen: watch::Sender<u64>,
}

impl Parts {
    fn new(context: &Arc<Context>, metrics: Metrics, probe_metrics: Metrics) -> Parts {
        let api_pods = Arc::new(ApiPods::default());
        Parts {
            cache: PodCache::new(context.ports.runtime.clone(), context.metrics.relist.clone()),
            statuses: Statuses::new(api_pods.clone()),
            api_pods,
            neighbours: Arc::default(),
            manager: Arc::default(),
            node_changed: Arc::default(),
            health: Health::new(),
            metrics,
            probe_metrics,
            seen: watch::Sender::new(0),
            context: context.clone(),
        }
    }
}

/// Starts the lists of the runtime and waits for the first. Returns false on shutdown.
async fn start_observing(
    tasks: &mut JoinSet<()>,
    parts: &Parts,
    events: &mpsc::UnboundedSender<PodEvent>,
    shutdown: &Shutdown,
) -> bool {
    let (changed, mut changes) = mpsc::unbounded_channel();
    tasks.spawn(parts.cache.clone().run(changed, shutdown.clone()));
    let (to_manager, cache, metrics) = (events.clone(), parts.cache.clone(), parts.context.metrics.clone());
    tasks.spawn(async move {
        // Ends with its sender.
        while let Some(uids) = changes.recv().await {
            metrics.observe(&cache);
            let _ = to_manager.send(PodEvent::Observed(uids));
        }
    });
    while parts.cache.refresh("").await.is_err() {
        if !shutdown.sleep(RUNTIME_RETRY).await {
            return false;
        }
    }
    true
}

/// Starts the owner of the list of pods, and the manifests.
fn start_pods(
    tasks: &mut JoinSet<()>,
    parts: &Parts,
    with_api: bool,
    events: mpsc::UnboundedSender<PodEvent>,
    received: mpsc::UnboundedReceiver<PodEvent>,
    shutdown: &Shutdown,
) {
    let context = &parts.context;
    let (finished, mut finishes) = mpsc::unbounded_channel();
    let to_manager = events.clone();
    tasks.spawn(async move {
        // Ends with its sender.
        while let Some(uid) = finishes.recv().await {
            let _ = to_manager.send(PodEvent::Finished(uid));
        }
    });
    let shared = Shared {
        context: context.clone(),
        cache: parts.cache.clone(),
        statuses: parts.statuses.clone(),
        images: ImagePuller::new(context.clone()),
        neighbours: parts.neighbours.clone(),
        seen: parts.seen.subscribe(),
        finished,
    };
    let static_path = context.config.static_pod_path.clone();
    let sources = Sources { api: with_api, manifests: !static_path.is_empty() };
    let manager = Manager::new(
        shared,
        parts.api_pods.clone(),
        parts.manager.clone(),
        events.clone(),
        parts.seen.clone(),
        sources,
    );
    tasks.spawn(manager.run(received, shutdown.clone()));
    if !static_path.is_empty() {
        let period = context.config.file_check_frequency.0;
        let manifests = Manifests::new(PathBuf::from(static_path), context.node_name.clone(), period);
        tasks.spawn(manifests.run(events, shutdown.clone()));
    }
}

/// Starts what watches over the node itself.
fn start_node(
    tasks: &mut JoinSet<()>,
    options: &Options,
    parts: &Parts,
    events: &mpsc::UnboundedSender<PodEvent>,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let context = &parts.context;
    tasks.spawn(runtime::watch(context.clone(), parts.node_changed.clone(), shutdown.clone()));
    let policy = ContainerGcPolicy {
        keep_per_container: options.maximum_dead_containers_per_container,
        minimum_age: options.minimum_container_ttl_duration,
    };
    let containers = ContainerGc { policy };
    let config = &context.config;
    let images = ImageCollector::new(config);
    housekeeping::start(tasks, context, &parts.cache, &parts.manager, containers, &images, shutdown);
    let thresholds = kubelet_core::eviction::parse_thresholds(
        &config.hard_thresholds(),
        &config.eviction_soft,
        &config.eviction_soft_grace_period,
        &config.eviction_minimum_reclaim,
    )?;
    let pressure = PressureWatch {
        context: context.clone(),
        cache: parts.cache.clone(),
        manager: parts.manager.clone(),
        images,
        events: events.clone(),
        changed: parts.node_changed.clone(),
    };
    tasks.spawn(pressure.run(thresholds, shutdown.clone()));
    tasks.spawn(classes::keep_shares(context.clone(), parts.manager.clone(), shutdown.clone()));
    Ok(())
}

/// Starts what talks to the API server.
fn start_cluster(
    tasks: &mut JoinSet<()>,
    client: &Client,
    parts: &Parts,
    initial: Node,
    node_ip: NodeIpFlag,
    events: mpsc::UnboundedSender<PodEvent>,
    shutdown: &Shutdown,
) {
    let context = &parts.context;
    let api: Arc<dyn PodApi> = Arc::new(Cluster::new(client.clone()));
    tasks.spawn(parts.statuses.clone().run(api.clone(), shutdown.clone()));
    tasks.spawn(mirrors::run(
        context.clone(),
        parts.manager.clone(),
        parts.api_pods.clone(),
        api,
        shutdown.clone(),
    ));
    tasks.spawn(sources::api::run(client.clone(), context.node_name.clone(), events, shutdown.clone()));
    let deleted = Arc::new(Notify::new());
    tasks.spawn(registration::follow(client.clone(), context.clone(), deleted.clone(), shutdown.clone()));
    if context.config.register_node {
        let (client, context, shutdown) = (client.clone(), context.clone(), shutdown.clone());
        let (changed, manager) = (parts.node_changed.clone(), parts.manager.clone());
        tasks.spawn(async move {
            while registration::register(&client, &context, &initial, &shutdown).await {
                changed.notify_one();
                // Mirrors waited for the node they belong to.
                manager.statics_changed.notify_one();
                // A node that was deleted registers again.
                if shutdown.run_until(deleted.notified()).await.is_none() {
                    return;
                }
            }
        });
    }
    let reporter = Reporter {
        client: client.clone(),
        context: context.clone(),
        cache: parts.cache.clone(),
        node_ip,
        changed: parts.node_changed.clone(),
    };
    tasks.spawn(reporter.run(shutdown.clone()));
    tasks.spawn(pod_range::tell_runtime(context.clone(), parts.node_changed.clone(), shutdown.clone()));
    tasks.spawn(lease::renew(client.clone(), context.clone(), shutdown.clone()));
}

/// Starts the renewal of certificates.
fn start_certificates(
    tasks: &mut JoinSet<()>,
    client: &Client,
    options: &Options,
    parts: &Parts,
    shutdown: &Shutdown,
) {
    let config = &parts.context.config;
    let kinds = [
        (
            config.rotate_certificates,
            Wanted::Client,
            CertificateStore::new(&options.cert_dir, "kubelet-client"),
        ),
        (config.server_tls_bootstrap, Wanted::Serving, serving_store(options, config)),
    ];
    for (_, wanted, store) in kinds.into_iter().filter(|(enabled, ..)| *enabled) {
        let rotation = Rotation { wanted, client: client.clone(), store, context: parts.context.clone() };
        tasks.spawn(rotation.run(shutdown.clone()));
    }
}

/// Brings events to the API.
async fn events_to_api(
    client: Client,
    context: Arc<Context>,
    mut records: mpsc::Receiver<Record>,
    shutdown: Shutdown,
) {
    let recorder = ::runtime::events::Recorder::start(client, "kubelet", &context.node_name, &shutdown);
    let config = &context.config;
    let mut bucket = Bucket::new(config.event_record_qps, config.event_burst);
    while let Some(record) = records.recv().await {
        if !bucket.take(tokio::time::Instant::now()) {
            tracing::debug!(
                reason = %record.reason,
                "event not sent: more than eventRecordQPS and eventBurst allow"
            );
            continue;
        }
        recorder.event(record.about, record.kind.name(), &record.reason, &record.message);
    }
}

async fn discard(mut records: mpsc::Receiver<Record>) {
    while records.recv().await.is_some() {}
}

/// The name of this node: as given, or the machine's.
fn node_name(options: &Options, facts: &MachineFacts) -> anyhow::Result<String> {
    let name =
        if options.hostname_override.is_empty() { &facts.hostname } else { &options.hostname_override };
    let name = name.trim().to_lowercase();
    if name.is_empty() {
        bail!("the machine has no hostname; give one with --hostname-override");
    }
    Ok(name)
}

/// Waits until the runtime answers. `None` on shutdown.
async fn wait_for_runtime(ports: &Ports, shutdown: &Shutdown) -> Option<RuntimeVersion> {
    let mut outage = Outage::new("reach the container runtime", RUNTIME_RETRY, RUNTIME_RETRY);
    loop {
        let wait = match ports.runtime.version().await {
            Ok(version) => return Some(version),
            Err(error) => outage.failed(&error.to_string()),
        };
        if !shutdown.sleep(wait).await {
            return None;
        }
    }
}

async fn make_directories(
    options: &Options,
    config: &KubeletConfiguration,
    ports: &Ports,
) -> anyhow::Result<()> {
    let below = ["pods", "plugins", "plugins_registry", "pod-resources", "seccomp"];
    let root = &options.root_dir;
    for directory in below.iter().map(|name| root.join(name)).chain([PathBuf::from(&config.pod_logs_dir)]) {
        tokio::fs::create_dir_all(&directory)
            .await
            .with_context(|| format!("failed to create {}", directory.display()))?;
    }
    if let Err(error) = ports.mounts.make_shared(root).await {
        tracing::warn!(%error, "mounts below the root directory do not propagate");
    }
    Ok(())
}

fn resource_policy(
    config: &KubeletConfiguration,
    facts: &MachineFacts,
    version: CgroupVersion,
) -> ResourcePolicy {
    let cgroup_v2 = version == CgroupVersion::V2;
    ResourcePolicy {
        cpu_quota: CpuQuotaPolicy {
            enforce: config.cpu_cfs_quota,
            period: i64::try_from(config.cpu_cfs_quota_period.0.as_micros()).unwrap_or(100_000),
        },
        memory_capacity: facts.memory_bytes,
        cgroup_v2,
        single_process_oom_kill: config.single_process_oom_kill.unwrap_or(!cgroup_v2),
        swap_controller: cgroup_v2 && facts.swap_bytes > 0,
    }
}

fn dns_facts(config: &KubeletConfiguration, node_ips: &[String]) -> anyhow::Result<DnsFacts> {
    let path = config.resolv_conf.clone().unwrap_or_else(|| "/etc/resolv.conf".to_owned());
    let host = if path.is_empty() {
        None
    } else {
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read resolvConf {path}"))?;
        Some(parse_resolv_conf(&text))
    };
    Ok(DnsFacts {
        cluster_servers: config.cluster_dns.clone(),
        cluster_domain: config.cluster_domain.clone(),
        host,
        node_ips: node_ips.to_vec(),
    })
}

/// The Node as it would be registered, with what the machine has: admission needs it before the API is heard of.
async fn first_node(
    options: &Options,
    config: &KubeletConfiguration,
    facts: &MachineFacts,
    ports: &Ports,
    node_name: &str,
) -> anyhow::Result<Node> {
    let mut taints: Vec<Taint> = config
        .register_with_taints
        .iter()
        .map(|taint| Taint {
            key: taint.key.clone(),
            value: taint.value.clone(),
            effect: taint.effect.clone(),
            ..Taint::default()
        })
        .collect();
    match options.cloud_provider.as_str() {
        "" => {}
        "external" => taints.push(Taint {
            key: "node.cloudprovider.kubernetes.io/uninitialized".to_owned(),
            value: "true".to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        }),
        other => bail!("invalid value {other:?} for --cloud-provider: must be empty or \"external\""),
    }
    let registration = Registration {
        name: node_name.to_owned(),
        hostname: node_name.to_owned(),
        labels: options::parse_pairs("node-labels", &options.node_labels, '=')?,
        taints,
        provider_id: config.provider_id.clone(),
        controller_attach: config.enable_controller_attach_detach,
    };
    let mut node = node_status::initial_node(&registration, facts);
    let disk = ports.machine.filesystem(&options.root_dir).await.ok().map(|usage| usage.capacity_bytes);
    node.status.capacity = node_status::capacity(facts, disk, reserved::pod_limits(config));
    node.status.allocatable = node_status::allocatable(&node.status.capacity, &reserved::reserved(config)?);
    Ok(node)
}
