//! The life of a pod in the kubelet: Syncing → Terminating → Terminated, and never back.
//!
//! ```text
//!   Syncing ──(deleted, evicted, finished, removed)──▶ Terminating ──(nothing runs)──▶ Terminated
//!      ▲  start, restart, resize                          │  grace only shrinks           │  volumes, cgroup,
//!      └──────────────────────────                        └─────────────────              └─ then forgotten
//! ```

use jiff::Timestamp;

/// Where a pod is in its life.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PodLifecycle {
    /// Its containers are started and kept.
    #[default]
    Syncing,
    /// Its containers are being stopped; none starts any more.
    Terminating(Termination),
    /// Nothing of it runs. What is left on disk is being cleaned up.
    Terminated,
}

/// Why and how fast a pod is being stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Termination {
    pub cause: TerminationCause,
    /// Seconds each container gets.
    pub grace_seconds: i64,
    pub since: Timestamp,
}

/// Why a pod is stopped.
#[derive(Clone, Debug, PartialEq)]
pub enum TerminationCause {
    /// The API says so (`deletionTimestamp`), or the object or manifest is gone.
    Deleted,
    /// All its containers ended and none restarts.
    Finished,
    /// The kubelet itself stops it and reports this status.
    Evicted(Eviction),
    /// It runs although no source knows it.
    Orphaned,
}

/// The status an evicted, preempted, rejected or expired pod ends with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Eviction {
    /// Such as `Evicted`, `Preempting`, `DeadlineExceeded`, `NodeShutdown`.
    pub reason: String,
    pub message: String,
    /// Reason of the `DisruptionTarget` condition; empty for none.
    pub disruption_reason: String,
}

/// Something that can move a pod on.
#[derive(Clone, Debug, PartialEq)]
pub enum LifecycleEvent {
    /// Stop, with this much grace.
    Terminate { cause: TerminationCause, grace_seconds: i64 },
    /// The runtime shows nothing of the pod running.
    Stopped,
}

impl PodLifecycle {
    /// The state after an event. Deciding again on the same event changes nothing.
    ///
    /// Grace only ever shrinks, and the first cause stays, except that an eviction's status wins over a finish.
    #[must_use]
    pub fn step(&self, event: LifecycleEvent, now: Timestamp) -> PodLifecycle {
        match (self, event) {
            (PodLifecycle::Syncing, LifecycleEvent::Terminate { cause, grace_seconds }) => {
                PodLifecycle::Terminating(Termination { cause, grace_seconds, since: now })
            }
            (PodLifecycle::Terminating(old), LifecycleEvent::Terminate { cause, grace_seconds }) => {
                let cause = match (&old.cause, cause) {
                    (TerminationCause::Finished, cause @ TerminationCause::Evicted(_)) => cause,
                    (old, _) => old.clone(),
                };
                PodLifecycle::Terminating(Termination {
                    cause,
                    grace_seconds: old.grace_seconds.min(grace_seconds),
                    since: old.since,
                })
            }
            (PodLifecycle::Terminating(_), LifecycleEvent::Stopped) => PodLifecycle::Terminated,
            // A pod that is being synced may well have nothing running yet.
            (PodLifecycle::Syncing, LifecycleEvent::Stopped) => PodLifecycle::Syncing,
            (PodLifecycle::Terminated, _) => PodLifecycle::Terminated,
        }
    }

    /// Whether containers may still start.
    pub fn may_start(&self) -> bool {
        matches!(self, PodLifecycle::Syncing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deleted(grace_seconds: i64) -> LifecycleEvent {
        LifecycleEvent::Terminate { cause: TerminationCause::Deleted, grace_seconds }
    }

    fn run(events: Vec<LifecycleEvent>) -> PodLifecycle {
        events
            .into_iter()
            .fold(PodLifecycle::Syncing, |state, event| state.step(event, Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn grace_shrinks_and_never_grows() {
        let grace = |events| match run(events) {
            PodLifecycle::Terminating(termination) => termination.grace_seconds,
            other => panic!("not terminating: {other:?}"),
        };
        assert_eq!(grace(vec![deleted(30), deleted(5)]), 5);
        assert_eq!(grace(vec![deleted(5), deleted(30)]), 5);
    }

    #[test]
    fn terminated_is_final() {
        assert_eq!(run(vec![deleted(1), LifecycleEvent::Stopped, deleted(30)]), PodLifecycle::Terminated);
        assert_eq!(run(vec![LifecycleEvent::Stopped]), PodLifecycle::Syncing);
    }

    #[test]
    fn an_eviction_is_reported_over_a_finish() {
        let evicted = TerminationCause::Evicted(Eviction { reason: "Evicted".into(), ..Eviction::default() });
        let state = run(vec![
            LifecycleEvent::Terminate { cause: TerminationCause::Finished, grace_seconds: 30 },
            LifecycleEvent::Terminate { cause: evicted.clone(), grace_seconds: 0 },
        ]);
        assert!(matches!(state, PodLifecycle::Terminating(Termination { cause, .. }) if cause == evicted));
    }
}
