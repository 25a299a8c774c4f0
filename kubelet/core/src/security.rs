//! What a container may do: users, groups, capabilities, profiles, namespaces, hidden paths of /proc.

use api_types::core::v1::{
    Container, Pod, PodSecurityContext, SELinuxOptions, SeccompProfile as ApiSeccomp, SecurityContext,
};

use crate::pod;
use crate::ports::{
    ContainerSecurity, NamespaceMode, Namespaces, SandboxSecurity, SeccompProfile, SelinuxLabel,
    SupplementalGroupsPolicy,
};

/// Why a container's security settings cannot be met. The text is that of the container's waiting message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecurityError {
    #[error("container's runAsUser breaks non-root policy (pod: {pod:?}, container: {container})")]
    RunsAsRoot { pod: String, container: String },
    #[error(
        "container has runAsNonRoot and image has non-numeric user ({user}), cannot verify user is non-root \
         (pod: {pod:?}, container: {container})"
    )]
    NonNumericUser { user: String, pod: String, container: String },
    #[error("container has runAsNonRoot and image will run as root (pod: {pod:?}, container: {container})")]
    ImageRunsAsRoot { pod: String, container: String },
    #[error("localhostProfile must be set if seccompProfile type is Localhost.")]
    MissingSeccompProfile,
    #[error("unsupported supplementalGroupsPolicy: {0}")]
    SupplementalGroupsPolicy(String),
    #[error("user namespaces (hostUsers: false) are not supported by this runtime")]
    UserNamespaces,
}

/// What the node and the image add to a container's own settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct SecurityFacts<'a> {
    /// Numeric user of the image.
    pub image_uid: Option<i64>,
    /// Named user of the image.
    pub image_username: &'a str,
    /// Where localhost seccomp profiles are (`<root>/seccomp`).
    pub seccomp_root: &'a str,
    /// `seccompDefault`: `RuntimeDefault` when nothing is said.
    pub seccomp_default: bool,
    /// Groups that volumes ask for.
    pub volume_groups: &'a [i64],
    /// For an ephemeral container: whose process namespace it joins.
    pub target_id: Option<&'a str>,
}

/// Paths of /proc hidden from a container with the default proc mount.
pub const MASKED_PATHS: [&str; 10] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
];
/// Further hidden paths.
pub const MASKED_SYS_PATHS: [&str; 2] = ["/sys/firmware", "/sys/devices/virtual/powercap"];
/// Paths of /proc a container with the default proc mount may not write.
pub const READONLY_PATHS: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The namespaces of a pod's sandbox and containers.
pub fn namespaces(pod: &Pod) -> Namespaces {
    let host = |flag: bool| if flag { NamespaceMode::Node } else { NamespaceMode::Pod };
    let pid = if pod.spec.host_pid {
        NamespaceMode::Node
    } else if pod.spec.share_process_namespace == Some(true) {
        NamespaceMode::Pod
    } else {
        NamespaceMode::Container
    };
    Namespaces { network: host(pod.spec.host_network), pid, ipc: host(pod.spec.host_ipc) }
}

/// The settings of a container.
pub fn container_security(
    pod: &Pod,
    container: &Container,
    facts: &SecurityFacts<'_>,
) -> Result<ContainerSecurity, SecurityError> {
    if pod.spec.host_users == Some(false) {
        return Err(SecurityError::UserNamespaces);
    }
    let of_pod = pod.spec.security_context.as_deref();
    let own = container.security_context.as_deref();
    verify_non_root(pod, container, facts)?;

    let mut namespaces = namespaces(pod);
    if let Some(target) = facts.target_id
        && namespaces.pid == NamespaceMode::Container
    {
        namespaces.pid = NamespaceMode::Target(target.to_owned());
    }
    let privileged = own.and_then(|own| own.privileged) == Some(true);
    let run_as_user = own.and_then(|own| own.run_as_user).or(of_pod.and_then(|pod| pod.run_as_user));
    let unmasked = own.and_then(|own| own.proc_mount.as_deref()) == Some("Unmasked");
    let paths = |lists: &[&[&str]]| -> Vec<String> {
        if unmasked {
            Vec::new()
        } else {
            lists.iter().flat_map(|list| list.iter()).map(|path| (*path).to_owned()).collect()
        }
    };
    let capabilities = own.and_then(|own| own.capabilities.as_deref());
    Ok(ContainerSecurity {
        namespaces,
        run_as_user: run_as_user.or(facts.image_uid),
        run_as_username: if run_as_user.is_none() { facts.image_username.to_owned() } else { String::new() },
        run_as_group: own.and_then(|own| own.run_as_group).or(of_pod.and_then(|pod| pod.run_as_group)),
        supplemental_groups: supplemental_groups(of_pod, facts.volume_groups),
        supplemental_groups_policy: groups_policy(of_pod)?,
        readonly_rootfs: own.and_then(|own| own.read_only_root_filesystem) == Some(true),
        privileged,
        // Asked for, or not forbidden: escalation is allowed unless it is switched off.
        no_new_privs: own.and_then(|own| own.allow_privilege_escalation) == Some(false),
        add_capabilities: capabilities.map(|list| list.add.clone()).unwrap_or_default(),
        drop_capabilities: capabilities.map(|list| list.drop.clone()).unwrap_or_default(),
        seccomp: seccomp(of_pod, own, facts)?,
        apparmor: apparmor(pod, container),
        selinux: own
            .and_then(|own| own.se_linux_options.as_deref())
            .or(of_pod.and_then(|pod| pod.se_linux_options.as_deref()))
            .map(selinux),
        masked_paths: paths(&[&MASKED_PATHS, &MASKED_SYS_PATHS]),
        readonly_paths: paths(&[&READONLY_PATHS]),
    })
}

/// The settings of a sandbox. Its seccomp profile is always the runtime's default: it only holds namespaces.
pub fn sandbox_security(pod: &Pod, volume_groups: &[i64]) -> Result<SandboxSecurity, SecurityError> {
    if pod.spec.host_users == Some(false) {
        return Err(SecurityError::UserNamespaces);
    }
    let of_pod = pod.spec.security_context.as_deref();
    let privileged = pod::containers(pod).any(|(_, _, container)| {
        container.security_context.as_ref().and_then(|own| own.privileged) == Some(true)
    });
    Ok(SandboxSecurity {
        namespaces: namespaces(pod),
        run_as_user: of_pod.and_then(|pod| pod.run_as_user),
        run_as_group: of_pod.and_then(|pod| pod.run_as_group),
        supplemental_groups: supplemental_groups(of_pod, volume_groups),
        supplemental_groups_policy: groups_policy(of_pod)?,
        readonly_rootfs: false,
        privileged,
        seccomp: SeccompProfile::RuntimeDefault,
        apparmor: None,
        selinux: of_pod.and_then(|pod| pod.se_linux_options.as_deref()).map(selinux),
    })
}

/// `runAsNonRoot` can only be promised for a numeric user.
fn verify_non_root(pod: &Pod, container: &Container, facts: &SecurityFacts<'_>) -> Result<(), SecurityError> {
    let of_pod = pod.spec.security_context.as_deref();
    let own = container.security_context.as_deref();
    let non_root = own.and_then(|own| own.run_as_non_root).or(of_pod.and_then(|pod| pod.run_as_non_root));
    if non_root != Some(true) {
        return Ok(());
    }
    let (pod_name, container_name) = (pod::describe(pod), container.name.clone());
    let user = own.and_then(|own| own.run_as_user).or(of_pod.and_then(|pod| pod.run_as_user));
    match (user, facts.image_uid) {
        (Some(0), _) => Err(SecurityError::RunsAsRoot { pod: pod_name, container: container_name }),
        (Some(_), _) => Ok(()),
        (None, Some(0)) => Err(SecurityError::ImageRunsAsRoot { pod: pod_name, container: container_name }),
        (None, Some(_)) => Ok(()),
        (None, None) if !facts.image_username.is_empty() => Err(SecurityError::NonNumericUser {
            user: facts.image_username.to_owned(),
            pod: pod_name,
            container: container_name,
        }),
        (None, None) => Ok(()),
    }
}

fn supplemental_groups(of_pod: Option<&PodSecurityContext>, volume_groups: &[i64]) -> Vec<i64> {
    let fs_group = of_pod.and_then(|pod| pod.fs_group);
    let listed = of_pod.map(|pod| pod.supplemental_groups.as_slice()).unwrap_or_default();
    fs_group.into_iter().chain(listed.iter().copied()).chain(volume_groups.iter().copied()).collect()
}

fn groups_policy(of_pod: Option<&PodSecurityContext>) -> Result<SupplementalGroupsPolicy, SecurityError> {
    match of_pod.and_then(|pod| pod.supplemental_groups_policy.as_deref()) {
        None | Some("" | "Merge") => Ok(SupplementalGroupsPolicy::Merge),
        Some("Strict") => Ok(SupplementalGroupsPolicy::Strict),
        Some(other) => Err(SecurityError::SupplementalGroupsPolicy(other.to_owned())),
    }
}

fn seccomp(
    of_pod: Option<&PodSecurityContext>,
    own: Option<&SecurityContext>,
    facts: &SecurityFacts<'_>,
) -> Result<SeccompProfile, SecurityError> {
    let profile: Option<&ApiSeccomp> = own
        .and_then(|own| own.seccomp_profile.as_deref())
        .or(of_pod.and_then(|pod| pod.seccomp_profile.as_deref()));
    let Some(profile) = profile else {
        return Ok(if facts.seccomp_default {
            SeccompProfile::RuntimeDefault
        } else {
            SeccompProfile::Unconfined
        });
    };
    match profile.type_.as_str() {
        "RuntimeDefault" => Ok(SeccompProfile::RuntimeDefault),
        "Localhost" => match profile.localhost_profile.as_deref() {
            Some(name) if !name.is_empty() => {
                Ok(SeccompProfile::Localhost(format!("{}/{name}", facts.seccomp_root)))
            }
            _ => Err(SecurityError::MissingSeccompProfile),
        },
        _ => Ok(SeccompProfile::Unconfined),
    }
}

/// The AppArmor profile of a container; by field, else by the old annotation.
fn apparmor(pod: &Pod, container: &Container) -> Option<SeccompProfile> {
    let field = container.security_context.as_ref().and_then(|own| own.app_armor_profile.as_deref()).or(pod
        .spec
        .security_context
        .as_ref()
        .and_then(|of_pod| of_pod.app_armor_profile.as_deref()));
    if let Some(profile) = field {
        return match profile.type_.as_str() {
            "RuntimeDefault" => Some(SeccompProfile::RuntimeDefault),
            "Unconfined" => Some(SeccompProfile::Unconfined),
            "Localhost" => profile.localhost_profile.clone().map(SeccompProfile::Localhost),
            _ => None,
        };
    }
    let key = format!("container.apparmor.security.beta.kubernetes.io/{}", container.name);
    match pod.metadata.annotations.get(&key)?.as_str() {
        "runtime/default" => Some(SeccompProfile::RuntimeDefault),
        "unconfined" => Some(SeccompProfile::Unconfined),
        other => other.strip_prefix("localhost/").map(|name| SeccompProfile::Localhost(name.to_owned())),
    }
}

fn selinux(options: &SELinuxOptions) -> SelinuxLabel {
    SelinuxLabel {
        user: options.user.clone(),
        role: options.role.clone(),
        type_: options.type_.clone(),
        level: options.level.clone(),
    }
}
