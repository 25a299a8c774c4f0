//! How long a Job waits before it replaces failed pods: ten seconds, doubled with each failure since the last
//! success, ten minutes at most.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::Pod;
use jiff::{SignedDuration, Timestamp};
use machinery::Time;
use rules::core::v1::pod::meaning::condition;
use rules::core::v1::pod::resources::is_sidecar;

use super::indexes::failures_before;
use super::plan::{is_failed, is_held};

const FIRST: i64 = 10;
const LONGEST: i64 = 600;
/// As many failures as make the longest time; no more need be remembered.
const REMEMBERED: usize = 8;

/// Failures since the last success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Failures {
    pub count: i32,
    pub last: Option<Timestamp>,
}

/// What was seen of the ends of a Job's pods. Pods that are deleted take their end with them, so the last
/// ones are remembered; after a restart those that are still there are enough.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    succeeded: Option<Timestamp>,
    failed: BTreeMap<String, Timestamp>,
}

impl History {
    /// Takes in the pods as they are now; seeing one twice changes nothing.
    pub(super) fn observe(&mut self, replace_failed_only: bool, pods: &[Arc<Pod>]) {
        for pod in pods {
            let going = pod.metadata.deletion_timestamp.is_some();
            // Released and deleted: the Job itself had one too many.
            let counts = is_held(pod) || !going;
            if pod.status.phase == "Succeeded" {
                self.succeeded = self.succeeded.max(finished(pod));
            } else if counts
                && is_failed(pod, replace_failed_only)
                && let Some(at) = finished(pod)
            {
                self.failed.insert(pod.metadata.uid.clone(), at);
            }
        }
        let succeeded = self.succeeded;
        self.failed.retain(|_, at| Some(*at) > succeeded);
        while self.failed.len() > REMEMBERED {
            let oldest = self.failed.iter().min_by_key(|(uid, at)| (**at, (*uid).clone()));
            let Some(uid) = oldest.map(|(uid, _)| uid.clone()) else { break };
            self.failed.remove(&uid);
        }
    }

    /// What counts for the next pod.
    pub(super) fn failures(&self) -> Failures {
        let count = i32::try_from(self.failed.len()).unwrap_or(i32::MAX);
        Failures { count, last: self.failed.values().max().copied() }
    }
}

/// How much of the time is left; none when it is over.
pub(super) fn time_left(failures: Failures, now: Timestamp) -> Option<Duration> {
    let last = failures.last.filter(|_| failures.count > 0)?;
    let doublings = u32::try_from(failures.count - 1).unwrap_or(0).min(10);
    let wait = SignedDuration::from_secs((FIRST << doublings).min(LONGEST));
    let left = wait - now.duration_since(last);
    if left.is_positive() { left.try_into().ok() } else { None }
}

/// The same for an index of its own, whose last failed pod this is.
pub(super) fn time_left_of_index(last: Option<&Arc<Pod>>, now: Timestamp) -> Option<Duration> {
    let (counted, ignored) = failures_before(last?);
    let count = counted.saturating_add(ignored).saturating_add(1);
    time_left(Failures { count, last: finished(last?) }, now)
}

/// When the pod ended: its last container, else the moment it ceased to be ready, was deleted, or was made.
pub(super) fn finished(pod: &Pod) -> Option<Timestamp> {
    let sidecar = |name: &str| {
        pod.spec.init_containers.iter().any(|container| container.name == name && is_sidecar(container))
    };
    let sidecars = pod.status.init_container_statuses.iter().filter(|status| sidecar(&status.name));
    let of = |status: &api_types::core::v1::ContainerStatus| {
        status.state.terminated.as_deref().map(|ended| ended.finished_at).filter(|at| !at.is_zero())
    };
    let ends: Option<Vec<Time>> = pod.status.container_statuses.iter().chain(sidecars).map(of).collect();
    let not_ready = || {
        let ready = condition(&pod.status, "Ready").filter(|ready| ready.status == "False")?;
        Some(ready.last_transition_time).filter(|at| !at.is_zero())
    };
    let deleted = || {
        let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
        let at = pod.metadata.deletion_timestamp?;
        Some(Time { seconds: at.seconds - grace, nanos: 0 })
    };
    let end = ends.and_then(|ends| ends.into_iter().max()).or_else(not_ready).or_else(deleted);
    end.unwrap_or(pod.metadata.creation_timestamp).to_timestamp()
}

#[cfg(test)]
mod tests {
    use machinery::Message;
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn pod(name: &str, phase: &str, end: i64) -> Arc<Pod> {
        let value = json!({"metadata": {"name": name, "uid": name}, "status": {"phase": phase, "containerStatuses": [
            {"name": "c", "state": {"terminated": {"exitCode": 1, "finishedAt": at(end).to_string()}}}]}});
        Arc::new(Pod::from_value(&value).unwrap())
    }

    #[track_caller]
    fn check(count: i32, after: i64, expected: Option<u64>) {
        let failures = Failures { count, last: Some(at(0)) };
        assert_eq!(time_left(failures, at(after)), expected.map(Duration::from_secs), "{count} {after}");
    }

    #[test]
    fn the_wait_doubles_up_to_ten_minutes() {
        check(0, 0, None);
        check(1, 0, Some(10));
        check(1, 4, Some(6));
        check(1, 10, None);
        check(3, 0, Some(40));
        check(7, 0, Some(600));
        check(1000, 0, Some(600));
    }

    #[test]
    fn a_success_ends_the_count_and_nothing_counts_twice() {
        let mut history = History::default();
        let mut pods = vec![pod("a", "Failed", 1), pod("b", "Failed", 3)];
        history.observe(false, &pods);
        history.observe(false, &pods);
        assert_eq!(history.failures(), Failures { count: 2, last: Some(at(3)) });
        pods = vec![pod("s", "Succeeded", 4), pod("c", "Failed", 5)];
        history.observe(false, &pods);
        assert_eq!(history.failures(), Failures { count: 1, last: Some(at(5)) });
        let many: Vec<_> = (10..60).map(|end| pod(&format!("f{end}"), "Failed", end)).collect();
        history.observe(false, &many);
        assert_eq!(history.failures(), Failures { count: 8, last: Some(at(59)) });
    }
}
