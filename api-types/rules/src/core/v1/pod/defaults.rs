//! Defaults of pods and of the pod templates inside workloads.
//!
//! Source: `pkg/apis/core/v1/defaults.go`, `zz_generated.defaults.go`.

use super::resources::{self, Accounting};
use crate::core::v1::{
    persistent_volume_claim,
    resource_list::{is_huge_page, is_pod_level, overcommit_allowed, round_up_to_milli},
};
use api_types::core::v1::{
    Container, ContainerPort, DownwardAPIVolumeFile, EnvVar, EphemeralContainerCommon, HTTPGetAction,
    Lifecycle, Pod, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, Volume,
};

/// Defaults of a pod.
pub fn set(pod: &mut Pod) {
    super::fields::align(pod);
    let spec = &mut pod.spec;
    for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
        requests_from_limits(&mut container.resources);
    }
    set_pod_level_huge_page_limits(pod);
    set_pod_level_requests(pod);
    pod.spec.enable_service_links.get_or_insert(true);
    if pod.spec.host_network {
        let spec = &mut pod.spec;
        for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
            for port in &mut container.ports {
                if port.host_port == 0 {
                    port.host_port = port.container_port;
                }
            }
        }
    }
    set_spec(&mut pod.spec);
    let status = &mut pod.status;
    for container in status
        .init_container_statuses
        .iter_mut()
        .chain(&mut status.container_statuses)
        .chain(&mut status.ephemeral_container_statuses)
    {
        round_up_to_milli(&mut container.allocated_resources);
        if let Some(resources) = &mut container.resources {
            round_resources(resources);
        }
    }
    round_up_to_milli(&mut status.allocated_resources);
    if let Some(resources) = &mut status.resources {
        round_resources(resources);
    }
}

/// Defaults of a pod template; what only pods get (requests from limits, service links, host ports) stays open.
pub fn set_template(template: &mut PodTemplateSpec) {
    set_spec(&mut template.spec);
}

/// Defaults of a pod spec wherever it stands.
pub fn set_spec(spec: &mut PodSpec) {
    super::fields::align_spec(spec);
    for (field, default) in [
        (&mut spec.dns_policy, "ClusterFirst"),
        (&mut spec.restart_policy, "Always"),
        (&mut spec.scheduler_name, "default-scheduler"),
    ] {
        if field.is_empty() {
            *field = default.to_owned();
        }
    }
    spec.security_context.get_or_insert_default();
    spec.termination_grace_period_seconds.get_or_insert(30);
    spec.volumes.iter_mut().for_each(set_volume);
    spec.init_containers.iter_mut().chain(&mut spec.containers).for_each(set_container);
    for container in &mut spec.ephemeral_containers {
        set_ephemeral_container(&mut container.ephemeral_container_common);
    }
    round_up_to_milli(&mut spec.overhead);
    if let Some(resources) = &mut spec.resources {
        round_resources(resources);
    }
}

fn requests_from_limits(resources: &mut ResourceRequirements) {
    for (name, limit) in &resources.limits {
        resources.requests.entry(name.clone()).or_insert_with(|| limit.clone());
    }
}

fn set_pod_level_huge_page_limits(pod: &mut Pod) {
    let Some(resources) = &pod.spec.resources else { return };
    if resources.limits.is_empty() && resources.requests.is_empty() {
        return;
    }
    let limits = resources::container_limits(pod, Accounting::default());
    let Some(resources) = &mut pod.spec.resources else { return };
    for (name, limit) in limits {
        if is_huge_page(&name) && !resources.requests.contains_key(&name) {
            resources.limits.entry(name).or_insert(limit);
        }
    }
}

fn set_pod_level_requests(pod: &mut Pod) {
    if pod.spec.resources.as_ref().is_none_or(|resources| resources.limits.is_empty()) {
        return;
    }
    let requests = resources::container_requests(pod, Accounting::default());
    let Some(resources) = &mut pod.spec.resources else { return };
    for (name, request) in requests {
        if is_pod_level(&name) && overcommit_allowed(&name) {
            resources.requests.entry(name).or_insert(request);
        }
    }
    for (name, limit) in &resources.limits {
        if is_pod_level(name) {
            resources.requests.entry(name.clone()).or_insert_with(|| limit.clone());
        }
    }
}

fn round_resources(resources: &mut ResourceRequirements) {
    round_up_to_milli(&mut resources.limits);
    round_up_to_milli(&mut resources.requests);
}

/// Tag of an image reference as pull policy defaulting reads it: `latest` when there is neither tag nor digest.
/// `None` when the reference cannot be parsed.
fn image_tag(reference: &str) -> Option<&str> {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let last = name.rsplit('/').next().unwrap_or(name);
    if name.is_empty()
        || last.is_empty()
        || last.bytes().any(|byte| byte.is_ascii_uppercase() && !last.contains(':'))
    {
        return None;
    }
    match last.split_once(':') {
        Some((_, tag)) => Some(tag),
        None if digest.is_some() => Some(""),
        None => Some("latest"),
    }
}

/// `Always` for the tag `latest`, else `IfNotPresent`.
pub fn pull_policy(image: &str) -> &'static str {
    if image_tag(image) == Some("latest") { "Always" } else { "IfNotPresent" }
}

struct Parts<'a> {
    image: &'a str,
    pull_policy: &'a mut String,
    message_path: &'a mut String,
    message_policy: &'a mut String,
    ports: &'a mut [ContainerPort],
    env: &'a mut [EnvVar],
    resources: &'a mut ResourceRequirements,
    probes: [&'a mut Option<Box<Probe>>; 3],
    lifecycle: &'a mut Option<Box<Lifecycle>>,
}

/// Defaults of a container.
pub fn set_container(container: &mut Container) {
    set_parts(Parts {
        image: &container.image,
        pull_policy: &mut container.image_pull_policy,
        message_path: &mut container.termination_message_path,
        message_policy: &mut container.termination_message_policy,
        ports: &mut container.ports,
        env: &mut container.env,
        resources: &mut container.resources,
        probes: [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe],
        lifecycle: &mut container.lifecycle,
    });
}

/// Defaults of an ephemeral container.
pub fn set_ephemeral_container(container: &mut EphemeralContainerCommon) {
    set_parts(Parts {
        image: &container.image,
        pull_policy: &mut container.image_pull_policy,
        message_path: &mut container.termination_message_path,
        message_policy: &mut container.termination_message_policy,
        ports: &mut container.ports,
        env: &mut container.env,
        resources: &mut container.resources,
        probes: [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe],
        lifecycle: &mut container.lifecycle,
    });
}

fn set_parts(parts: Parts<'_>) {
    let policy = pull_policy(parts.image);
    for (field, default) in [
        (parts.pull_policy, policy),
        (parts.message_path, "/dev/termination-log"),
        (parts.message_policy, "File"),
    ] {
        if field.is_empty() {
            *field = default.to_owned();
        }
    }
    for port in parts.ports {
        if port.protocol.is_empty() {
            port.protocol = "TCP".to_owned();
        }
    }
    for source in parts.env.iter_mut().filter_map(|variable| variable.value_from.as_mut()) {
        if let Some(field) = &mut source.field_ref {
            set_api_version(&mut field.api_version);
        }
        if let Some(file) = &mut source.file_key_ref {
            file.optional.get_or_insert(false);
        }
    }
    round_resources(parts.resources);
    parts.probes.into_iter().flatten().for_each(|probe| set_probe(probe));
    if let Some(lifecycle) = parts.lifecycle {
        for handler in [&mut lifecycle.post_start, &mut lifecycle.pre_stop].into_iter().flatten() {
            if let Some(get) = &mut handler.http_get {
                set_http_get(get);
            }
        }
    }
}

fn set_api_version(version: &mut String) {
    if version.is_empty() {
        *version = "v1".to_owned();
    }
}

fn set_http_get(get: &mut HTTPGetAction) {
    if get.path.is_empty() {
        get.path = "/".to_owned();
    }
    if get.scheme.is_empty() {
        get.scheme = "HTTP".to_owned();
    }
}

fn set_probe(probe: &mut Probe) {
    for (field, default) in [
        (&mut probe.timeout_seconds, 1),
        (&mut probe.period_seconds, 10),
        (&mut probe.success_threshold, 1),
        (&mut probe.failure_threshold, 3),
    ] {
        if *field == 0 {
            *field = default;
        }
    }
    if let Some(get) = &mut probe.handler.http_get {
        set_http_get(get);
    }
    if let Some(grpc) = &mut probe.handler.grpc {
        grpc.service.get_or_insert_default();
    }
}

fn set_downward_items(items: &mut [DownwardAPIVolumeFile]) {
    for field in items.iter_mut().filter_map(|item| item.field_ref.as_mut()) {
        set_api_version(&mut field.api_version);
    }
}

fn or(field: &mut String, default: &str) {
    if field.is_empty() {
        *field = default.to_owned();
    }
}

/// Mode of files in volumes made from API objects.
const FILE_MODE: i32 = 0o644;

fn set_volume(volume: &mut Volume) {
    let source = &mut volume.volume_source;
    if *source == Default::default() {
        source.empty_dir = Some(Box::default());
    }
    if let Some(image) = &mut source.image
        && image.pull_policy.is_empty()
    {
        image.pull_policy = pull_policy(&image.reference).to_owned();
    }
    if let Some(host_path) = &mut source.host_path {
        host_path.type_.get_or_insert_default();
    }
    if let Some(secret) = &mut source.secret {
        secret.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(config_map) = &mut source.config_map {
        config_map.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(downward) = &mut source.downward_api {
        downward.default_mode.get_or_insert(FILE_MODE);
        set_downward_items(&mut downward.items);
    }
    if let Some(projected) = &mut source.projected {
        projected.default_mode.get_or_insert(FILE_MODE);
        for source in &mut projected.sources {
            if let Some(downward) = &mut source.downward_api {
                set_downward_items(&mut downward.items);
            }
            if let Some(token) = &mut source.service_account_token {
                token.expiration_seconds.get_or_insert(3600);
            }
        }
    }
    if let Some(iscsi) = &mut source.iscsi {
        or(&mut iscsi.iscsi_interface, "default");
    }
    if let Some(rbd) = &mut source.rbd {
        or(&mut rbd.pool, "rbd");
        or(&mut rbd.user, "admin");
        or(&mut rbd.keyring, "/etc/ceph/keyring");
    }
    if let Some(disk) = &mut source.azure_disk {
        disk.caching_mode.get_or_insert_with(|| "ReadWrite".to_owned());
        disk.fs_type.get_or_insert_with(|| "ext4".to_owned());
        disk.read_only.get_or_insert(false);
        disk.kind.get_or_insert_with(|| "Shared".to_owned());
    }
    if let Some(scale_io) = &mut source.scale_io {
        or(&mut scale_io.storage_mode, "ThinProvisioned");
        or(&mut scale_io.fs_type, "xfs");
    }
    if let Some(template) =
        source.ephemeral.as_mut().and_then(|ephemeral| ephemeral.volume_claim_template.as_mut())
    {
        persistent_volume_claim::defaults::set_spec(&mut template.spec);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pull_policies() {
        let cases = [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.2", "IfNotPresent"),
            ("host:5000/nginx", "Always"),
            ("host:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:aaaa", "IfNotPresent"),
            ("", "IfNotPresent"),
        ];
        for (image, expected) in cases {
            assert_eq!(pull_policy(image), expected, "{image:?}");
        }
    }

    #[test]
    fn a_bare_pod_gets_everything() {
        let mut pod = Pod::default();
        let mut container = Container { name: "a".into(), image: "nginx:1".into(), ..Default::default() };
        container.ports.push(ContainerPort { container_port: 80, ..Default::default() });
        container.liveness_probe = Some(Box::default());
        pod.spec.containers.push(container);
        pod.spec.host_network = true;
        set(&mut pod);
        let container = &pod.spec.containers[0];
        assert_eq!(pod.spec.termination_grace_period_seconds, Some(30));
        assert_eq!(pod.spec.enable_service_links, Some(true));
        assert_eq!((container.ports[0].protocol.as_str(), container.ports[0].host_port), ("TCP", 80));
        assert_eq!(
            container.liveness_probe.as_ref().map(|probe| (probe.period_seconds, probe.failure_threshold)),
            Some((10, 3))
        );
        let once = pod.clone();
        set(&mut pod);
        assert_eq!(pod, once, "defaults are stable");
    }
}
