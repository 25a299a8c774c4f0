//! The one task that owns the picture of the cluster and the queue.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use api_types::core::v1::{Node, Pod};
use component_base::Shutdown;
use component_base::metrics::Metrics;
use jiff::{SignedDuration, Timestamp};
use scheduler_core::cluster::{Cluster, ClusterEvent, NodeFacts};
use scheduler_core::cycle::{self, Outcome};
use scheduler_core::framework::{Plugin, Profile};
use scheduler_core::pod::PodInfo;
use scheduler_core::preemption::{Preemption, preempt};
use scheduler_core::queue::{Queue, Waiting};
use tokio::sync::mpsc;

use crate::feed::Change;
use crate::writes::Writer;

/// Pods tried before changes are looked at again.
const BATCH: usize = 64;

struct Meters {
    attempts: prometheus::IntCounterVec,
    duration: prometheus::HistogramVec,
    waited: prometheus::HistogramVec,
    pending: prometheus::IntGaugeVec,
}

/// See the module.
pub struct Owner {
    cluster: Cluster,
    queue: Queue,
    profiles: Vec<Profile>,
    plugins: Vec<&'static dyn Plugin>,
    writer: Writer,
    meters: Meters,
    /// Where the next search begins.
    start: usize,
}

impl Owner {
    /// An owner that knows nothing yet.
    pub fn new(profiles: Vec<Profile>, writer: Writer, metrics: &Metrics) -> Self {
        let buckets = prometheus::exponential_buckets(0.001, 2.0, 15).unwrap_or_default();
        let long = prometheus::exponential_buckets(0.01, 2.0, 20).unwrap_or_default();
        let meters = Meters {
            attempts: metrics.int_counter(
                "scheduler_schedule_attempts_total",
                "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while 'error' means an internal scheduler problem.",
                &["profile", "result"],
            ),
            duration: metrics.histogram(
                "scheduler_scheduling_attempt_duration_seconds",
                "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
                &["profile", "result"],
                &buckets,
            ),
            waited: metrics.histogram(
                "scheduler_pod_scheduling_sli_duration_seconds",
                "E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might involve multiple scheduling attempts.",
                &["attempts"],
                &long,
            ),
            pending: metrics.int_gauge(
                "scheduler_pending_pods",
                "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in unschedulableQ that the scheduler attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted to schedule because they are gated.",
                &["queue"],
            ),
        };
        let plugins = scheduler_core::plugins::all().iter().map(|row| row.plugin).collect();
        let (cluster, queue) = (Cluster::default(), Queue::default());
        Self { cluster, queue, profiles, plugins, writer, meters, start: 0 }
    }

    /// Takes changes in and places pods until `shutdown`. Until `leading` pods are only collected.
    pub async fn run(
        mut self,
        mut changes: mpsc::UnboundedReceiver<Change>,
        leading: Shutdown,
        shutdown: Shutdown,
    ) {
        loop {
            while let Ok(change) = changes.try_recv() {
                self.take(change, Timestamp::now());
            }
            let mut more = false;
            if leading.is_triggered() {
                self.queue.tick(Timestamp::now());
                more = self.place_some();
                self.report();
            }
            if more {
                // Others of this runtime get their turn: the writes that were just made.
                tokio::task::yield_now().await;
                if shutdown.is_triggered() {
                    return;
                }
                continue;
            }
            let pause = self.queue.next_tick().map(|at| at.duration_since(Timestamp::now()));
            let pause = pause.unwrap_or(SignedDuration::from_secs(60)).max(SignedDuration::ZERO);
            let pause = std::time::Duration::try_from(pause).unwrap_or_default();
            // All branches are safe to drop: a change not yet received stays in the channel.
            tokio::select! {
                change = changes.recv() => match change {
                    Some(change) => self.take(change, Timestamp::now()),
                    None => return,
                },
                () = tokio::time::sleep(pause) => {}
                () = leading.wait(), if !leading.is_triggered() => {}
                () = shutdown.wait() => return,
            }
        }
    }

    fn report(&self) {
        let pending = self.queue.pending();
        for (queue, count) in [
            ("active", pending.active),
            ("backoff", pending.backoff),
            ("unschedulable", pending.unschedulable),
            ("gated", pending.gated),
        ] {
            self.meters.pending.with_label_values(&[queue]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    fn event(&mut self, event: &ClusterEvent, now: Timestamp) {
        self.queue.on_event(event, &self.plugins, now);
    }

    fn take(&mut self, change: Change, now: Timestamp) {
        match change {
            Change::Pod(pod) => self.pod(&pod, now),
            Change::PodGone(pod) => {
                self.queue.remove(&pod.metadata.uid);
                self.cluster.remove_pod(&pod.metadata.uid);
                if let (false, Ok(pod)) = (pod.spec.node_name.is_empty(), PodInfo::new(&pod)) {
                    self.event(&ClusterEvent::PodGone(Arc::new(pod)), now);
                }
            }
            Change::Node(before, node) => self.node(before.as_deref(), &node, now),
            Change::NodeGone(name) => self.cluster.remove_node(&name),
            Change::Namespace(name, labels) => {
                self.cluster.set_namespace(&name, labels);
                self.event(&ClusterEvent::NamespaceChanged, now);
            }
            Change::Owner(key, owner) => self.cluster.set_selector_owner(key, owner),
            Change::Budget(key, budget) => self.cluster.set_budget(key, budget),
            Change::Written(written) => {
                let Some(error) = written.error else { return };
                self.cluster.forget(&written.pod.uid);
                let message = format!("binding rejected: {error}");
                self.writer.unschedulable(written.pod.clone(), "SchedulerError", message, None);
                // It is tried again after a back-off, unless it went or somebody placed it.
                self.queue.set(written.pod, false, &self.plugins, now);
            }
        }
    }

    fn node(&mut self, before: Option<&Node>, node: &Node, now: Timestamp) {
        self.cluster.set_node(node);
        let facts = NodeFacts::of(node);
        match before.map(NodeFacts::of) {
            None => self.event(&ClusterEvent::NodeAdded(facts), now),
            Some(before) if before != facts => self.event(&ClusterEvent::NodeChanged(before, facts), now),
            Some(_) => {}
        }
    }

    fn pod(&mut self, pod: &Pod, now: Timestamp) {
        let info = match PodInfo::new(pod) {
            Ok(info) => Arc::new(info),
            Err(error) => {
                let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
                tracing::error!(namespace, name, %error, "a pod has a selector that cannot be read");
                return;
            }
        };
        if !info.node_name.is_empty() || info.finished {
            self.queue.remove(&info.uid);
            let finished = info.finished;
            self.cluster.set_pod(info.clone());
            let event = if finished { ClusterEvent::PodGone(info) } else { ClusterEvent::PodPlaced(info) };
            self.event(&event, now);
            return;
        }
        let ours = self.profiles.iter().any(|profile| profile.scheduler_name == info.scheduler_name);
        if !ours || info.terminating {
            self.queue.remove(&info.uid);
            return;
        }
        // What was just bound need not be tried again before the API says so.
        if self.cluster.is_assumed(&info.uid) {
            return;
        }
        self.cluster.nominate(info.clone(), &info.nominated_node.clone());
        let gated = self.plugins.iter().any(|plugin| plugin.gate(&info).is_some());
        self.queue.set(info, gated, &self.plugins, now);
    }

    /// Tries some pods; true when more are waiting to be tried.
    fn place_some(&mut self) -> bool {
        for _ in 0..BATCH {
            let Some(waiting) = self.queue.pop() else { return false };
            self.place(waiting);
        }
        true
    }

    fn place(&mut self, waiting: Waiting) {
        let started = Instant::now();
        let now = Timestamp::now();
        let pod = waiting.pod.clone();
        let Some(profile) = self.profiles.iter().find(|p| p.scheduler_name == pod.scheduler_name).cloned()
        else {
            return;
        };
        let mut pick = |count: usize| rand::random_range(0..count.max(1));
        let outcome = cycle::schedule(&profile, &self.cluster, &pod, &mut self.start, &mut pick);
        let result = match &outcome {
            Outcome::Place { node, .. } => {
                self.cluster.assume(pod.clone(), node);
                let waited = now.duration_since(waiting.first_seen).as_secs_f64();
                self.meters.waited.with_label_values(&[&waiting.attempts.to_string()]).observe(waited);
                self.writer.bind(pod, node.clone());
                "scheduled"
            }
            Outcome::NoFit(no_fit) => {
                let mut no_fit = no_fit.clone();
                let mut nominated = None;
                if profile.preemption && no_fit.nodes > 0 {
                    match preempt(&profile, &self.cluster, &pod, &no_fit, rand::random_range(0..no_fit.nodes))
                    {
                        Preemption::Victims { node, pods } => {
                            self.push_out(&pod, &node, pods);
                            nominated = Some(node);
                        }
                        Preemption::None(reason) => no_fit.preemption = reason,
                    }
                }
                self.writer.unschedulable(pod, "Unschedulable", no_fit.message(), nominated);
                let mut plugins: BTreeSet<&'static str> = no_fit.plugins;
                if plugins.is_empty() {
                    // No node at all: any node that comes is a hope.
                    plugins.insert("NodeResourcesFit");
                }
                self.queue.rejected(waiting, plugins, now);
                "unschedulable"
            }
        };
        let labels = [profile.scheduler_name.as_str(), result];
        self.meters.attempts.with_label_values(&labels).inc();
        self.meters.duration.with_label_values(&labels).observe(started.elapsed().as_secs_f64());
    }

    fn push_out(&mut self, pod: &Arc<PodInfo>, node: &str, victims: Vec<Arc<PodInfo>>) {
        let poorer: Vec<Arc<PodInfo>> =
            self.cluster.nominated_to(node).filter(|other| other.priority < pod.priority).cloned().collect();
        for other in poorer {
            self.cluster.nominate(other.clone(), "");
            self.writer.clear_nomination(other);
        }
        self.cluster.nominate(pod.clone(), node);
        for victim in victims {
            if !victim.terminating {
                self.writer.evict(victim, pod.clone(), node.to_owned());
            }
        }
    }
}
