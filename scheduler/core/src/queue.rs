//! Pods that wait for a node: those to be tried, those that wait out a back-off, and those that wait for
//! the cluster to change.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::cluster::ClusterEvent;
use crate::framework::Plugin;
use crate::pod::PodInfo;

/// First back-off; it doubles with each attempt.
pub const INITIAL_BACKOFF: SignedDuration = SignedDuration::from_secs(1);
/// Longest back-off.
pub const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_secs(10);
/// After this long a pod is tried again even if no event spoke for it.
pub const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(300);

/// A waiting pod.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The pod.
    pub pod: Arc<PodInfo>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it came into the queue first.
    pub first_seen: Timestamp,
    /// When it was last put where it is.
    since: Timestamp,
    /// Plugins that rejected it; empty after an error.
    plugins: BTreeSet<&'static str>,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Active,
    Backoff(Timestamp),
    Unschedulable,
    Gated,
}

type Order = (Reverse<i32>, Timestamp, String);

/// All waiting pods.
#[derive(Debug, Default)]
pub struct Queue {
    pods: HashMap<String, Waiting>,
    /// Most important first, then longest waiting.
    active: BTreeSet<Order>,
    backoff: BTreeSet<(Timestamp, String)>,
}

/// How many pods wait where (metric `scheduler_pending_pods`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// To be tried now.
    pub active: usize,
    /// Waiting out a back-off.
    pub backoff: usize,
    /// Waiting for a change.
    pub unschedulable: usize,
    /// Waiting for their gates.
    pub gated: usize,
}

impl Queue {
    fn order(waiting: &Waiting) -> Order {
        (Reverse(waiting.pod.priority), waiting.since, waiting.pod.uid.clone())
    }

    fn put(&mut self, mut waiting: Waiting, place: Place, now: Timestamp) {
        let uid = waiting.pod.uid.clone();
        waiting.since = now;
        waiting.place = place;
        match place {
            Place::Active => drop(self.active.insert(Self::order(&waiting))),
            Place::Backoff(until) => drop(self.backoff.insert((until, uid.clone()))),
            Place::Unschedulable | Place::Gated => {}
        }
        self.pods.insert(uid, waiting);
    }

    fn take(&mut self, uid: &str) -> Option<Waiting> {
        let waiting = self.pods.remove(uid)?;
        match waiting.place {
            Place::Active => drop(self.active.remove(&Self::order(&waiting))),
            Place::Backoff(until) => drop(self.backoff.remove(&(until, uid.to_owned()))),
            Place::Unschedulable | Place::Gated => {}
        }
        Some(waiting)
    }

    /// Takes a pod in, or its new form; `gate` says why it must not be tried.
    pub fn set(&mut self, pod: Arc<PodInfo>, gated: bool, plugins: &[&'static dyn Plugin], now: Timestamp) {
        let known = self.take(&pod.uid);
        let mut waiting = known.unwrap_or_else(|| Waiting {
            pod: pod.clone(),
            attempts: 0,
            first_seen: now,
            since: now,
            plugins: BTreeSet::new(),
            place: Place::Active,
        });
        let before = waiting.place;
        waiting.pod = pod;
        let place = match before {
            _ if gated => Place::Gated,
            Place::Gated | Place::Active => Place::Active,
            Place::Backoff(until) => Place::Backoff(until),
            Place::Unschedulable if helps(&waiting, &ClusterEvent::PodChanged, plugins) => {
                retry(&waiting, now)
            }
            Place::Unschedulable => Place::Unschedulable,
        };
        self.put(waiting, place, now);
    }

    /// The pod was deleted, or placed by somebody.
    pub fn remove(&mut self, uid: &str) {
        self.take(uid);
    }

    /// The pod to try now.
    pub fn pop(&mut self) -> Option<Waiting> {
        let (_, _, uid) = self.active.first()?.clone();
        let mut waiting = self.take(&uid)?;
        waiting.attempts += 1;
        Some(waiting)
    }

    /// The pod fits nowhere: it waits for an event that one of `plugins` hopes for; without plugins it was an
    /// error, and it waits out a back-off.
    pub fn rejected(&mut self, mut waiting: Waiting, plugins: BTreeSet<&'static str>, now: Timestamp) {
        let place = if plugins.is_empty() { retry(&waiting, now) } else { Place::Unschedulable };
        waiting.plugins = plugins;
        self.put(waiting, place, now);
    }

    /// Lets the pods for which the event may make room be tried again.
    pub fn on_event(&mut self, event: &ClusterEvent, plugins: &[&'static dyn Plugin], now: Timestamp) {
        let hopeful: Vec<String> = self
            .pods
            .values()
            .filter(|waiting| waiting.place == Place::Unschedulable && helps(waiting, event, plugins))
            .map(|waiting| waiting.pod.uid.clone())
            .collect();
        for uid in hopeful {
            if let Some(waiting) = self.take(&uid) {
                let place = retry(&waiting, now);
                self.put(waiting, place, now);
            }
        }
    }

    /// Moves on the pods whose time has come.
    pub fn tick(&mut self, now: Timestamp) {
        while let Some((until, uid)) = self.backoff.first().cloned() {
            if until > now {
                break;
            }
            if let Some(waiting) = self.take(&uid) {
                self.put(waiting, Place::Active, now);
            }
        }
        let tired: Vec<String> = self
            .pods
            .values()
            .filter(|w| w.place == Place::Unschedulable && now.duration_since(w.since) > LONGEST_WAIT)
            .map(|w| w.pod.uid.clone())
            .collect();
        for uid in tired {
            if let Some(waiting) = self.take(&uid) {
                let place = retry(&waiting, now);
                self.put(waiting, place, now);
            }
        }
    }

    /// When [`Queue::tick`] has something to do next.
    pub fn next_tick(&self) -> Option<Timestamp> {
        let backoff = self.backoff.first().map(|(until, _)| *until);
        let tired = self.pods.values().filter(|w| w.place == Place::Unschedulable);
        let tired = tired.filter_map(|w| w.since.checked_add(LONGEST_WAIT).ok()).min();
        backoff.into_iter().chain(tired).min()
    }

    /// How many pods wait where.
    pub fn pending(&self) -> Pending {
        let mut pending = Pending::default();
        for waiting in self.pods.values() {
            match waiting.place {
                Place::Active => pending.active += 1,
                Place::Backoff(_) => pending.backoff += 1,
                Place::Unschedulable => pending.unschedulable += 1,
                Place::Gated => pending.gated += 1,
            }
        }
        pending
    }

    /// The waiting pod.
    pub fn get(&self, uid: &str) -> Option<&Arc<PodInfo>> {
        self.pods.get(uid).map(|waiting| &waiting.pod)
    }
}

fn helps(waiting: &Waiting, event: &ClusterEvent, plugins: &[&'static dyn Plugin]) -> bool {
    let mut rejecting = plugins.iter().filter(|plugin| waiting.plugins.contains(plugin.name()));
    rejecting.any(|plugin| plugin.hint(&waiting.pod, event))
}

/// Where a pod goes that may be tried again: into back-off until its time, counted from its last attempt.
fn retry(waiting: &Waiting, now: Timestamp) -> Place {
    let doublings = waiting.attempts.saturating_sub(1).min(10);
    let length = INITIAL_BACKOFF.checked_mul(1 << doublings).unwrap_or(LONGEST_BACKOFF).min(LONGEST_BACKOFF);
    let from = if waiting.place == Place::Unschedulable { waiting.since } else { now };
    match from.checked_add(length) {
        Ok(until) if until > now && waiting.attempts > 0 => Place::Backoff(until),
        _ => Place::Active,
    }
}
