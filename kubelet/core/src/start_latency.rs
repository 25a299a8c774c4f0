//! How long a pod takes to start, as the objective for start-up latency of upstream's SIG Scalability counts it.

use std::time::Duration;

use api_types::core::v1::{Pod, PodStatus, Volume};
use jiff::Timestamp;

use crate::backoff::elapsed;
use crate::observed::ObservedPod;
use crate::pod;

/// The start of one pod, watched until all its containers run.
#[derive(Clone, Debug)]
pub struct StartLatency {
    /// Whether the start is still to be told.
    pending: bool,
    pulling: Duration,
}

/// How long a start took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// Since the creation in the API.
    pub total: Duration,
    /// Without pulls and init containers; `None` for a pod with a volume that is made for it or outlives it.
    pub own: Option<Duration>,
}

impl StartLatency {
    /// Watches a pod, unless it started before this kubelet or was not created in the API.
    pub fn new(pod: &Pod) -> StartLatency {
        let pending = pod.status.start_time.is_none() && !pod::is_static(pod);
        StartLatency { pending, pulling: Duration::ZERO }
    }

    /// Takes in that an image was pulled, or could not be, for so long.
    pub fn pulled(&mut self, time: Duration) {
        self.pulling += time;
    }

    /// Takes in a new status; the one that shows the pod started answers how long that took, once.
    pub fn observe(
        &mut self,
        pod: &Pod,
        status: &PodStatus,
        observed: &ObservedPod,
        now: Timestamp,
    ) -> Option<Started> {
        if !self.pending {
            return None;
        }
        if pod::is_terminal_phase(&status.phase) {
            self.pending = false;
            return None;
        }
        let names = |container: &api_types::core::v1::Container| {
            pod::find_status(status, &container.name).is_some_and(|known| known.state.running.is_some())
        };
        if !pod.spec.containers.iter().all(names) {
            return None;
        }
        self.pending = false;
        let total = elapsed(pod.metadata.creation_timestamp.to_timestamp()?, now);
        let own = total.saturating_sub(self.pulling).saturating_sub(initializing(pod, observed));
        Some(Started { total, own: (!pod.spec.volumes.iter().any(is_stateful)).then_some(own) })
    }
}

/// How long init containers ran, sidecars left out.
fn initializing(pod: &Pod, observed: &ObservedPod) -> Duration {
    let is_init =
        |name: &str| pod.spec.init_containers.iter().any(|init| init.name == name && !pod::is_sidecar(init));
    let ended = observed.containers.iter().filter(|known| is_init(&known.name));
    ended.filter_map(|known| Some(elapsed(known.started_at?, known.finished_at?))).sum()
}

fn is_stateful(volume: &Volume) -> bool {
    let source = &volume.volume_source;
    let ephemeral = source.secret.is_some()
        || source.config_map.is_some()
        || source.downward_api.is_some()
        || source.empty_dir.is_some()
        || source.projected.is_some();
    !ephemeral
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::{ContainerState, ContainerStateRunning, ContainerStatus};
    use machinery::Time;

    use super::*;
    use crate::testing::pod;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn status(running: &[&str]) -> PodStatus {
        let state = ContainerState {
            running: Some(Box::new(ContainerStateRunning::default())),
            ..ContainerState::default()
        };
        let container = |name: &&str| ContainerStatus {
            name: (*name).to_owned(),
            state: state.clone(),
            ..ContainerStatus::default()
        };
        PodStatus { container_statuses: running.iter().map(container).collect(), ..PodStatus::default() }
    }

    fn created(spec: &str) -> Pod {
        let mut pod = pod(spec);
        pod.metadata.creation_timestamp = Time { seconds: 100, nanos: 0 };
        pod
    }

    const TWO: &str = r#"{"initContainers":[{"name":"setup"}],"containers":[{"name":"a"},{"name":"b"}]}"#;

    #[test]
    fn pulls_and_init_containers_do_not_count() {
        let pod = created(TWO);
        let mut latency = StartLatency::new(&pod);
        let mut observed = ObservedPod::default();
        observed.containers.push(crate::ports::ContainerStatus {
            name: "setup".into(),
            started_at: Some(at(103)),
            finished_at: Some(at(105)),
            ..Default::default()
        });
        latency.pulled(Duration::from_secs(3));
        assert_eq!(latency.observe(&pod, &status(&["a"]), &observed, at(108)), None);
        let seconds = Duration::from_secs;
        let started = Started { total: seconds(10), own: Some(seconds(5)) };
        assert_eq!(latency.observe(&pod, &status(&["a", "b"]), &observed, at(110)), Some(started));
        assert_eq!(latency.observe(&pod, &status(&["a", "b"]), &observed, at(120)), None);
    }

    #[test]
    fn pods_with_lasting_volumes_count_in_total_only() {
        let spec = |source: &str| {
            format!(r#"{{"containers":[{{"name":"a"}}],"volumes":[{{"name":"v",{source}}}]}}"#)
        };
        let own = |source: &str| {
            let pod = created(&spec(source));
            let mut latency = StartLatency::new(&pod);
            let started = latency.observe(&pod, &status(&["a"]), &ObservedPod::default(), at(101));
            started.map(|started| started.own)
        };
        assert_eq!(own(r#""emptyDir":{}"#), Some(Some(Duration::from_secs(1))));
        assert_eq!(own(r#""persistentVolumeClaim":{"claimName":"c"}"#), Some(None));
    }

    #[test]
    fn pods_that_started_before_do_not_count() {
        let mut pod = created(TWO);
        pod.status.start_time = Some(Time { seconds: 101, nanos: 0 });
        let mut latency = StartLatency::new(&pod);
        assert_eq!(latency.observe(&pod, &status(&["a", "b"]), &ObservedPod::default(), at(110)), None);
    }
}
