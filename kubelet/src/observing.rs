//! What the runtime shows, kept up to date: lists on request, on runtime events, and now and then anyway.
//!
//! One task lists; everybody else reads the last list or asks for a fresh one. The status of a container is fetched once
//! per state it is in, so that a list costs two calls however many containers there are.

mod messages;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use jiff::Timestamp;
use kubelet_core::observed::{ObservedPod, POD_UID_LABEL};
use kubelet_core::ports::{
    ContainerState, ContainerStatus, ContainerSummary, Runtime, RuntimeError, RuntimeEvents, SandboxState,
    SandboxStatus, SandboxSummary,
};
use parking_lot::RwLock;
use tokio::sync::{Notify, mpsc, watch};

use component_base::Shutdown;

use crate::metrics::RelistMetrics;
use client::outage::Outage;

/// How often to list although nothing was heard, when the runtime tells its events.
const SAFETY_NET: Duration = Duration::from_secs(10);
/// How often to list when the runtime tells no events.
const WITHOUT_EVENTS: Duration = Duration::from_secs(1);
/// How long after a subscription lists go on as if nothing was heard: what happened just before it told no event, and the
/// lists of the runtime may show it late.
const SETTLING: Duration = Duration::from_secs(3);
/// How long to wait before subscribing again.
const RESUBSCRIBE: Duration = Duration::from_secs(5);
/// A kubelet that has not seen a list for this long is not well.
pub const STALE_AFTER: Duration = Duration::from_secs(180);

/// The last list, and the means to ask for another.
pub struct PodCache {
    runtime: Arc<dyn Runtime>,
    state: RwLock<State>,
    wanted: Notify,
    /// Counts finished rounds; a round that begins after a request answers it.
    rounds: watch::Sender<Round>,
    metrics: RelistMetrics,
}

#[derive(Default)]
struct State {
    pods: HashMap<String, Arc<ObservedPod>>,
    containers: HashMap<String, (ContainerState, ContainerStatus)>,
    sandboxes: HashMap<String, (SandboxState, SandboxStatus)>,
    raw_containers: Arc<Vec<ContainerSummary>>,
    raw_sandboxes: Arc<Vec<SandboxSummary>>,
    last_success: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
struct Round {
    begun: u64,
    finished: u64,
    error: Option<RuntimeError>,
}

impl PodCache {
    /// An empty cache over a runtime; `metrics` takes in how long each list took.
    pub fn new(runtime: Arc<dyn Runtime>, metrics: RelistMetrics) -> Arc<PodCache> {
        Arc::new(PodCache {
            runtime,
            state: RwLock::default(),
            wanted: Notify::new(),
            rounds: watch::Sender::new(Round::default()),
            metrics,
        })
    }

    /// What was last seen of a pod; nothing when it is unknown.
    pub fn get(&self, uid: &str) -> Arc<ObservedPod> {
        self.state
            .read()
            .pods
            .get(uid)
            .cloned()
            .unwrap_or_else(|| Arc::new(ObservedPod { uid: uid.to_owned(), ..ObservedPod::default() }))
    }

    /// All pods seen.
    pub fn all(&self) -> Vec<Arc<ObservedPod>> {
        self.state.read().pods.values().cloned().collect()
    }

    /// The lists behind the pods, for garbage collection.
    pub fn raw(&self) -> (Arc<Vec<SandboxSummary>>, Arc<Vec<ContainerSummary>>) {
        let state = self.state.read();
        (state.raw_sandboxes.clone(), state.raw_containers.clone())
    }

    /// When the last list succeeded.
    pub fn last_success(&self) -> Option<Timestamp> {
        self.state.read().last_success
    }

    /// Waits for a list that begins after this call, and returns the pod in it.
    pub async fn refresh(&self, uid: &str) -> Result<Arc<ObservedPod>, RuntimeError> {
        let mut rounds = self.rounds.subscribe();
        let begun = rounds.borrow_and_update().begun;
        self.wanted.notify_one();
        // The round under way may have begun before what the caller wants to see.
        let answer = rounds.wait_for(|round| round.finished > begun).await;
        match answer {
            Ok(round) => match &round.error {
                Some(error) => Err(error.clone()),
                None => Ok(self.get(uid)),
            },
            Err(_) => Err(RuntimeError::new(
                kubelet_core::ports::RuntimeErrorCode::Canceled,
                "the kubelet is shutting down",
            )),
        }
    }

    /// Asks for a list without waiting for it.
    pub fn poke(&self) {
        self.wanted.notify_one();
    }

    /// Lists until shutdown; sends the uids of pods that changed.
    pub async fn run(self: Arc<PodCache>, changed: mpsc::UnboundedSender<Vec<String>>, shutdown: Shutdown) {
        let (heard, mut hears) = watch::channel(false);
        let listener = {
            let cache = self.clone();
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                shutdown.run_until(cache.listen(heard)).await;
            })
        };
        let mut last_begun: Option<Instant> = None;
        let mut hears_since: Option<tokio::time::Instant> = None;
        let mut outage = Outage::new("list the pods of the runtime", WITHOUT_EVENTS, WITHOUT_EVENTS);
        loop {
            match (*hears.borrow_and_update(), hears_since) {
                (false, _) => hears_since = None,
                (true, None) => hears_since = Some(tokio::time::Instant::now()),
                (true, Some(_)) => {}
            }
            let settled = hears_since.is_some_and(|since| since.elapsed() >= SETTLING);
            let period = if settled { SAFETY_NET } else { WITHOUT_EVENTS };
            // Every arm only waits; nothing is lost when another one wins.
            tokio::select! {
                () = shutdown.wait() => break,
                () = self.wanted.notified() => {}
                _ = hears.changed() => {}
                () = tokio::time::sleep(period) => {}
            }
            self.rounds.send_modify(|round| round.begun += 1);
            let begun = Instant::now();
            if let Some(before) = last_begun.replace(begun) {
                let interval = begun.duration_since(before).as_secs_f64();
                self.metrics.interval.with_label_values::<&str>(&[]).observe(interval);
            }
            let outcome = self.round().await;
            self.metrics.seconds.with_label_values::<&str>(&[]).observe(begun.elapsed().as_secs_f64());
            let seen = Timestamp::now().as_duration().as_secs_f64();
            self.metrics.last_seen.with_label_values::<&str>(&[]).set(seen);
            let error = match outcome {
                Ok(uids) => {
                    outage.over();
                    if !uids.is_empty() && changed.send(uids).is_err() {
                        break;
                    }
                    None
                }
                Err(error) => {
                    outage.failed(&error.to_string());
                    Some(error)
                }
            };
            self.rounds.send_modify(|round| {
                round.finished = round.begun;
                round.error = error.clone();
            });
            if error.is_some() {
                // Requests are answered with the error; a runtime that is down is not asked in a tight loop.
                shutdown.sleep(WITHOUT_EVENTS).await;
            }
        }
        listener.abort();
    }

    /// Turns runtime events into requests for a list.
    async fn listen(&self, heard: watch::Sender<bool>) {
        loop {
            match self.runtime.events().await {
                Ok(mut events) => {
                    heard.send_replace(true);
                    self.wanted.notify_one();
                    self.drain(events.as_mut()).await;
                    tracing::info!("the runtime's event stream ended");
                }
                Err(error) => tracing::debug!(%error, "the runtime tells no events, listing every second"),
            }
            heard.send_replace(false);
            tokio::time::sleep(RESUBSCRIBE).await;
        }
    }

    async fn drain(&self, events: &mut dyn RuntimeEvents) {
        while let Some(event) = events.next().await {
            tracing::trace!(?event, "runtime event");
            self.wanted.notify_one();
        }
    }

    /// One list; returns the uids of pods that changed.
    async fn round(&self) -> Result<Vec<String>, RuntimeError> {
        let (sandboxes, containers) =
            tokio::try_join!(self.runtime.list_sandboxes(), self.runtime.list_containers())?;
        let (mut known_containers, mut known_sandboxes) = {
            let mut state = self.state.write();
            (std::mem::take(&mut state.containers), std::mem::take(&mut state.sandboxes))
        };
        let mut pods: BTreeMap<String, (String, String, Vec<SandboxStatus>, Vec<ContainerStatus>)> =
            BTreeMap::new();
        let mut next_sandboxes = HashMap::with_capacity(sandboxes.len());
        let mut next_containers = HashMap::with_capacity(containers.len());
        let mut failure = None;
        for summary in &sandboxes {
            let status = match known_sandboxes.remove(&summary.id) {
                Some((state, status)) if state == summary.state => status,
                _ => match self.runtime.sandbox_status(&summary.id).await {
                    Ok(status) => status,
                    Err(error) if error.is_not_found() => continue,
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                },
            };
            let entry = pods.entry(summary.uid.clone()).or_default();
            entry.0.clone_from(&summary.namespace);
            entry.1.clone_from(&summary.name);
            entry.2.push(status.clone());
            // A ready sandbox without an address may get one: ask again next time.
            if status.host_network || !status.ips.is_empty() || summary.state == SandboxState::NotReady {
                next_sandboxes.insert(summary.id.clone(), (summary.state, status));
            }
        }
        for summary in containers.iter().filter(|_| failure.is_none()) {
            let status = match known_containers.remove(&summary.id) {
                Some((state, status)) if state == summary.state => status,
                _ => match self.runtime.container_status(&summary.id).await {
                    Ok(status) => messages::with_termination_message(status).await,
                    Err(error) if error.is_not_found() => continue,
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                },
            };
            if let Some(uid) = summary.labels.get(POD_UID_LABEL) {
                pods.entry(uid.clone()).or_default().3.push(status.clone());
            }
            next_containers.insert(summary.id.clone(), (summary.state, status));
        }
        let mut state = self.state.write();
        state.containers = next_containers;
        state.sandboxes = next_sandboxes;
        if let Some(error) = failure {
            return Err(error);
        }
        let next: HashMap<String, Arc<ObservedPod>> = pods
            .into_iter()
            .map(|(uid, (namespace, name, sandboxes, containers))| {
                let pod = ObservedPod::new(uid.clone(), namespace, name, sandboxes, containers);
                match state.pods.get(&uid) {
                    // The same allocation when nothing changed: readers compare pointers.
                    Some(known) if **known == pod => (uid, known.clone()),
                    _ => (uid, Arc::new(pod)),
                }
            })
            .collect();
        let changed: Vec<String> = next
            .iter()
            .filter(|(uid, pod)| !state.pods.get(*uid).is_some_and(|known| Arc::ptr_eq(known, pod)))
            .map(|(uid, _)| uid.clone())
            .chain(state.pods.keys().filter(|uid| !next.contains_key(*uid)).cloned())
            .collect();
        state.pods = next;
        state.raw_containers = Arc::new(containers);
        state.raw_sandboxes = Arc::new(sandboxes);
        state.last_success = Some(Timestamp::now());
        Ok(changed)
    }
}

/// Whether the lists keep coming; the error is that of `/healthz`.
pub fn healthy(cache: &PodCache, now: Timestamp) -> Result<(), String> {
    match cache.last_success() {
        Some(at) => {
            let age = kubelet_core::backoff::elapsed(at, now);
            if age < STALE_AFTER {
                Ok(())
            } else {
                Err(format!(
                    "PLEG is not healthy: pleg was last seen active {} ago; threshold is {}",
                    kubelet_core::images::go_duration(age),
                    kubelet_core::images::go_duration(STALE_AFTER)
                ))
            }
        }
        None => Err("PLEG is not healthy: pleg has yet to be successful".to_owned()),
    }
}
