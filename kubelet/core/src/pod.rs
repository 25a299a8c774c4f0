//! Reading a Pod the way a kubelet does: its names, its containers by kind, where it came from.

use api_types::core::v1::{Container, ContainerStatus, EphemeralContainer, Pod, PodStatus};

/// Annotation naming where a pod came from: `api`, `file` or `http`.
pub const CONFIG_SOURCE: &str = "kubernetes.io/config.source";
/// Annotation with the hash of a static pod's manifest.
pub const CONFIG_HASH: &str = "kubernetes.io/config.hash";
/// Annotation with the time the kubelet first saw a pod.
pub const CONFIG_SEEN: &str = "kubernetes.io/config.seen";
/// Annotation on a mirror pod: the hash of the static pod it shows.
pub const CONFIG_MIRROR: &str = "kubernetes.io/config.mirror";

/// The priority above which a pod is critical (`scheduling.SystemCriticalPriority`).
pub const SYSTEM_CRITICAL_PRIORITY: i32 = 2_000_000_000;

/// Which list of the pod spec a container is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContainerKind {
    Init,
    Regular,
    Ephemeral,
}

impl ContainerKind {
    /// The label metrics use.
    pub fn metric_label(self) -> &'static str {
        match self {
            ContainerKind::Init => "init_container",
            ContainerKind::Regular => "container",
            ContainerKind::Ephemeral => "ephemeral_container",
        }
    }

    /// The field of the pod spec, as event references name it.
    pub fn field(self) -> &'static str {
        match self {
            ContainerKind::Init => "spec.initContainers",
            ContainerKind::Regular => "spec.containers",
            ContainerKind::Ephemeral => "spec.ephemeralContainers",
        }
    }
}

/// `namespace/name`.
pub fn full_name(pod: &Pod) -> String {
    format!("{}/{}", pod.metadata.namespace, pod.metadata.name)
}

/// `name_namespace(uid)`, as messages name a pod.
pub fn describe(pod: &Pod) -> String {
    format!("{}_{}({})", pod.metadata.name, pod.metadata.namespace, pod.metadata.uid)
}

/// Whether the pod came from a file or URL on this node rather than the API.
pub fn is_static(pod: &Pod) -> bool {
    pod.metadata.annotations.get(CONFIG_SOURCE).is_some_and(|source| source != "api")
}

/// Whether the pod is the API's image of a static pod.
pub fn is_mirror(pod: &Pod) -> bool {
    pod.metadata.annotations.contains_key(CONFIG_MIRROR)
}

/// Whether eviction and preemption leave the pod alone: static, mirror, or of system-critical priority.
pub fn is_critical(pod: &Pod) -> bool {
    is_static(pod)
        || is_mirror(pod)
        || pod.spec.priority.is_some_and(|priority| priority >= SYSTEM_CRITICAL_PRIORITY)
}

/// Whether an init container is a sidecar: started in its turn, then kept running.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// Whether the pod has sidecars.
pub fn has_sidecars(pod: &Pod) -> bool {
    pod.spec.init_containers.iter().any(is_sidecar)
}

/// Whether the pod is on the host's network.
pub fn uses_host_network(pod: &Pod) -> bool {
    pod.spec.host_network
}

/// The fields an ephemeral container shares with the others, as a container.
pub fn ephemeral_as_container(container: &EphemeralContainer) -> Container {
    let fields = &container.ephemeral_container_common;
    Container {
        name: fields.name.clone(),
        image: fields.image.clone(),
        command: fields.command.clone(),
        args: fields.args.clone(),
        working_dir: fields.working_dir.clone(),
        ports: fields.ports.clone(),
        env_from: fields.env_from.clone(),
        env: fields.env.clone(),
        resources: fields.resources.clone(),
        resize_policy: fields.resize_policy.clone(),
        restart_policy: fields.restart_policy.clone(),
        restart_policy_rules: fields.restart_policy_rules.clone(),
        volume_mounts: fields.volume_mounts.clone(),
        volume_devices: fields.volume_devices.clone(),
        liveness_probe: fields.liveness_probe.clone(),
        readiness_probe: fields.readiness_probe.clone(),
        startup_probe: fields.startup_probe.clone(),
        lifecycle: fields.lifecycle.clone(),
        termination_message_path: fields.termination_message_path.clone(),
        termination_message_policy: fields.termination_message_policy.clone(),
        image_pull_policy: fields.image_pull_policy.clone(),
        security_context: fields.security_context.clone(),
        stdin: fields.stdin,
        stdin_once: fields.stdin_once,
        tty: fields.tty,
    }
}

/// Every container of a pod: init, regular, then ephemeral.
pub fn containers(
    pod: &Pod,
) -> impl Iterator<Item = (ContainerKind, usize, std::borrow::Cow<'_, Container>)> {
    use std::borrow::Cow;
    let init = pod.spec.init_containers.iter().enumerate();
    let regular = pod.spec.containers.iter().enumerate();
    let ephemeral = pod.spec.ephemeral_containers.iter().enumerate();
    init.map(|(index, container)| (ContainerKind::Init, index, Cow::Borrowed(container)))
        .chain(regular.map(|(index, container)| (ContainerKind::Regular, index, Cow::Borrowed(container))))
        .chain(ephemeral.map(|(index, container)| {
            (ContainerKind::Ephemeral, index, Cow::Owned(ephemeral_as_container(container)))
        }))
}

/// The container of that name, of any kind.
pub fn find_container<'pod>(
    pod: &'pod Pod,
    name: &str,
) -> Option<(ContainerKind, usize, std::borrow::Cow<'pod, Container>)> {
    containers(pod).find(|(_, _, container)| container.name == name)
}

/// The container at a place in the spec.
pub fn container_at(pod: &Pod, kind: ContainerKind, index: usize) -> Option<std::borrow::Cow<'_, Container>> {
    use std::borrow::Cow;
    match kind {
        ContainerKind::Init => pod.spec.init_containers.get(index).map(Cow::Borrowed),
        ContainerKind::Regular => pod.spec.containers.get(index).map(Cow::Borrowed),
        ContainerKind::Ephemeral => pod
            .spec
            .ephemeral_containers
            .get(index)
            .map(|container| Cow::Owned(ephemeral_as_container(container))),
    }
}

/// The field path of a container in event references, such as `spec.containers{web}`.
pub fn container_field_path(kind: ContainerKind, name: &str) -> String {
    format!("{}{{{name}}}", kind.field())
}

/// The status of a container of that name, of any kind.
pub fn find_status<'status>(status: &'status PodStatus, name: &str) -> Option<&'status ContainerStatus> {
    status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .chain(&status.ephemeral_container_statuses)
        .find(|container| container.name == name)
}

/// The status of the condition of that type.
pub fn condition_status<'status>(status: &'status PodStatus, type_: &str) -> Option<&'status str> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
        .map(|condition| condition.status.as_str())
}

/// Whether a pod's phase is final.
pub fn is_terminal_phase(phase: &str) -> bool {
    phase == "Succeeded" || phase == "Failed"
}

/// The hash by which upstream tells that a container's definition changed: FNV-1a (32 bit) over Go's dump of the JSON
/// of name and image. Kept bit for bit, so that swapping the kubelet restarts nothing.
pub fn container_hash(container: &Container) -> u32 {
    let json = format!(
        "{{\"image\":{},\"name\":{}}}",
        serde_json::Value::from(container.image.as_str()),
        serde_json::Value::from(container.name.as_str())
    );
    let bytes: Vec<String> = json.bytes().map(|byte| byte.to_string()).collect();
    fnv1a_32(format!("([]uint8)[{}]", bytes.join(" ")).as_bytes())
}

/// FNV-1a, 32 bit.
pub fn fnv1a_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_hash_is_upstreams() {
        let container =
            Container { name: "test_container".into(), image: "foo/image:v1".into(), ..Container::default() };
        assert_eq!(container_hash(&container), 0x8e45_cbd0);
    }
}
