//! The loop: changes of the API in, transactions out.

use std::time::{Duration, Instant};

use api_types::core::v1::{Node, Service};
use api_types::discovery::v1::EndpointSlice;
use component_base::Shutdown;
use component_base::metrics::Metrics;
use jiff::Timestamp;
use kube_proxy_apply::{ApplyError, Table};
use kube_proxy_core::changes::Changes;
use kube_proxy_core::model::{Family, ServicePort};
use kube_proxy_core::select::Here;
use kube_proxy_core::state::State;
use runtime::{Event, ObjectKey, Store};
use tokio::sync::mpsc;

use crate::health::{ProxyHealth, ServiceHealth};

/// After a failure the table is made anew; this is waited between attempts.
const RETRY: Duration = Duration::from_secs(5);

/// A change of the API, by the key of its object; what it is now is read from the cache.
#[derive(Debug)]
pub enum Change {
    /// Of a Service.
    Service(ObjectKey),
    /// Of an EndpointSlice.
    Slice(ObjectKey),
    /// Of this node.
    Node,
}

/// Caches of what the proxy reads.
#[derive(Clone, Debug)]
pub struct Caches {
    /// All Services.
    pub services: Store<Service>,
    /// All EndpointSlices of Services.
    pub slices: Store<EndpointSlice>,
    /// This node alone.
    pub nodes: Store<Node>,
}

impl Caches {
    /// Changes of all caches, in order. Unbounded, since a key is all that is kept for each.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<Change> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let to = sender.clone();
        self.services.subscribe(move |event: &Event<Service>| {
            to.send(Change::Service(ObjectKey::of(&event.object().metadata))).ok();
        });
        let to = sender.clone();
        self.slices.subscribe(move |event: &Event<EndpointSlice>| {
            to.send(Change::Slice(ObjectKey::of(&event.object().metadata))).ok();
        });
        self.nodes.subscribe(move |_| {
            sender.send(Change::Node).ok();
        });
        receiver
    }
}

/// One family with its table.
struct Side {
    family: Family,
    table: Table,
    state: State,
    /// The kernel has exactly what `state` says.
    intact: bool,
}

/// Owns everything; see [`Proxier::run`].
pub struct Proxier {
    caches: Caches,
    changes: Changes,
    here: Here,
    sides: Vec<Side>,
    health: ProxyHealth,
    service_health: ServiceHealth,
    duration: prometheus::HistogramVec,
    failures: prometheus::IntCounterVec,
}

impl Proxier {
    /// Puts a proxy together; nothing is done yet.
    pub fn new(
        caches: Caches,
        node: String,
        tables: Vec<(Family, Table)>,
        health: ProxyHealth,
        service_health: ServiceHealth,
        metrics: &Metrics,
    ) -> Self {
        let sides = tables
            .into_iter()
            .map(|(family, table)| Side { family, table, state: State::default(), intact: false })
            .collect();
        Self {
            caches,
            changes: Changes::default(),
            here: Here { node, zone: String::new() },
            sides,
            health,
            service_health,
            duration: metrics.histogram(
                "kubeproxy_sync_proxy_rules_duration_seconds",
                "SyncProxyRules latency in seconds",
                &["ip_family"],
                &prometheus::exponential_buckets(0.001, 2.0, 15).unwrap_or_default(),
            ),
            failures: metrics.int_counter(
                "kubeproxy_sync_proxy_rules_nftables_sync_failures_total",
                "Cumulative proxy nftables sync failures",
                &["ip_family"],
            ),
        }
    }

    /// Follows the API until `shutdown`. The rules stay in the kernel, so that a restart interrupts nobody.
    pub async fn run(mut self, mut changes: mpsc::UnboundedReceiver<Change>, shutdown: Shutdown) {
        loop {
            while let Ok(change) = changes.try_recv() {
                self.take(change);
            }
            let done = self.synchronize().await;
            if done {
                self.health.updated(Timestamp::now());
                // Both sides are safe to drop: a change not yet received stays in the channel.
                match shutdown.run_until(changes.recv()).await {
                    Some(Some(change)) => self.take(change),
                    _ => return,
                }
            } else if !shutdown.sleep(RETRY).await {
                return;
            }
        }
    }

    fn take(&mut self, change: Change) {
        self.health.queued(Timestamp::now());
        match change {
            Change::Service(key) => {
                let service = self.caches.services.get(&key).map(|service| (*service).clone());
                self.changes.set_service(key.as_str(), service);
            }
            Change::Slice(key) => match self.caches.slices.get(&key) {
                Some(slice) => self.changes.set_slice(key.as_str(), (*slice).clone()),
                None => self.changes.remove_slice(key.as_str()),
            },
            Change::Node => {
                let node = self.caches.nodes.get_by("", &self.here.node);
                let gone = node.as_ref().is_none_or(|node| node.metadata.deletion_timestamp.is_some());
                self.health.set_node_eligible(!gone);
                let labels = node.as_ref().map(|node| &node.metadata.labels);
                let zone = labels.and_then(|labels| labels.get("topology.kubernetes.io/zone")).cloned();
                let zone = zone.unwrap_or_default();
                if zone != self.here.zone {
                    self.here.zone = zone;
                    self.changes.touch_all();
                }
            }
        }
    }

    /// Brings the kernel up to date; false when something failed and has to be tried again.
    async fn synchronize(&mut self) -> bool {
        let families: Vec<Family> = self.sides.iter().map(|side| side.family).collect();
        let changed = self.changes.take(&families, &self.here.node);
        let mut done = true;
        for side in &mut self.sides {
            let started = Instant::now();
            match side.synchronize(&changed, &self.here).await {
                Ok(()) => {
                    let family = family_label(side.family);
                    self.duration.with_label_values(&[family]).observe(started.elapsed().as_secs_f64());
                }
                Err(error) => {
                    self.failures.with_label_values(&[family_label(side.family)]).inc();
                    tracing::error!(
                        family = family_label(side.family),
                        error = component_base::run::error_chain(&error),
                        "failed to bring the rules up to date, the table will be made anew"
                    );
                    side.intact = false;
                    done = false;
                }
            }
        }
        let checks = self.sides.first().map(|side| side.state.health_checks()).unwrap_or_default();
        self.service_health.set(checks).await;
        done
    }
}

impl Side {
    async fn synchronize(
        &mut self,
        changed: &[(String, Vec<ServicePort>)],
        here: &Here,
    ) -> Result<(), ApplyError> {
        let transaction = self.state.apply(changed, self.family, here);
        if self.intact {
            return self.table.apply(&transaction).await;
        }
        self.table.reset().await?;
        self.table.apply(&self.state.everything()).await?;
        self.intact = true;
        Ok(())
    }
}

fn family_label(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}
