//! The owner of the list of pods: turns what sources, runtime and kubelet say into orders for workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api_types::core::v1::{Pod, PodStatus};
use component_base::Shutdown;
use hashbrown::{HashMap, HashSet};
use kubelet_core::admission::{self, Rejection};
use kubelet_core::pod;
use kubelet_core::pod_lifecycle::{Eviction, TerminationCause};
use kubelet_core::status::{api_time, merge};
use parking_lot::RwLock;
use tokio::sync::{Notify, mpsc, watch};

use super::stage::TERMINATED;
use super::worker::{Shared, Worker};
use super::{Order, WorkerHandle, stop};
use crate::events::Kind;
use crate::metrics::{PodCounts, WorkingPod};
use crate::statuses::ApiPods;

/// How often to look for what was missed: orphans, pods that wait for a predecessor.
const HOUSEKEEPING: Duration = Duration::from_secs(2);

/// Something the manager reacts to. It says where to look, or brings the newest state of an object.
#[derive(Debug)]
pub enum PodEvent {
    /// All static pods, as their manifests say now.
    Static(Vec<Arc<Pod>>),
    /// All pods the API has for this node.
    ApiList(Vec<Arc<Pod>>),
    /// A pod the API added or changed.
    ApiApplied(Arc<Pod>),
    /// A pod the API no longer has.
    ApiDeleted(Arc<Pod>),
    /// The runtime shows something new of these pods.
    Observed(Vec<String>),
    /// Objects these pods refer to have changed.
    Wake(Vec<String>),
    /// End a pod with a status of the kubelet's own.
    Evict { uid: String, eviction: Eviction, grace_seconds: i64 },
    /// A worker has nothing left to do.
    Finished(String),
}

/// What others may see of the list.
#[derive(Default)]
pub struct ManagerHandle {
    pods: RwLock<Vec<Arc<Pod>>>,
    complete: AtomicBool,
    /// Told when static pods or their mirrors changed.
    pub statics_changed: Notify,
}

impl ManagerHandle {
    /// Every pod this kubelet runs or keeps: static ones as themselves, mirrors left out.
    pub fn pods(&self) -> Vec<Arc<Pod>> {
        self.pods.read().clone()
    }

    /// Whether every source has said what it has: only then is a pod that is not in the list nobody's.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }
}

/// The sources there are.
#[derive(Clone, Copy, Debug)]
pub struct Sources {
    pub api: bool,
    pub manifests: bool,
}

/// The task that owns the list.
pub struct Manager {
    shared: Shared,
    api_pods: Arc<ApiPods>,
    handle: Arc<ManagerHandle>,
    entries: HashMap<String, Entry>,
    events: mpsc::UnboundedSender<PodEvent>,
    seen: watch::Sender<u64>,
    /// Whether the sources have said everything they know: only then is a pod nobody knows an orphan.
    static_ready: bool,
    api_ready: bool,
}

struct Entry {
    pod: Arc<Pod>,
    /// The source no longer has it.
    gone: bool,
    worker: Option<WorkerHandle>,
    /// Failed at admission; there is nothing to run, only a status.
    rejected: bool,
    /// Nothing is left of it but the object, whose deletion is under way.
    finished: bool,
    evicted: Option<(Eviction, i64)>,
    /// Known from the runtime alone: no source ever told of it.
    found: bool,
}

impl Manager {
    /// A manager whose workers share these. Nothing counts as an orphan before every source has spoken.
    pub fn new(
        shared: Shared,
        api_pods: Arc<ApiPods>,
        handle: Arc<ManagerHandle>,
        events: mpsc::UnboundedSender<PodEvent>,
        seen: watch::Sender<u64>,
        sources: Sources,
    ) -> Manager {
        Manager {
            shared,
            api_pods,
            handle,
            entries: HashMap::new(),
            events,
            seen,
            static_ready: !sources.manifests,
            api_ready: !sources.api,
        }
    }

    /// Handles events until shutdown. Workers end with the runtime they run on; containers go on.
    pub async fn run(mut self, mut events: mpsc::UnboundedReceiver<PodEvent>, shutdown: Shutdown) {
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Cancel-safe: receiving takes an event or nothing.
            let event = tokio::select! {
                () = shutdown.wait() => return,
                event = events.recv() => match event {
                    Some(event) => event,
                    None => return,
                },
                _ = housekeeping.tick() => {
                    self.keep_house();
                    continue;
                }
            };
            self.handle(event);
            // A burst is handled whole before anybody is told.
            while let Ok(event) = events.try_recv() {
                self.handle(event);
            }
            self.tell();
        }
    }

    /// Handles one event. Never waits.
    fn handle(&mut self, event: PodEvent) {
        match event {
            PodEvent::Static(pods) => {
                self.static_ready = true;
                self.replace_source(pods, true);
                self.handle.statics_changed.notify_one();
            }
            PodEvent::ApiList(pods) => {
                self.api_ready = true;
                self.api_pods.replace(&pods);
                let own: Vec<Arc<Pod>> = pods.into_iter().filter(|pod| !pod::is_mirror(pod)).collect();
                self.replace_source(own, false);
                self.handle.statics_changed.notify_one();
            }
            PodEvent::ApiApplied(pod) => {
                self.api_pods.insert(pod.clone());
                if pod::is_mirror(&pod) {
                    self.handle.statics_changed.notify_one();
                    self.recheck_static(&pod);
                } else {
                    self.shared.statuses.recheck(&pod.metadata.uid);
                    self.apply(pod);
                }
            }
            PodEvent::ApiDeleted(pod) => {
                self.api_pods.remove(&pod.metadata.namespace, &pod.metadata.name);
                if pod::is_mirror(&pod) {
                    self.handle.statics_changed.notify_one();
                } else {
                    // Its last state tells how much grace a forced deletion left.
                    if let Some(entry) = self.entries.get_mut(&pod.metadata.uid) {
                        entry.pod = pod.clone();
                    }
                    self.source_lost(&pod.metadata.uid);
                }
            }
            PodEvent::Observed(uids) => {
                self.seen.send_modify(|count| *count += 1);
                for uid in uids {
                    self.wake(&uid);
                }
            }
            PodEvent::Wake(uids) => {
                for uid in &uids {
                    if let Some(worker) = self.entries.get(uid).and_then(|entry| entry.worker.as_ref()) {
                        worker.refresh.store(true, Ordering::Release);
                    }
                    self.wake(uid);
                }
            }
            PodEvent::Evict { uid, eviction, grace_seconds } => {
                if let Some(entry) = self.entries.get_mut(&uid) {
                    entry.evicted = Some((eviction, grace_seconds));
                    self.order(&uid);
                }
            }
            PodEvent::Finished(uid) => {
                self.shared.neighbours.remove(&uid);
                match self.entries.get_mut(&uid) {
                    Some(entry) if !entry.gone => {
                        entry.worker = None;
                        entry.finished = true;
                    }
                    _ => {
                        self.entries.remove(&uid);
                    }
                }
                self.start_waiting();
            }
        }
    }

    fn wake(&self, uid: &str) {
        if let Some(worker) = self.entries.get(uid).and_then(|entry| entry.worker.as_ref()) {
            worker.wake.notify_one();
        }
    }

    /// The mirror of a static pod changed: its status may have to be sent again.
    fn recheck_static(&self, mirror: &Pod) {
        let name = pod::full_name(mirror);
        for (uid, entry) in &self.entries {
            if pod::is_static(&entry.pod) && pod::full_name(&entry.pod) == name {
                self.shared.statuses.recheck(uid);
            }
        }
    }

    /// Takes the whole list of a source; what is missing from it is gone.
    fn replace_source(&mut self, pods: Vec<Arc<Pod>>, is_static: bool) {
        let known: HashSet<String> = pods.iter().map(|pod| pod.metadata.uid.clone()).collect();
        let lost: Vec<String> = self
            .entries
            .iter()
            .filter(|(uid, entry)| {
                pod::is_static(&entry.pod) == is_static && !entry.gone && !known.contains(*uid)
            })
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in lost {
            self.source_lost(&uid);
        }
        // Pods that already run keep their place; then the older ones first.
        let mut pods = pods;
        pods.sort_by_key(|pod| {
            (
                self.shared.cache.get(&pod.metadata.uid).sandboxes.is_empty(),
                pod.metadata.creation_timestamp.seconds,
            )
        });
        for pod in pods {
            self.apply(pod);
        }
    }

    fn source_lost(&mut self, uid: &str) {
        if let Some(entry) = self.entries.get_mut(uid) {
            entry.gone = true;
            if entry.worker.is_none() {
                self.shared.statuses.forget(uid);
                self.shared.neighbours.remove(uid);
                self.entries.remove(uid);
                return;
            }
            self.order(uid);
        }
    }

    /// Adds a pod or takes its newer form.
    fn apply(&mut self, pod: Arc<Pod>) {
        let uid = pod.metadata.uid.clone();
        match self.entries.get_mut(&uid) {
            Some(entry) => {
                let is_echo = merge::is_echo(&entry.pod, &pod);
                entry.pod = pod.clone();
                entry.gone = false;
                if entry.finished {
                    return;
                }
                if entry.rejected {
                    self.end_rejected(&uid);
                    return;
                }
                if self.shared.neighbours.others("").iter().any(|known| known.metadata.uid == uid) {
                    self.shared.neighbours.insert(pod);
                }
                if is_echo { self.note(&uid) } else { self.order(&uid) }
            }
            None => {
                let entry = Entry {
                    pod,
                    gone: false,
                    worker: None,
                    rejected: false,
                    finished: false,
                    evicted: None,
                    found: false,
                };
                self.entries.insert(uid.clone(), entry);
                self.start(&uid);
            }
        }
    }

    /// Starts the worker of a pod, when nothing stands in its way.
    fn start(&mut self, uid: &str) {
        let Some(entry) = self.entries.get(uid) else { return };
        if entry.worker.is_some() || entry.rejected || entry.finished || entry.gone {
            return;
        }
        let pod = entry.pod.clone();
        // A static pod shares names, ports and files with its former self: that one ends first.
        let name = pod::full_name(&pod);
        let predecessor = self.entries.iter().any(|(other, known)| {
            *other != uid
                && known.worker.is_some()
                && pod::is_static(&pod)
                && pod::full_name(&known.pod) == name
        });
        if predecessor {
            return;
        }
        let needs_room =
            pod.metadata.deletion_timestamp.is_none() && !pod::is_terminal_phase(&pod.status.phase);
        if needs_room {
            if let Err(rejection) = self.admit(&pod) {
                self.reject(uid, &pod, &rejection);
                return;
            }
            self.shared.neighbours.insert(pod.clone());
        }
        self.spawn_worker(uid);
    }

    fn spawn_worker(&mut self, uid: &str) {
        let Some(order) = self.order_of(uid) else { return };
        let (orders, receiver) = watch::channel(order);
        let (wake, refresh, stage) = Default::default();
        let handle = WorkerHandle { orders, wake, refresh, stage };
        let worker = Worker::new(self.shared.clone(), receiver, &handle);
        tokio::spawn(worker.run());
        if let Some(entry) = self.entries.get_mut(uid) {
            entry.worker = Some(handle);
        }
    }

    /// Decides whether the node takes a pod, evicting for a critical one when that helps.
    fn admit(&mut self, pod: &Arc<Pod>) -> Result<(), Rejection> {
        let uid = &pod.metadata.uid;
        if !self.shared.cache.get(uid).sandboxes.is_empty() {
            // It was admitted before this kubelet started; a restart of the kubelet throws nobody out.
            return Ok(());
        }
        admission::sysctls(pod, &self.shared.context.config.allowed_unsafe_sysctls)?;
        let others = self.shared.neighbours.others(uid);
        let node = self.shared.context.node.load();
        let Err(rejection) = admission::admit(pod, &others, &node) else { return Ok(()) };
        let Some(victims) = admission::victims(pod, &others, &node) else { return Err(rejection) };
        for victim in victims {
            let message = "Preempted in order to admit critical pod".to_owned();
            self.shared.context.recorder.pod(&victim, Kind::Warning, "Preempting", message.clone());
            let eviction = Eviction {
                reason: "Preempting".to_owned(),
                message,
                disruption_reason: "TerminationByKubelet".to_owned(),
            };
            self.shared.neighbours.remove(&victim.metadata.uid);
            let event = PodEvent::Evict { uid: victim.metadata.uid.clone(), eviction, grace_seconds: 0 };
            // The receiver is this very task; it lives as long as this code runs.
            let _ = self.events.send(event);
        }
        admission::admit(pod, &self.shared.neighbours.others(uid), &self.shared.context.node.load())
    }

    /// A pod this node does not take fails at once.
    fn reject(&mut self, uid: &str, pod: &Arc<Pod>, rejection: &Rejection) {
        let Rejection { reason, message } = rejection;
        self.shared.context.metrics.rejections.with_label_values(&[reason]).inc();
        self.shared.context.recorder.pod(pod, Kind::Warning, reason.clone(), message.clone());
        let status = PodStatus {
            phase: "Failed".to_owned(),
            reason: reason.clone(),
            message: format!("Pod was rejected: {message}"),
            qos_class: kubelet_core::qos::class_of(pod).to_owned(),
            observed_generation: pod.metadata.generation,
            start_time: pod.status.start_time.or(Some(api_time(self.shared.context.now()))),
            ..pod.status.clone()
        };
        self.shared.statuses.set(pod, status, false);
        if let Some(entry) = self.entries.get_mut(uid) {
            entry.rejected = true;
        }
        self.end_rejected(uid);
    }

    /// A rejected pod has nothing to stop: its deletion can be confirmed at once.
    fn end_rejected(&mut self, uid: &str) {
        let Some(entry) = self.entries.get(uid) else { return };
        if entry.pod.metadata.deletion_timestamp.is_some() {
            self.shared.statuses.delete(uid);
        }
    }

    /// Pods that waited for a predecessor or for room.
    fn start_waiting(&mut self) {
        let waiting: Vec<String> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.worker.is_none())
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in waiting {
            self.start(&uid);
        }
    }

    /// What a pod's worker is to do now.
    fn order_of(&self, uid: &str) -> Option<Order> {
        let entry = self.entries.get(uid)?;
        let meta = &entry.pod.metadata;
        let spec_grace = entry.pod.spec.termination_grace_period_seconds.unwrap_or(30);
        let deleted = meta.deletion_timestamp.is_some();
        let terminate = if entry.gone || deleted {
            let grace = meta.deletion_grace_period_seconds.filter(|_| deleted).unwrap_or(spec_grace);
            Some((TerminationCause::Deleted, grace))
        } else if let Some((eviction, grace)) = &entry.evicted {
            Some((TerminationCause::Evicted(eviction.clone()), *grace))
        } else if pod::is_terminal_phase(&entry.pod.status.phase) && !pod::is_static(&entry.pod) {
            Some((TerminationCause::Finished, spec_grace))
        } else {
            None
        };
        Some(Order { pod: entry.pod.clone(), terminate, remove: entry.gone || deleted, gone: entry.gone })
    }

    fn order(&mut self, uid: &str) {
        let Some(order) = self.order_of(uid) else { return };
        if let Some(worker) = self.entries.get(uid).and_then(|entry| entry.worker.as_ref()) {
            worker.orders.send_replace(order);
        } else {
            self.start(uid);
        }
    }

    /// Like [`Manager::order`] for what the kubelet's own status brought about: the worker sees it, and is woken only
    /// when it says something else. Otherwise what failed would be tried again at once because the failure was told.
    fn note(&mut self, uid: &str) {
        let Some(order) = self.order_of(uid) else { return };
        let Some(worker) = self.entries.get(uid).and_then(|entry| entry.worker.as_ref()) else {
            return self.start(uid);
        };
        worker.orders.send_if_modified(|known| {
            let same = known.terminate == order.terminate && known.remove == order.remove;
            *known = order;
            !same
        });
    }

    fn keep_house(&mut self) {
        self.start_waiting();
        if !(self.static_ready && self.api_ready) {
            return;
        }
        // What runs although nobody wants it is stopped like a deleted pod.
        for observed in self.shared.cache.all() {
            if self.entries.contains_key(&observed.uid) || observed.is_stopped() {
                continue;
            }
            tracing::info!(pod = %observed.name, namespace = %observed.namespace, uid = %observed.uid, "stopping an orphaned pod");
            self.shared.context.metrics.orphans.with_label_values::<&str>(&[]).inc();
            let pod = Arc::new(stop::restored_pod(&observed));
            let uid = observed.uid.clone();
            let entry = Entry {
                pod,
                gone: true,
                worker: None,
                rejected: false,
                finished: false,
                evicted: None,
                found: true,
            };
            self.entries.insert(uid.clone(), entry);
            self.spawn_worker(&uid);
        }
        self.tell();
    }

    /// Shows the list to others, with the statuses of this kubelet.
    fn tell(&self) {
        *self.handle.pods.write() = self.entries.values().map(|entry| entry.pod.clone()).collect();
        let mut counts = PodCounts::default();
        for entry in self.entries.values().filter(|entry| !entry.gone) {
            let place = usize::from(pod::is_static(&entry.pod));
            let count = |list: &mut [i64; 2]| {
                if let Some(count) = list.get_mut(place) {
                    *count += 1;
                }
            };
            count(&mut counts.desired);
            if entry.worker.is_some() && !pod::is_terminal_phase(&entry.pod.status.phase) {
                count(&mut counts.active);
            }
        }
        for entry in self.entries.values().filter(|entry| !entry.rejected) {
            let stage = match &entry.worker {
                Some(worker) => worker.stage.place(),
                None if entry.finished => TERMINATED,
                None => 0,
            };
            let config =
                WorkingPod { gone: entry.gone, found: entry.found, is_static: pod::is_static(&entry.pod) };
            counts.add_working(config, stage);
        }
        self.shared.context.metrics.count(counts);
        if self.static_ready && self.api_ready {
            self.handle.complete.store(true, Ordering::Release);
        }
    }
}
