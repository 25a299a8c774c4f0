//! What the runtime tells, in the words of the kubelet.

use jiff::Timestamp;
use kubelet_core::ports;
use proto::cri;

/// A time in nanoseconds since 1970; zero means "never".
pub(super) fn time(nanoseconds: i64) -> Option<Timestamp> {
    (nanoseconds > 0).then(|| Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()).flatten()
}

fn time_or_epoch(nanoseconds: i64) -> Timestamp {
    time(nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(super) fn sandbox_summary(from: cri::PodSandbox) -> ports::SandboxSummary {
    let state = sandbox_state(from.state());
    let metadata = from.metadata.unwrap_or_default();
    ports::SandboxSummary {
        id: from.id,
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        attempt: metadata.attempt,
        state,
        created_at: time_or_epoch(from.created_at),
        labels: from.labels,
        annotations: from.annotations,
        runtime_handler: from.runtime_handler,
    }
}

pub(super) fn sandbox_status(from: cri::PodSandboxStatus) -> ports::SandboxStatus {
    let state = sandbox_state(from.state());
    let metadata = from.metadata.unwrap_or_default();
    let host_network = from
        .linux
        .and_then(|linux| linux.namespaces)
        .and_then(|namespaces| namespaces.options)
        .is_some_and(|options| options.network() == cri::NamespaceMode::Node);
    let network = from.network.unwrap_or_default();
    let all = std::iter::once(network.ip).chain(network.additional_ips.into_iter().map(|ip| ip.ip));
    ports::SandboxStatus {
        summary: ports::SandboxSummary {
            id: from.id,
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            attempt: metadata.attempt,
            state,
            created_at: time_or_epoch(from.created_at),
            labels: from.labels,
            annotations: from.annotations,
            runtime_handler: from.runtime_handler,
        },
        ips: if host_network { Vec::new() } else { all.filter(|ip| !ip.is_empty()).collect() },
        host_network,
    }
}

pub(super) fn container_summary(from: cri::Container) -> ports::ContainerSummary {
    let state = container_state(from.state());
    let metadata = from.metadata.unwrap_or_default();
    ports::ContainerSummary {
        id: from.id,
        sandbox_id: from.pod_sandbox_id,
        name: metadata.name,
        attempt: metadata.attempt,
        image: from.image.map(|image| image.image).unwrap_or_default(),
        image_ref: from.image_ref,
        state,
        created_at: time_or_epoch(from.created_at),
        labels: from.labels,
        annotations: from.annotations,
    }
}

/// CRI's status does not name the sandbox: runtimes tell it in the verbose facts, lists tell it plainly.
pub(super) fn container_status(from: cri::ContainerStatus, sandbox_id: String) -> ports::ContainerStatus {
    let state = container_state(from.state());
    let stop_signal = match from.stop_signal() {
        cri::Signal::RuntimeDefault => None,
        signal => Some(signal.as_str_name().to_owned()),
    };
    let metadata = from.metadata.unwrap_or_default();
    ports::ContainerStatus {
        id: from.id,
        sandbox_id,
        name: metadata.name,
        attempt: metadata.attempt,
        state,
        created_at: time_or_epoch(from.created_at),
        started_at: time(from.started_at),
        finished_at: time(from.finished_at),
        exit_code: from.exit_code,
        image: from.image.map(|image| image.image).unwrap_or_default(),
        image_id: if from.image_id.is_empty() { from.image_ref.clone() } else { from.image_id },
        image_ref: from.image_ref,
        reason: from.reason,
        message: from.message,
        labels: from.labels,
        annotations: from.annotations,
        log_path: from.log_path,
        mounts: from.mounts.into_iter().map(mount).collect(),
        resources: from.resources.and_then(|all| all.linux).map(resources),
        user: from.user.and_then(|user| user.linux).map(|user| ports::ContainerUser {
            uid: user.uid,
            gid: user.gid,
            supplemental_groups: user.supplemental_groups,
        }),
        stop_signal,
    }
}

pub(super) fn image(from: cri::Image) -> ports::ImageSummary {
    ports::ImageSummary {
        id: from.id,
        repo_tags: from.repo_tags,
        repo_digests: from.repo_digests,
        size_bytes: from.size,
        uid: from.uid.map(|uid| uid.value),
        username: from.username,
        pinned: from.pinned,
    }
}

pub(super) fn container_usage(from: cri::ContainerStats) -> ports::ContainerUsage {
    let attributes = from.attributes.unwrap_or_default();
    let cpu = from.cpu.unwrap_or_default();
    let memory = from.memory.unwrap_or_default();
    let layer = from.writable_layer.unwrap_or_default();
    ports::ContainerUsage {
        container_id: attributes.id,
        name: attributes.metadata.unwrap_or_default().name,
        labels: attributes.labels,
        at: time_or_epoch(cpu.timestamp.max(memory.timestamp)),
        cpu_total_nanos: number(cpu.usage_core_nano_seconds),
        cpu_usage_nanocores: number(cpu.usage_nano_cores),
        memory_working_set_bytes: number(memory.working_set_bytes),
        memory_usage_bytes: number(memory.usage_bytes),
        memory_rss_bytes: number(memory.rss_bytes),
        memory_available_bytes: number(memory.available_bytes),
        memory_page_faults: number(memory.page_faults),
        memory_major_page_faults: number(memory.major_page_faults),
        writable_layer_bytes: number(layer.used_bytes),
        writable_layer_inodes: number(layer.inodes_used),
    }
}

pub(super) fn pod_usage(from: cri::PodSandboxStats) -> ports::PodUsage {
    let attributes = from.attributes.unwrap_or_default();
    let linux = from.linux.unwrap_or_default();
    let cpu = linux.cpu.unwrap_or_default();
    let memory = linux.memory.unwrap_or_default();
    let network = linux.network.and_then(|network| network.default_interface).unwrap_or_default();
    ports::PodUsage {
        sandbox_id: attributes.id,
        labels: attributes.labels,
        at: time_or_epoch(cpu.timestamp.max(memory.timestamp)),
        cpu_total_nanos: number(cpu.usage_core_nano_seconds),
        cpu_usage_nanocores: number(cpu.usage_nano_cores),
        memory_working_set_bytes: number(memory.working_set_bytes),
        memory_usage_bytes: number(memory.usage_bytes),
        memory_rss_bytes: number(memory.rss_bytes),
        network_interface: network.name,
        network_rx_bytes: number(network.rx_bytes),
        network_rx_errors: number(network.rx_errors),
        network_tx_bytes: number(network.tx_bytes),
        network_tx_errors: number(network.tx_errors),
        process_count: linux.process.and_then(|process| number(process.process_count)),
    }
}

fn number(from: Option<cri::UInt64Value>) -> Option<u64> {
    from.map(|number| number.value)
}

fn sandbox_state(from: cri::PodSandboxState) -> ports::SandboxState {
    match from {
        cri::PodSandboxState::SandboxReady => ports::SandboxState::Ready,
        cri::PodSandboxState::SandboxNotready => ports::SandboxState::NotReady,
    }
}

fn container_state(from: cri::ContainerState) -> ports::ContainerState {
    match from {
        cri::ContainerState::ContainerCreated => ports::ContainerState::Created,
        cri::ContainerState::ContainerRunning => ports::ContainerState::Running,
        cri::ContainerState::ContainerExited => ports::ContainerState::Exited,
        cri::ContainerState::ContainerUnknown => ports::ContainerState::Unknown,
    }
}

fn mount(from: cri::Mount) -> ports::Mount {
    ports::Mount {
        readonly: from.readonly,
        recursive_readonly: from.recursive_read_only,
        selinux_relabel: from.selinux_relabel,
        propagation: match from.propagation() {
            cri::MountPropagation::PropagationPrivate => ports::MountPropagation::Private,
            cri::MountPropagation::PropagationHostToContainer => ports::MountPropagation::HostToContainer,
            cri::MountPropagation::PropagationBidirectional => ports::MountPropagation::Bidirectional,
        },
        container_path: from.container_path,
        host_path: from.host_path,
        image: from.image.map(|image| image.image).unwrap_or_default(),
        image_sub_path: from.image_sub_path,
    }
}

fn resources(from: cri::LinuxContainerResources) -> ports::ContainerResources {
    let set = |value: i64| (value != 0).then_some(value);
    ports::ContainerResources {
        cpu_shares: set(from.cpu_shares),
        cpu_quota: set(from.cpu_quota),
        cpu_period: set(from.cpu_period),
        memory_limit_bytes: set(from.memory_limit_in_bytes),
        memory_swap_limit_bytes: set(from.memory_swap_limit_in_bytes),
        oom_score_adj: set(from.oom_score_adj),
        cpuset_cpus: from.cpuset_cpus,
        cpuset_mems: from.cpuset_mems,
        hugepage_limits: from.hugepage_limits.into_iter().map(|page| (page.page_size, page.limit)).collect(),
        unified: from.unified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_never() {
        assert_eq!(time(0), None);
        assert_eq!(time(-1), None);
        assert_eq!(time(1_500_000_000).map(|at| at.to_string()), Some("1970-01-01T00:00:01.5Z".to_owned()));
    }

    fn status(ip: &str, more: &[&str], network: cri::NamespaceMode) -> cri::PodSandboxStatus {
        let options = cri::NamespaceOption { network: network.into(), ..Default::default() };
        cri::PodSandboxStatus {
            network: Some(cri::PodSandboxNetworkStatus {
                ip: ip.to_owned(),
                additional_ips: more.iter().map(|ip| cri::PodIp { ip: (*ip).to_owned() }).collect(),
            }),
            linux: Some(cri::LinuxPodSandboxStatus {
                namespaces: Some(cri::Namespace { options: Some(options) }),
            }),
            ..Default::default()
        }
    }

    #[test]
    fn addresses_of_a_sandbox() {
        let check = |from, expected: &[&str]| assert_eq!(sandbox_status(from).ips, expected);
        check(status("10.0.0.1", &["fd00::1"], cri::NamespaceMode::Pod), &["10.0.0.1", "fd00::1"]);
        check(status("", &[], cri::NamespaceMode::Pod), &[]);
        check(status("192.168.1.1", &[], cri::NamespaceMode::Node), &[]);
    }
}
