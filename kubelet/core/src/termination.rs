//! How much grace a container gets, and in which order the containers of a pod stop.

use api_types::core::v1::{Container, Pod, Probe};

use crate::pod::is_sidecar;

/// The least any container gets between the stop signal and the kill, in seconds.
pub const MINIMUM_GRACE_SECONDS: i64 = 2;

/// Why the kubelet kills a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KillReason {
    #[default]
    Other,
    LivenessProbe,
    StartupProbe,
    FailedPostStart,
    RestartAllContainers,
}

/// Seconds a container gets to end, before any override.
pub fn grace_seconds(pod: &Pod, container: &Container, reason: KillReason) -> i64 {
    if let Some(seconds) = pod.metadata.deletion_grace_period_seconds {
        return seconds;
    }
    let Some(pod_seconds) = pod.spec.termination_grace_period_seconds else {
        return MINIMUM_GRACE_SECONDS;
    };
    let of_probe =
        |probe: &Option<Box<Probe>>| probe.as_ref().and_then(|probe| probe.termination_grace_period_seconds);
    match reason {
        KillReason::StartupProbe => of_probe(&container.startup_probe),
        KillReason::LivenessProbe => of_probe(&container.liveness_probe),
        _ => None,
    }
    .unwrap_or(pod_seconds)
}

/// The containers whose end a container waits for before it is asked to stop itself: sidecars wait for all regular
/// containers and for the sidecar after them; everything else waits for nothing.
pub fn stops_after<'pod>(pod: &'pod Pod, name: &str) -> Vec<&'pod str> {
    let sidecars: Vec<&Container> =
        pod.spec.init_containers.iter().filter(|container| is_sidecar(container)).collect();
    let Some(place) = sidecars.iter().position(|sidecar| sidecar.name == name) else {
        return Vec::new();
    };
    let regular = pod.spec.containers.iter().map(|container| container.name.as_str());
    let next = sidecars.get(place + 1).map(|sidecar| sidecar.name.as_str());
    regular.chain(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, policy: Option<&str>) -> Container {
        Container { name: name.into(), restart_policy: policy.map(str::to_owned), ..Container::default() }
    }

    fn pod() -> Pod {
        let mut pod = Pod::default();
        pod.spec.init_containers = vec![
            container("setup", None),
            container("proxy", Some("Always")),
            container("logger", Some("Always")),
        ];
        pod.spec.containers = vec![container("web", None), container("cache", None)];
        pod
    }

    #[test]
    fn sidecars_stop_last_and_in_reverse() {
        let pod = pod();
        assert_eq!(stops_after(&pod, "web"), Vec::<&str>::new());
        assert_eq!(stops_after(&pod, "setup"), Vec::<&str>::new());
        assert_eq!(stops_after(&pod, "proxy"), ["web", "cache", "logger"]);
        assert_eq!(stops_after(&pod, "logger"), ["web", "cache"]);
    }

    #[test]
    fn grace_comes_from_the_nearest_rule() {
        let mut pod = pod();
        let mut web = container("web", None);
        assert_eq!(grace_seconds(&pod, &web, KillReason::Other), 2);
        pod.spec.termination_grace_period_seconds = Some(30);
        web.liveness_probe =
            Some(Box::new(Probe { termination_grace_period_seconds: Some(7), ..Probe::default() }));
        assert_eq!(grace_seconds(&pod, &web, KillReason::Other), 30);
        assert_eq!(grace_seconds(&pod, &web, KillReason::LivenessProbe), 7);
        assert_eq!(grace_seconds(&pod, &web, KillReason::StartupProbe), 30);
        pod.metadata.deletion_grace_period_seconds = Some(1);
        assert_eq!(grace_seconds(&pod, &web, KillReason::LivenessProbe), 1);
    }
}
