//! Fields of pods that have two names, and fields of features that are off in v1.36.
//!
//! Source: `pkg/apis/core/v1/conversion.go`, `DropDisabledPodFields` in `pkg/api/pod/util.go`.

use api_types::core::v1::{HostIP, Pod, PodIP, PodSpec};

/// Makes the deprecated names say what the current ones say.
pub fn align(pod: &mut Pod) {
    align_spec(&mut pod.spec);
    let status = &mut pod.status;
    // A client that knows only the single address wins over what it did not know it sent back.
    if !status.pod_ip.is_empty() && status.pod_ips.first().is_none_or(|first| first.ip != status.pod_ip) {
        status.pod_ips = vec![PodIP { ip: status.pod_ip.clone() }];
    }
    status.pod_ip = status.pod_ips.first().map(|first| first.ip.clone()).unwrap_or_default();
    if !status.host_ip.is_empty() && status.host_ips.is_empty() {
        status.host_ips = vec![HostIP { ip: status.host_ip.clone() }];
    }
}

/// `serviceAccount` is an old name of `serviceAccountName`.
pub fn align_spec(spec: &mut PodSpec) {
    if spec.service_account_name.is_empty() {
        spec.service_account_name = spec.service_account.clone();
    }
    spec.service_account = spec.service_account_name.clone();
}

/// Removes fields of features that are off, unless the stored object has them already.
pub fn drop_disabled(spec: &mut PodSpec, old: Option<&PodSpec>) {
    let projects = |spec: &PodSpec, is: fn(&api_types::core::v1::VolumeProjection) -> bool| {
        spec.volumes
            .iter()
            .filter_map(|volume| volume.volume_source.projected.as_ref())
            .flat_map(|projected| &projected.sources)
            .any(is)
    };
    let keeps_bundles = old.is_some_and(|old| projects(old, |source| source.cluster_trust_bundle.is_some()));
    let keeps_certificates = old.is_some_and(|old| projects(old, |source| source.pod_certificate.is_some()));
    let sources = spec
        .volumes
        .iter_mut()
        .filter_map(|volume| volume.volume_source.projected.as_mut())
        .flat_map(|projected| &mut projected.sources);
    for source in sources {
        if !keeps_bundles {
            source.cluster_trust_bundle = None;
        }
        if !keeps_certificates {
            source.pod_certificate = None;
        }
    }
    let signals = |spec: &PodSpec| {
        let all = spec.containers.iter().chain(&spec.init_containers);
        all.filter_map(|container| container.lifecycle.as_ref())
            .any(|lifecycle| lifecycle.stop_signal.is_some())
    };
    if !old.is_some_and(signals) {
        for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
            if let Some(lifecycle) = &mut container.lifecycle {
                lifecycle.stop_signal = None;
                if lifecycle.post_start.is_none() && lifecycle.pre_stop.is_none() {
                    container.lifecycle = None;
                }
            }
        }
    }
}
