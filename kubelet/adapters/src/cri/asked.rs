//! What the kubelet asks for, in the words of CRI.

use kubelet_core::ports::{self, NamespaceMode, SeccompProfile};
use proto::cri;
use proto::cri::security_profile::ProfileType;

/// A sandbox's configuration.
pub(super) fn sandbox(config: &ports::SandboxConfig) -> cri::PodSandboxConfig {
    cri::PodSandboxConfig {
        metadata: Some(cri::PodSandboxMetadata {
            name: config.name.clone(),
            uid: config.uid.clone(),
            namespace: config.namespace.clone(),
            attempt: config.attempt,
        }),
        hostname: config.hostname.clone(),
        log_directory: config.log_directory.clone(),
        dns_config: config.dns.as_ref().map(|dns| cri::DnsConfig {
            servers: dns.servers.clone(),
            searches: dns.searches.clone(),
            options: dns.options.clone(),
        }),
        port_mappings: config.port_mappings.iter().map(port_mapping).collect(),
        labels: config.labels.clone(),
        annotations: config.annotations.clone(),
        linux: Some(cri::LinuxPodSandboxConfig {
            cgroup_parent: config.cgroup_parent.clone(),
            security_context: Some(sandbox_security(&config.security)),
            sysctls: config.sysctls.clone(),
            overhead: Some(resources(&config.overhead)),
            resources: Some(resources(&config.resources)),
        }),
    }
}

/// A container's configuration.
pub(super) fn container(config: &ports::ContainerConfig) -> cri::ContainerConfig {
    cri::ContainerConfig {
        metadata: Some(cri::ContainerMetadata { name: config.name.clone(), attempt: config.attempt }),
        image: Some(cri::ImageSpec {
            image: config.image.clone(),
            user_specified_image: config.user_specified_image.clone(),
            runtime_handler: config.runtime_handler.clone(),
            ..Default::default()
        }),
        command: config.command.clone(),
        args: config.args.clone(),
        working_dir: config.working_dir.clone(),
        envs: config
            .env
            .iter()
            .map(|(key, value)| cri::KeyValue { key: key.clone(), value: value.clone() })
            .collect(),
        mounts: config.mounts.iter().map(mount).collect(),
        devices: config
            .devices
            .iter()
            .map(|device| cri::Device {
                container_path: device.container_path.clone(),
                host_path: device.host_path.clone(),
                permissions: device.permissions.clone(),
            })
            .collect(),
        labels: config.labels.clone(),
        annotations: config.annotations.clone(),
        log_path: config.log_path.clone(),
        stdin: config.stdin,
        stdin_once: config.stdin_once,
        tty: config.tty,
        linux: Some(cri::LinuxContainerConfig {
            resources: Some(resources(&config.resources)),
            security_context: Some(container_security(&config.security)),
        }),
        cdi_devices: config.cdi_devices.iter().map(|name| cri::CdiDevice { name: name.clone() }).collect(),
        stop_signal: cri::Signal::from_str_name(&config.stop_signal)
            .unwrap_or(cri::Signal::RuntimeDefault)
            .into(),
    }
}

/// Linux limits; CRI says "leave it" with zero.
pub(super) fn resources(from: &ports::ContainerResources) -> cri::LinuxContainerResources {
    cri::LinuxContainerResources {
        cpu_period: from.cpu_period.unwrap_or_default(),
        cpu_quota: from.cpu_quota.unwrap_or_default(),
        cpu_shares: from.cpu_shares.unwrap_or_default(),
        memory_limit_in_bytes: from.memory_limit_bytes.unwrap_or_default(),
        oom_score_adj: from.oom_score_adj.unwrap_or_default(),
        cpuset_cpus: from.cpuset_cpus.clone(),
        cpuset_mems: from.cpuset_mems.clone(),
        hugepage_limits: from
            .hugepage_limits
            .iter()
            .map(|(page_size, limit)| cri::HugepageLimit { page_size: page_size.clone(), limit: *limit })
            .collect(),
        unified: from.unified.clone(),
        memory_swap_limit_in_bytes: from.memory_swap_limit_bytes.unwrap_or_default(),
    }
}

/// Registry credentials.
pub(super) fn auth(from: &ports::ImageCredentials) -> cri::AuthConfig {
    cri::AuthConfig {
        username: from.username.clone(),
        password: from.password.clone(),
        auth: from.auth.clone(),
        server_address: from.server_address.clone(),
        identity_token: from.identity_token.clone(),
        registry_token: from.registry_token.clone(),
    }
}

fn port_mapping(from: &ports::PortMapping) -> cri::PortMapping {
    let protocol = cri::Protocol::from_str_name(&from.protocol).unwrap_or(cri::Protocol::Tcp);
    cri::PortMapping {
        protocol: protocol.into(),
        container_port: from.container_port,
        host_port: from.host_port,
        host_ip: from.host_ip.clone(),
    }
}

fn mount(from: &ports::Mount) -> cri::Mount {
    let propagation = match from.propagation {
        ports::MountPropagation::Private => cri::MountPropagation::PropagationPrivate,
        ports::MountPropagation::HostToContainer => cri::MountPropagation::PropagationHostToContainer,
        ports::MountPropagation::Bidirectional => cri::MountPropagation::PropagationBidirectional,
    };
    cri::Mount {
        container_path: from.container_path.clone(),
        host_path: from.host_path.clone(),
        readonly: from.readonly,
        selinux_relabel: from.selinux_relabel,
        propagation: propagation.into(),
        recursive_read_only: from.recursive_readonly,
        image: (!from.image.is_empty()).then(|| super::images::spec(&from.image)),
        image_sub_path: from.image_sub_path.clone(),
        uid_mappings: Vec::new(),
        gid_mappings: Vec::new(),
    }
}

fn sandbox_security(from: &ports::SandboxSecurity) -> cri::LinuxSandboxSecurityContext {
    cri::LinuxSandboxSecurityContext {
        namespace_options: Some(namespaces(&from.namespaces)),
        selinux_options: from.selinux.as_ref().map(selinux),
        run_as_user: from.run_as_user.map(int64),
        run_as_group: from.run_as_group.map(int64),
        readonly_rootfs: from.readonly_rootfs,
        supplemental_groups: from.supplemental_groups.clone(),
        supplemental_groups_policy: groups_policy(from.supplemental_groups_policy),
        privileged: from.privileged,
        seccomp: Some(profile(&from.seccomp)),
        apparmor: from.apparmor.as_ref().map(profile),
        ..Default::default()
    }
}

fn container_security(from: &ports::ContainerSecurity) -> cri::LinuxContainerSecurityContext {
    cri::LinuxContainerSecurityContext {
        capabilities: Some(cri::Capability {
            add_capabilities: from.add_capabilities.clone(),
            drop_capabilities: from.drop_capabilities.clone(),
            add_ambient_capabilities: Vec::new(),
        }),
        privileged: from.privileged,
        namespace_options: Some(namespaces(&from.namespaces)),
        selinux_options: from.selinux.as_ref().map(selinux),
        run_as_user: from.run_as_user.map(int64),
        run_as_group: from.run_as_group.map(int64),
        run_as_username: from.run_as_username.clone(),
        readonly_rootfs: from.readonly_rootfs,
        supplemental_groups: from.supplemental_groups.clone(),
        supplemental_groups_policy: groups_policy(from.supplemental_groups_policy),
        no_new_privs: from.no_new_privs,
        masked_paths: from.masked_paths.clone(),
        readonly_paths: from.readonly_paths.clone(),
        seccomp: Some(profile(&from.seccomp)),
        apparmor: from.apparmor.as_ref().map(profile),
        // Runtimes before CRI 1.21 read the profile from this string alone.
        apparmor_profile: from.apparmor.as_ref().map(apparmor_name).unwrap_or_default(),
        ..Default::default()
    }
}

fn namespaces(from: &ports::Namespaces) -> cri::NamespaceOption {
    let mode = |mode: &NamespaceMode| -> i32 {
        match mode {
            NamespaceMode::Pod => cri::NamespaceMode::Pod,
            NamespaceMode::Container => cri::NamespaceMode::Container,
            NamespaceMode::Node => cri::NamespaceMode::Node,
            NamespaceMode::Target(_) => cri::NamespaceMode::Target,
        }
        .into()
    };
    let target = |mode: &NamespaceMode| match mode {
        NamespaceMode::Target(id) => id.clone(),
        _ => String::new(),
    };
    cri::NamespaceOption {
        network: mode(&from.network),
        pid: mode(&from.pid),
        ipc: mode(&from.ipc),
        target_id: target(&from.pid),
        userns_options: None,
    }
}

fn profile(from: &SeccompProfile) -> cri::SecurityProfile {
    let (profile_type, localhost_ref) = match from {
        SeccompProfile::Unconfined => (ProfileType::Unconfined, String::new()),
        SeccompProfile::RuntimeDefault => (ProfileType::RuntimeDefault, String::new()),
        SeccompProfile::Localhost(path) => (ProfileType::Localhost, path.clone()),
    };
    cri::SecurityProfile { profile_type: profile_type.into(), localhost_ref }
}

fn apparmor_name(from: &SeccompProfile) -> String {
    match from {
        SeccompProfile::Unconfined => "unconfined".to_owned(),
        SeccompProfile::RuntimeDefault => "runtime/default".to_owned(),
        SeccompProfile::Localhost(name) => format!("localhost/{name}"),
    }
}

fn groups_policy(from: ports::SupplementalGroupsPolicy) -> i32 {
    match from {
        ports::SupplementalGroupsPolicy::Merge => cri::SupplementalGroupsPolicy::Merge,
        ports::SupplementalGroupsPolicy::Strict => cri::SupplementalGroupsPolicy::Strict,
    }
    .into()
}

fn selinux(from: &ports::SelinuxLabel) -> cri::SeLinuxOption {
    cri::SeLinuxOption {
        user: from.user.clone(),
        role: from.role.clone(),
        r#type: from.type_.clone(),
        level: from.level.clone(),
    }
}

fn int64(value: i64) -> cri::Int64Value {
    cri::Int64Value { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_namespace_names_its_container() {
        let wanted = ports::Namespaces {
            pid: NamespaceMode::Target("abc".to_owned()),
            network: NamespaceMode::Node,
            ..Default::default()
        };
        let made = namespaces(&wanted);
        assert_eq!(made.pid(), cri::NamespaceMode::Target);
        assert_eq!(made.network(), cri::NamespaceMode::Node);
        assert_eq!(made.ipc(), cri::NamespaceMode::Pod);
        assert_eq!(made.target_id, "abc");
    }

    #[test]
    fn unset_limits_are_zero() {
        let wanted = ports::ContainerResources { cpu_quota: Some(-1), ..Default::default() };
        let made = resources(&wanted);
        assert_eq!((made.cpu_quota, made.cpu_shares, made.memory_limit_in_bytes), (-1, 0, 0));
    }

    #[test]
    fn an_image_mount_has_no_host_path() {
        let wanted = ports::Mount { image: "sha256:1".to_owned(), ..Default::default() };
        assert_eq!(mount(&wanted).image.map(|image| image.image), Some("sha256:1".to_owned()));
        assert_eq!(mount(&ports::Mount::default()).image, None);
    }

    #[test]
    fn stop_signal_and_protocol_by_name() {
        let config = ports::ContainerConfig { stop_signal: "SIGUSR1".to_owned(), ..Default::default() };
        assert_eq!(container(&config).stop_signal(), cri::Signal::Sigusr1);
        assert_eq!(container(&ports::ContainerConfig::default()).stop_signal(), cri::Signal::RuntimeDefault);
        let mapping = ports::PortMapping {
            protocol: "SCTP".to_owned(),
            container_port: 1,
            host_port: 2,
            host_ip: String::new(),
        };
        assert_eq!(port_mapping(&mapping).protocol(), cri::Protocol::Sctp);
    }
}
