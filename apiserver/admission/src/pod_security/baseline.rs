//! What the baseline level forbids.

use std::collections::BTreeSet;

use api_types::core::v1::{LifecycleHandler, Probe, SELinuxOptions};
use machinery::quote::go_quote;

use super::subject::{Finding, Subject, containers, note, plural, quoted, setters};

const APP_ARMOR_ANNOTATIONS: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_POD_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER_ANNOTATIONS: &str = "container.seccomp.security.alpha.kubernetes.io/";
/// What runtimes give containers anyway.
const DEFAULT_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Sysctls that concern the pod alone; the first five since ever, the others since 1.27, 1.29 and 1.32.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];
/// Types of SELinux for containers; the last since 1.31.
const SE_LINUX_TYPES: [&str; 5] =
    ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/// Profiles of AppArmor, by field and by annotation.
pub(super) fn app_armor(subject: Subject<'_>) -> Option<Finding> {
    let bad = |kind: &str| !matches!(kind, "RuntimeDefault" | "Localhost");
    let mut values = BTreeSet::new();
    let of_pod = subject.security().and_then(|context| context.app_armor_profile.as_deref());
    let pod = note(&mut values, of_pod.map(|profile| profile.type_.as_str()).filter(|kind| bad(kind)));
    let names = subject.containers_where(|container| {
        let profile = container.security.and_then(|context| context.app_armor_profile.as_deref());
        note(&mut values, profile.map(|profile| profile.type_.as_str()).filter(|kind| bad(kind)))
    });
    let allowed =
        |value: &str| value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
    let annotations: Vec<String> = subject
        .annotations
        .iter()
        .filter(|(key, value)| key.starts_with(APP_ARMOR_ANNOTATIONS) && !allowed(value))
        .map(|(key, value)| format!("{key}={}", go_quote(value)))
        .collect();
    let annotated =
        (!annotations.is_empty()).then(|| plural("annotation", "annotations", annotations.len()).to_owned());
    let all: Vec<String> = setters(pod, &names).into_iter().chain(annotated).collect();
    let values: Vec<String> = values.into_iter().chain(annotations).collect();
    if all.is_empty() {
        return None;
    }
    Finding::new(
        plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len()),
        format!("{} must not set AppArmor profile type to {}", all.join(" and "), quoted(values)),
    )
}

/// Capabilities beyond those of every container.
pub(super) fn capabilities(subject: Subject<'_>) -> Option<Finding> {
    let mut added = BTreeSet::new();
    let names = subject.containers_where(|container| {
        let capabilities = container.security.and_then(|context| context.capabilities.as_deref());
        let bad = capabilities.into_iter().flat_map(|capabilities| &capabilities.add);
        let bad = bad.filter(|name| !DEFAULT_CAPABILITIES.contains(&name.as_str()));
        bad.fold(false, |_, name| note(&mut added, Some(name)))
    });
    if names.is_empty() {
        return None;
    }
    Finding::new(
        "non-default capabilities",
        format!(
            "{} must not include {} in securityContext.capabilities.add",
            containers(&names),
            quoted(added)
        ),
    )
}

/// Namespaces of the host.
pub(super) fn host_namespaces(subject: Subject<'_>) -> Option<Finding> {
    let spec = subject.spec;
    let shared: Vec<&str> = [
        (spec.host_network, "hostNetwork=true"),
        (spec.host_pid, "hostPID=true"),
        (spec.host_ipc, "hostIPC=true"),
    ]
    .into_iter()
    .filter_map(|(shared, text)| shared.then_some(text))
    .collect();
    if shared.is_empty() { None } else { Finding::new("host namespaces", shared.join(", ")) }
}

/// Files of the host.
pub(super) fn host_path_volumes(subject: Subject<'_>) -> Option<Finding> {
    let volumes = subject.spec.volumes.iter().filter(|volume| volume.volume_source.host_path.is_some());
    let names: Vec<&str> = volumes.map(|volume| volume.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let detail = format!("{} {}", plural("volume", "volumes", names.len()), quoted(names));
    Finding::new("hostPath volumes", detail)
}

/// Ports of the host.
pub(super) fn host_ports(subject: Subject<'_>) -> Option<Finding> {
    let mut ports = BTreeSet::new();
    let names = subject.containers_where(|container| {
        let used = container.ports.iter().filter(|port| port.host_port != 0);
        used.fold(false, |_, port| note(&mut ports, Some(&port.host_port.to_string())))
    });
    if names.is_empty() {
        return None;
    }
    let uses = plural("uses", "use", names.len());
    let word = plural("hostPort", "hostPorts", ports.len());
    let ports: Vec<String> = ports.into_iter().collect();
    Finding::new("hostPort", format!("{} {uses} {word} {}", containers(&names), ports.join(", ")))
}

/// Probes and hooks that the kubelet would send to other hosts.
pub(super) fn probe_hosts(subject: Subject<'_>) -> Option<Finding> {
    let mut hosts = BTreeSet::new();
    let names: BTreeSet<&str> = subject
        .containers_where(|container| {
            let of_probes = container.probes.into_iter().flatten().flat_map(hosts_of_probe);
            let handlers = container
                .lifecycle
                .into_iter()
                .flat_map(|lifecycle| [lifecycle.post_start.as_deref(), lifecycle.pre_stop.as_deref()]);
            let of_handlers = handlers.flatten().flat_map(hosts_of_handler);
            let found = of_probes.chain(of_handlers).filter(|host| !host.is_empty());
            found.fold(false, |_, host| note(&mut hosts, Some(host)))
        })
        .into_iter()
        .collect();
    if names.is_empty() {
        return None;
    }
    let names: Vec<&str> = names.into_iter().collect();
    let uses = plural("uses", "use", names.len());
    let word = plural("probe or lifecycle host", "probe or lifecycle hosts", hosts.len());
    let detail = format!("{} {uses} {word} {}", containers(&names), quoted(hosts));
    Finding::new("probe or lifecycle host", detail)
}

fn hosts_of_probe(probe: &Probe) -> impl Iterator<Item = &str> {
    let http = probe.handler.http_get.as_deref().map(|http| http.host.as_str());
    let tcp = probe.handler.tcp_socket.as_deref().map(|tcp| tcp.host.as_str());
    http.into_iter().chain(tcp)
}

fn hosts_of_handler(handler: &LifecycleHandler) -> impl Iterator<Item = &str> {
    let http = handler.http_get.as_deref().map(|http| http.host.as_str());
    let tcp = handler.tcp_socket.as_deref().map(|tcp| tcp.host.as_str());
    http.into_iter().chain(tcp)
}

/// Privileged containers.
pub(super) fn privileged(subject: Subject<'_>) -> Option<Finding> {
    let names = subject.containers_where(|container| {
        container.security.is_some_and(|context| context.privileged == Some(true))
    });
    if names.is_empty() {
        return None;
    }
    let detail = format!("{} must not set securityContext.privileged=true", containers(&names));
    Finding::new("privileged", detail)
}

/// A `/proc` without masks.
pub(super) fn proc_mount(subject: Subject<'_>) -> Option<Finding> {
    let mut kinds = BTreeSet::new();
    let names = subject.containers_where(|container| {
        let kind = container.security.and_then(|context| context.proc_mount.as_deref());
        note(&mut kinds, kind.filter(|kind| *kind != "Default"))
    });
    if names.is_empty() {
        return None;
    }
    let detail =
        format!("{} must not set securityContext.procMount to {}", containers(&names), quoted(kinds));
    Finding::new("procMount", detail)
}

/// The same, but in a user namespace it does no harm.
pub(super) fn proc_mount_1_35(subject: Subject<'_>) -> Option<Finding> {
    if subject.has_user_namespace() { None } else { proc_mount(subject) }
}

/// Users, roles and foreign types of SELinux.
pub(super) fn se_linux(subject: Subject<'_>) -> Option<Finding> {
    let allowed = SE_LINUX_TYPES.split_last().map_or(&[][..], |(_, rest)| rest);
    se_linux_of(subject, allowed)
}

/// The same, and containers may run containers.
pub(super) fn se_linux_1_31(subject: Subject<'_>) -> Option<Finding> {
    se_linux_of(subject, &SE_LINUX_TYPES)
}

fn se_linux_of(subject: Subject<'_>, allowed: &[&str]) -> Option<Finding> {
    let (mut types, mut user, mut role) = (BTreeSet::new(), false, false);
    let mut bad = |options: Option<&SELinuxOptions>| {
        let Some(options) = options else { return false };
        let kind = Some(options.type_.as_str()).filter(|kind| !allowed.contains(kind));
        user |= !options.user.is_empty();
        role |= !options.role.is_empty();
        note(&mut types, kind) || !options.user.is_empty() || !options.role.is_empty()
    };
    let pod = bad(subject.security().and_then(|context| context.se_linux_options.as_deref()));
    let names = subject.containers_where(|container| {
        bad(container.security.and_then(|context| context.se_linux_options.as_deref()))
    });
    let who = setters(pod, &names)?;
    let kinds =
        (!types.is_empty()).then(|| format!("{} {}", plural("type", "types", types.len()), quoted(&types)));
    let user = user.then(|| "user may not be set".to_owned());
    let role = role.then(|| "role may not be set".to_owned());
    let what: Vec<String> = kinds.into_iter().chain(user).chain(role).collect();
    let detail = format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; "));
    Finding::new("seLinuxOptions", detail)
}

/// True for profiles of seccomp that confine.
pub(super) fn seccomp_confines(kind: &str) -> bool {
    matches!(kind, "Localhost" | "RuntimeDefault")
}

/// Profiles of seccomp by annotation, as they were before 1.19.
pub(super) fn seccomp_annotations(subject: Subject<'_>) -> Option<Finding> {
    let allowed = |value: &str| {
        matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/")
    };
    let of_containers =
        subject.containers().map(|container| format!("{SECCOMP_CONTAINER_ANNOTATIONS}{}", container.name));
    let forbidden: BTreeSet<String> = std::iter::once(SECCOMP_POD_ANNOTATION.to_owned())
        .chain(of_containers)
        .filter_map(|key| {
            let value = subject.annotations.get(&key).filter(|value| !allowed(value))?;
            Some(format!("{key}={}", go_quote(value)))
        })
        .collect();
    if forbidden.is_empty() {
        return None;
    }
    let word = plural("annotation", "annotations", forbidden.len());
    let forbidden: Vec<String> = forbidden.into_iter().collect();
    Finding::new("seccompProfile", format!("forbidden {word} {}", forbidden.join(", ")))
}

/// Profiles of seccomp that do not confine.
pub(super) fn seccomp(subject: Subject<'_>) -> Option<Finding> {
    let mut kinds = BTreeSet::new();
    let of_pod = subject.security().and_then(|context| context.seccomp_profile.as_deref());
    let bad = |kind: &&str| !seccomp_confines(kind);
    let pod = note(&mut kinds, of_pod.map(|profile| profile.type_.as_str()).filter(bad));
    let names = subject.containers_where(|container| {
        let profile = container.security.and_then(|context| context.seccomp_profile.as_deref());
        note(&mut kinds, profile.map(|profile| profile.type_.as_str()).filter(bad))
    });
    let who = setters(pod, &names)?;
    let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(kinds));
    Finding::new("seccompProfile", detail)
}

/// Sysctls that concern more than the pod.
pub(super) fn sysctls(subject: Subject<'_>) -> Option<Finding> {
    sysctls_beyond(subject, 5)
}

/// The same, with one more allowed.
pub(super) fn sysctls_1_27(subject: Subject<'_>) -> Option<Finding> {
    sysctls_beyond(subject, 6)
}

/// The same, with those of keep-alive.
pub(super) fn sysctls_1_29(subject: Subject<'_>) -> Option<Finding> {
    sysctls_beyond(subject, 10)
}

/// The same, with buffer sizes.
pub(super) fn sysctls_1_32(subject: Subject<'_>) -> Option<Finding> {
    sysctls_beyond(subject, SYSCTLS.len())
}

fn sysctls_beyond(subject: Subject<'_>, allowed: usize) -> Option<Finding> {
    let set = subject.security().into_iter().flat_map(|context| &context.sysctls);
    let names = set.map(|sysctl| sysctl.name.as_str());
    let forbidden: Vec<&str> =
        names.filter(|name| !SYSCTLS.iter().take(allowed).any(|known| known == name)).collect();
    if forbidden.is_empty() { None } else { Finding::new("forbidden sysctls", forbidden.join(", ")) }
}

/// Containers of Windows that are processes of the host.
pub(super) fn host_process(subject: Subject<'_>) -> Option<Finding> {
    let of_pod = subject.security().and_then(|context| context.windows_options.as_deref());
    let pod = of_pod.is_some_and(|options| options.host_process == Some(true));
    let names = subject.containers_where(|container| {
        let options = container.security.and_then(|context| context.windows_options.as_deref());
        options.is_some_and(|options| options.host_process == Some(true))
    });
    let who = setters(pod, &names)?;
    Finding::new("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true"))
}
