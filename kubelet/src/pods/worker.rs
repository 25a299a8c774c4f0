//! The task of one pod: carries out plans while it lives, stops it when told, and cleans up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use api_types::core::v1::{Pod, PodCondition, PodStatus};
use jiff::Timestamp;
use kubelet_core::actions::{self, ResourceAmounts};
use kubelet_core::backoff::BackOff;
use kubelet_core::observed::ObservedPod;
use kubelet_core::pod;
use kubelet_core::pod_lifecycle::{Eviction, LifecycleEvent, PodLifecycle, Termination, TerminationCause};
use kubelet_core::ports::CgroupName;
use kubelet_core::qos;
use kubelet_core::start_latency::StartLatency;
use kubelet_core::status::{self, StatusInputs, WaitingReason, merge};
use tokio::sync::{Notify, mpsc, watch};

use super::allocation::Allocation;
use super::images::ImagePuller;
use super::stage::Stage;
use super::{Neighbours, Order, WorkerHandle, stop};
use crate::context::Context;
use crate::observing::PodCache;
use crate::probing::Probes;
use crate::statuses::Statuses;
use crate::volumes;

/// How long to wait before trying again what failed.
pub(super) const RETRY: Duration = Duration::from_secs(10);
/// How long to wait at first before volumes are made again; upstream's first wait.
const VOLUME_RETRY: Duration = Duration::from_millis(500);
/// How long to wait for the network of the node.
pub(super) const NETWORK_RETRY: Duration = Duration::from_secs(1);
/// How long to wait before stopping again what did not stop.
const STOP_RETRY: Duration = Duration::from_secs(2);

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    pub context: Arc<Context>,
    pub cache: Arc<PodCache>,
    pub statuses: Arc<Statuses>,
    pub images: Arc<ImagePuller>,
    pub neighbours: Arc<Neighbours>,
    /// Counts changes the runtime showed, for probes.
    pub seen: watch::Receiver<u64>,
    /// Told the uid of a pod nothing is left of.
    pub finished: mpsc::UnboundedSender<String>,
}

/// The worker of one pod.
pub struct Worker {
    pub(super) context: Arc<Context>,
    pub(super) cache: Arc<PodCache>,
    pub(super) statuses: Arc<Statuses>,
    pub(super) images: Arc<ImagePuller>,
    pub(super) neighbours: Arc<Neighbours>,
    pub(super) back_off: BackOff,
    /// Of volumes that could not be made.
    pub(super) volume_back_off: BackOff,
    pub(super) waiting: BTreeMap<String, WaitingReason>,
    pub(super) actuated: BTreeMap<String, ResourceAmounts>,
    pub(super) allocation: Allocation,
    pub(super) probes: Option<Probes>,
    pub(super) resize_conditions: Vec<PodCondition>,
    /// When volumes were last made or refreshed.
    pub(super) volumes_at: Option<Timestamp>,
    /// Containers whose back-off users have been told of, so that each wait is told once.
    pub(super) told: BTreeMap<String, Timestamp>,
    /// When containers that were made but did not start may be made again.
    pub(super) refused: BTreeMap<String, Timestamp>,
    /// Set when the kubelet itself ends the pod: the status to end with.
    evicted: Option<Eviction>,
    pub(super) latency: StartLatency,
    /// When this kubelet first saw the pod.
    seen_at: Timestamp,
    /// Whether there was a round before.
    synced: bool,
    uid: String,
    lifecycle: PodLifecycle,
    orders: watch::Receiver<Order>,
    wake: Arc<Notify>,
    refresh: Arc<AtomicBool>,
    stage: Arc<Stage>,
    seen: watch::Receiver<u64>,
    finished: mpsc::UnboundedSender<String>,
}

/// How a sync ended.
#[derive(Debug, PartialEq)]
pub(super) enum Synced {
    /// Look again at this time, or when something happens.
    Wait(Option<Timestamp>),
    /// Everything has ended and nothing restarts.
    Finished,
    /// The pod's own deadline has passed.
    Expired(Eviction),
}

impl Worker {
    /// A worker that begins with this order. Spawn [`Worker::run`].
    pub fn new(shared: Shared, orders: watch::Receiver<Order>, handle: &WorkerHandle) -> Worker {
        let pod = orders.borrow().pod.clone();
        let uid = pod.metadata.uid.clone();
        let allocation = Allocation::load(&shared.context, &uid);
        let seen_at = shared.context.now();
        Worker {
            back_off: BackOff::crash_loop(shared.context.crash_loop_max()),
            volume_back_off: BackOff::new(VOLUME_RETRY, RETRY, RETRY * 2),
            context: shared.context,
            cache: shared.cache,
            statuses: shared.statuses,
            images: shared.images,
            neighbours: shared.neighbours,
            seen: shared.seen,
            finished: shared.finished,
            waiting: BTreeMap::new(),
            actuated: allocation.actuated_amounts(),
            allocation,
            probes: None,
            resize_conditions: Vec::new(),
            volumes_at: None,
            told: BTreeMap::new(),
            refused: BTreeMap::new(),
            lifecycle: PodLifecycle::Syncing,
            evicted: None,
            latency: StartLatency::new(&pod),
            seen_at,
            synced: false,
            uid,
            orders,
            wake: handle.wake.clone(),
            refresh: handle.refresh.clone(),
            stage: handle.stage.clone(),
        }
    }

    /// Works until nothing is left of the pod.
    pub async fn run(mut self) {
        loop {
            let order = self.orders.borrow_and_update().clone();
            if let Some((cause, grace_seconds)) = order.terminate.clone() {
                self.step(LifecycleEvent::Terminate { cause, grace_seconds });
            }
            let wait = match self.lifecycle.clone() {
                PodLifecycle::Syncing => self.live(&order.pod).await,
                PodLifecycle::Terminating(termination) => self.terminate(&order, &termination).await,
                PodLifecycle::Terminated => match self.end(&order).await {
                    End::Gone => break,
                    End::Wait(wait) => wait,
                },
            };
            if let Some(wait) = wait {
                self.pause(wait).await;
            }
        }
        self.context.objects.unregister(&self.orders.borrow().pod);
        self.images.forget(&self.uid);
        // The manager is gone only when the kubelet is.
        let _ = self.finished.send(self.uid);
    }

    fn step(&mut self, event: LifecycleEvent) {
        let next = self.lifecycle.step(event, self.context.now());
        if next != self.lifecycle {
            tracing::debug!(uid = %self.uid, state = ?next, "pod moves on");
            if let PodLifecycle::Terminating(Termination {
                cause: TerminationCause::Evicted(eviction), ..
            }) = &next
            {
                self.evicted = Some(eviction.clone());
            }
            self.stage.set(&next);
            self.lifecycle = next;
        }
    }

    /// Waits for an order, a wake-up, or the time.
    async fn pause(&mut self, wait: Wait) {
        let clock = async {
            match wait.until {
                Some(until) => self.context.clock.sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        // Cancel-safe: all arms only wait. A closed order channel means the kubelet is ending: wait for that.
        tokio::select! {
            changed = self.orders.changed() => if changed.is_err() { std::future::pending::<()>().await },
            () = self.wake.notified() => {}
            () = clock => {}
        }
    }

    /// Containers that waited for their back-off when the kubelet before this one ended go on waiting.
    fn resume_back_off(&mut self, pod: &Pod) {
        let observed = self.cache.get(&self.uid);
        for (_, _, container) in pod::containers(pod) {
            let waited = pod::find_status(&pod.status, &container.name)
                .and_then(|known| known.state.waiting.as_ref())
                .is_some_and(|waiting| waiting.reason == "CrashLoopBackOff");
            let ended = observed.exited_container(&container.name);
            if let (true, Some(ended)) = (waited, ended) {
                let attempts = u32::try_from(kubelet_core::observed::restart_count(ended)).unwrap_or(0);
                let at = ended.finished_at.unwrap_or(ended.created_at);
                self.back_off.resume(&actions::back_off_key(pod, &container), attempts.max(1), at);
            }
        }
    }

    /// One round of a living pod. A termination order cuts it short: what was begun is seen by the next list.
    async fn live(&mut self, pod: &Arc<Pod>) -> Option<Wait> {
        if self.probes.is_none() {
            let pod = self.with_last_status(pod);
            self.resume_back_off(&pod);
            self.probes = Some(Probes::start(&self.context, &self.cache, &pod, &self.wake, &self.seen));
        }
        if self.refresh.swap(false, Ordering::AcqRel) {
            self.volumes_at = None;
        }
        let mut orders = self.orders.clone();
        let terminated = async move {
            let closed = orders.wait_for(|order| order.terminate.is_some()).await.is_err();
            if closed {
                std::future::pending::<()>().await;
            }
        };
        let pod = pod.clone();
        let begun = Instant::now();
        let synced = tokio::select! {
            biased;
            () = terminated => return None,
            synced = self.sync(&pod) => synced,
        };
        let operation = if self.synced { "sync" } else { "create" };
        self.synced = true;
        let seconds = begun.elapsed().as_secs_f64();
        self.context.metrics.sync_seconds.with_label_values(&[operation]).observe(seconds);
        match synced {
            Synced::Wait(until) => Some(Wait { until }),
            Synced::Finished => {
                let grace_seconds = pod.spec.termination_grace_period_seconds.unwrap_or(30);
                self.step(LifecycleEvent::Terminate { cause: TerminationCause::Finished, grace_seconds });
                None
            }
            Synced::Expired(eviction) => {
                let cause = TerminationCause::Evicted(eviction);
                self.step(LifecycleEvent::Terminate { cause, grace_seconds: 1 });
                None
            }
        }
    }

    /// Stops what runs. A new order cuts it short, to begin again with less grace.
    async fn terminate(&mut self, order: &Order, termination: &Termination) -> Option<Wait> {
        if let Some(probes) = &mut self.probes {
            probes.stop_fatal();
        }
        let observed = match self.cache.refresh(&self.uid).await {
            Ok(observed) => observed,
            Err(_) => return Some(Wait::later(self.context.now(), STOP_RETRY)),
        };
        self.publish(&order.pod, &observed, false);
        if observed.is_stopped() {
            self.step(LifecycleEvent::Stopped);
            return None;
        }
        let (context, pod) = (self.context.clone(), order.pod.clone());
        let mut orders = self.orders.clone();
        let elapsed = kubelet_core::backoff::elapsed(termination.since, context.now());
        let left = termination.grace_seconds - i64::try_from(elapsed.as_secs()).unwrap_or(0);
        let outcome = tokio::select! {
            // Less grace: the stop under way is dropped, and made again with what is left.
            changed = orders.changed() => {
                if changed.is_err() {
                    std::future::pending::<()>().await;
                }
                return None;
            }
            outcome = stop::kill_pod(&context, &pod, &observed, Some(left.max(0))) => outcome,
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, pod = %pod::full_name(&pod), "failed to stop a pod");
            context.recorder.pod(
                &pod,
                crate::events::Kind::Warning,
                "FailedKillPod",
                format!("error killing pod: {error}"),
            );
            return Some(Wait::later(self.context.now(), STOP_RETRY));
        }
        None
    }

    /// Reclaims what a stopped pod held, reports its end, and waits for the word to remove the rest.
    async fn end(&mut self, order: &Order) -> End {
        self.probes = None;
        let observed = self.cache.get(&self.uid);
        if let Err(error) = self.reclaim(&order.pod).await {
            tracing::warn!(error, pod = %pod::full_name(&order.pod), "failed to reclaim a pod's resources");
            return End::Wait(Some(Wait::later(self.context.now(), STOP_RETRY)));
        }
        self.publish(&order.pod, &observed, true);
        if !order.remove {
            return End::Wait(Some(Wait { until: None }));
        }
        if let Err(error) = stop::remove_remains(&self.context, &order.pod, &observed).await {
            tracing::warn!(%error, pod = %pod::full_name(&order.pod), "failed to remove what is left of a pod");
            return End::Wait(Some(Wait::later(self.context.now(), STOP_RETRY)));
        }
        if let Err(error) = volumes::remove_pod_directory(&self.context, &self.uid).await {
            tracing::warn!(%error, pod = %pod::full_name(&order.pod), "failed to remove a pod's directory");
            return End::Wait(Some(Wait::later(self.context.now(), STOP_RETRY)));
        }
        self.remove_log_links(&observed).await;
        self.cache.poke();
        if order.gone {
            self.statuses.forget(&self.uid)
        } else {
            self.statuses.delete(&self.uid)
        }
        End::Gone
    }

    /// Volumes and cgroup.
    async fn reclaim(&self, pod: &Pod) -> Result<(), String> {
        volumes::remove_all(&self.context, &self.uid).await.map_err(|error| error.to_string())?;
        self.context.metrics.volumes.forget(&self.uid);
        if self.context.config.cgroups_per_qos {
            let name = qos::pod_cgroup(&self.context.cgroup_root, pod);
            self.context.ports.cgroups.destroy(&name).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn remove_log_links(&self, observed: &ObservedPod) {
        for container in &observed.containers {
            let link = legacy_log_link(&observed.name, &observed.namespace, &container.name, &container.id);
            let _ = tokio::fs::remove_file(link).await;
        }
    }

    /// Makes the pod's status and hands it on. Returns it.
    pub(super) fn publish(&mut self, pod: &Pod, observed: &ObservedPod, terminated: bool) -> PodStatus {
        let old = self.statuses.get(&self.uid).unwrap_or_else(|| pod.status.clone());
        let host_ips = self.context.host_ips.load();
        let verdicts = self.probes.as_ref().map(Probes::verdicts).unwrap_or_default();
        let made = status::generate(StatusInputs {
            pod,
            old: &old,
            observed,
            waiting: &self.waiting,
            verdicts: &verdicts,
            terminal: terminated,
            eviction: self.evicted.as_ref(),
            host_ips: &host_ips,
            runtime_name: &self.context.runtime_name,
            actuated: &self.actuated,
            resize_conditions: &self.resize_conditions,
            recursive_readonly: self.context.recursive_readonly(""),
        });
        let mut made = merge::finish(pod, &old, made, self.context.now());
        if terminated {
            made = merge::terminated(pod, &made);
        }
        if made.phase == "Running" && matches!(old.phase.as_str(), "" | "Pending") {
            let seconds = kubelet_core::backoff::elapsed(self.seen_at, self.context.now()).as_secs_f64();
            self.context.metrics.start_seconds.with_label_values::<&str>(&[]).observe(seconds);
        }
        if let Some(started) = self.latency.observe(pod, &made, observed, self.context.now()) {
            self.context.metrics.started(started);
        }
        self.statuses.set(pod, made.clone(), !terminated);
        made
    }

    /// The pod with the last status this kubelet, or the one before it, reported.
    fn with_last_status(&self, pod: &Arc<Pod>) -> Arc<Pod> {
        match self.statuses.get(&self.uid) {
            Some(status) => Arc::new(Pod { status, ..pod.as_ref().clone() }),
            None => pod.clone(),
        }
    }

    /// The pod's cgroup in the runtime's form; empty when pods have none of their own.
    pub(super) fn cgroup_parent(&self, pod: &Pod) -> String {
        if !self.context.config.cgroups_per_qos {
            return String::new();
        }
        self.context.ports.cgroups.runtime_parent(&self.cgroup(pod))
    }

    pub(super) fn cgroup(&self, pod: &Pod) -> CgroupName {
        qos::pod_cgroup(&self.context.cgroup_root, pod)
    }

    /// Notes what was applied to a container, on disk too.
    pub(super) fn record_actuated(&mut self, name: &str, amounts: ResourceAmounts) {
        self.actuated.insert(name.to_owned(), amounts);
        self.allocation.set_actuated(name, amounts);
        self.store_allocation();
    }

    pub(super) fn store_allocation(&self) {
        if let Err(error) = self.allocation.store(&self.context, &self.uid) {
            tracing::warn!(%error, uid = %self.uid, "failed to remember a pod's resources");
        }
    }

    pub(super) fn uid(&self) -> &str {
        &self.uid
    }
}

/// Until when to wait at most.
#[derive(Clone, Copy, Debug)]
struct Wait {
    until: Option<Timestamp>,
}

impl Wait {
    fn later(now: Timestamp, length: Duration) -> Wait {
        Wait { until: Some(kubelet_core::backoff::later(now, length)) }
    }
}

enum End {
    Gone,
    Wait(Option<Wait>),
}

/// `/var/log/containers/<pod>_<namespace>_<container>-<id>.log`.
pub(super) fn legacy_log_link(pod: &str, namespace: &str, container: &str, id: &str) -> PathBuf {
    PathBuf::from(format!("/var/log/containers/{pod}_{namespace}_{container}-{id}.log"))
}
