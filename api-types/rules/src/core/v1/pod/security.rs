//! Validation of security contexts and of the annotations that came before them.

use super::{containers, options::PodRules, paths};
use crate::report::Report;
use api_types::core::v1::{
    AppArmorProfile, PodSpec, SeccompProfile, SecurityContext, WindowsSecurityContextOptions,
};
use machinery::{
    Message,
    field::{ErrorList, Path},
    meta::v1::ObjectMeta,
    names,
};
use regex::Regex;
use std::{collections::BTreeSet, sync::LazyLock};

const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
/// Prefix of AppArmor annotations; the container's name follows.
pub const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// The host namespace (`hostNetwork`, `hostIPC`) that a sysctl of this pod would change.
pub fn shares_host_namespace(spec: &PodSpec, sysctl: &str) -> Option<&'static str> {
    let name = match sysctl.find(['.', '/']) {
        Some(at) if sysctl.as_bytes().get(at) == Some(&b'/') => {
            sysctl.replace('.', "\u{0}").replace('/', ".").replace('\u{0}', "/")
        }
        _ => sysctl.to_owned(),
    };
    let ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|prefix| name.starts_with(prefix))
        || name == "kernel.sem";
    if spec.host_network && name.starts_with("net.") {
        Some("hostNetwork")
    } else if spec.host_ipc && ipc {
        Some("hostIPC")
    } else {
        None
    }
}

static SYSCTL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$")
        .expect("a constant pattern")
});

/// The security context of a pod.
pub fn validate_pod(spec: &PodSpec, path: &Path, rules: &PodRules, errors: &mut ErrorList) {
    let Some(context) = &spec.security_context else { return };
    for (field, id) in [
        ("fsGroup", context.fs_group),
        ("runAsUser", context.run_as_user),
        ("runAsGroup", context.run_as_group),
    ] {
        if let Some(id) = id {
            errors.invalid_each(&path.child(field), id, names::is_user_id(id));
        }
    }
    for (index, id) in context.supplemental_groups.iter().enumerate() {
        errors.invalid_each(&path.child("supplementalGroups").index(index), *id, names::is_group_id(*id));
    }
    if spec.host_pid && spec.share_process_namespace == Some(true) {
        errors.invalid(
            &path.child("shareProcessNamespace"),
            true,
            "ShareProcessNamespace and HostPID cannot both be enabled",
        );
    }
    let mut seen = BTreeSet::new();
    for (index, sysctl) in context.sysctls.iter().enumerate() {
        let path = path.child("sysctls").index(index).child("name");
        let name = &sysctl.name;
        if name.is_empty() {
            errors.required(&path, "");
        } else if name.len() > 253 || !SYSCTL.is_match(name) {
            errors.invalid(
                &path,
                name,
                format!("must have at most 253 characters and match regex {}", SYSCTL.as_str()),
            );
        } else if seen.contains(name) {
            errors.duplicate(&path, name);
        }
        if !rules.host_sysctls
            && let Some(field) = shares_host_namespace(spec, name)
        {
            errors.invalid(&path, name, format!("may not be specified when '{field}' is true"));
        }
        seen.insert(name);
    }
    one_of(
        context.fs_group_change_policy.as_deref(),
        &["Always", "OnRootMismatch"],
        &path.child("fsGroupChangePolicy"),
        errors,
    );
    validate_seccomp(context.seccomp_profile.as_deref(), &path.child("seccompProfile"), errors);
    validate_windows_options(context.windows_options.as_deref(), &path.child("windowsOptions"), errors);
    validate_app_armor(context.app_armor_profile.as_deref(), &path.child("appArmorProfile"), errors);
    one_of(
        context.supplemental_groups_policy.as_deref(),
        &["Merge", "Strict"],
        &path.child("supplementalGroupsPolicy"),
        errors,
    );
    let policies: &[&str] =
        if rules.any_selinux_change_policy { &["MountOption", "Recursive"] } else { &["Recursive"] };
    one_of(context.se_linux_change_policy.as_deref(), policies, &path.child("seLinuxChangePolicy"), errors);
}

fn one_of(value: Option<&str>, accepted: &[&str], path: &Path, errors: &mut ErrorList) {
    if let Some(value) = value
        && !accepted.contains(&value)
    {
        errors.not_supported(path, value, accepted);
    }
}

/// The security context of a container.
pub fn validate_container(context: &SecurityContext, host_users: bool, path: &Path, errors: &mut ErrorList) {
    for (field, id) in [("runAsUser", context.run_as_user), ("runAsGroup", context.run_as_group)] {
        if let Some(id) = id {
            errors.invalid_each(&path.child(field), id, names::is_user_id(id));
        }
    }
    if let Some(mount) = &context.proc_mount {
        let path = path.child("procMount");
        if !matches!(mount.as_str(), "Default" | "Unmasked") {
            errors.not_supported_in_order(&path, mount, &["Default", "Unmasked"]);
        }
        if host_users && mount == "Unmasked" {
            errors.invalid(&path, mount, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    validate_seccomp(context.seccomp_profile.as_deref(), &path.child("seccompProfile"), errors);
    if context.allow_privilege_escalation == Some(false) {
        if context.privileged == Some(true) {
            errors.invalid(
                path,
                context.to_value(),
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            );
        }
        for capability in context.capabilities.iter().flat_map(|capabilities| &capabilities.add) {
            if capability == "CAP_SYS_ADMIN" {
                errors.invalid(
                    path,
                    context.to_value(),
                    "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
                );
            }
        }
    }
    validate_windows_options(context.windows_options.as_deref(), &path.child("windowsOptions"), errors);
    validate_app_armor(context.app_armor_profile.as_deref(), &path.child("appArmorProfile"), errors);
}

fn validate_seccomp(profile: Option<&SeccompProfile>, path: &Path, errors: &mut ErrorList) {
    let Some(profile) = profile else { return };
    match profile.type_.as_str() {
        "Localhost" | "RuntimeDefault" | "Unconfined" => {}
        "" => errors.required(&path.child("type"), "type is required when seccompProfile is set"),
        other => errors.not_supported_in_order(
            &path.child("type"),
            other,
            &["Localhost", "RuntimeDefault", "Unconfined"],
        ),
    }
    let path = path.child("localhostProfile");
    match (&profile.localhost_profile, profile.type_ == "Localhost") {
        (None, true) => errors.required(&path, "must be set when seccomp type is Localhost"),
        (Some(file), true) => paths::validate_descending(file, &path, errors),
        (Some(_), false) => {
            errors.invalid(&path, profile.to_value(), "can only be set when seccomp type is Localhost")
        }
        (None, false) => {}
    }
}

fn validate_app_armor(profile: Option<&AppArmorProfile>, path: &Path, errors: &mut ErrorList) {
    let Some(profile) = profile else { return };
    let file = path.child("localhostProfile");
    match (profile.type_.as_str(), &profile.localhost_profile) {
        ("Localhost", None) => errors.required(&file, "must be set when AppArmor type is Localhost"),
        ("Localhost", Some(name)) => {
            if name.trim() != name {
                errors.invalid(&file, name, "must not be padded with whitespace");
            } else if name.is_empty() {
                errors.required(&file, "must be set when AppArmor type is Localhost");
            }
            if name.len() > 4095 {
                errors.too_long(&file, 4095);
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(name)) => {
            errors.invalid(&file, name, "can only be set when AppArmor type is Localhost")
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => errors.required(&path.child("type"), "type is required when appArmorProfile is set"),
        (other, _) => errors.not_supported_in_order(
            &path.child("type"),
            other,
            &["Localhost", "RuntimeDefault", "Unconfined"],
        ),
    }
}

/// The profile that an AppArmor annotation asks for; `None` when the annotation is not understood.
pub fn app_armor_from_annotation(value: &str) -> Option<AppArmorProfile> {
    let profile = |type_: &str, name: Option<&str>| AppArmorProfile {
        type_: type_.to_owned(),
        localhost_profile: name.map(str::to_owned),
    };
    match value {
        "unconfined" => Some(profile("Unconfined", None)),
        "runtime/default" => Some(profile("RuntimeDefault", None)),
        _ => value
            .strip_prefix("localhost/")
            .filter(|name| !name.is_empty())
            .map(|name| profile("Localhost", Some(name))),
    }
}

static CONTROL: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[[:cntrl:]]+").expect("a constant pattern"));
static NET_BIOS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"^[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}$"#).expect("a constant pattern"));
static DNS_DOMAIN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$").expect("a constant pattern")
});

fn validate_windows_options(
    options: Option<&WindowsSecurityContextOptions>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let Some(options) = options else { return };
    if let Some(name) = &options.gmsa_credential_spec_name {
        errors.invalid_each(&path.child("gmsaCredentialSpecName"), name, names::is_dns1123_subdomain(name));
    }
    if let Some(spec) = &options.gmsa_credential_spec {
        let path = path.child("gmsaCredentialSpec");
        if spec.is_empty() {
            errors.invalid(&path, spec, "gmsaCredentialSpec cannot be an empty string");
        } else if spec.len() > 64 * 1024 {
            errors.invalid(&path, spec, "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    let Some(name) = &options.run_as_user_name else { return };
    let path = path.child("runAsUserName");
    let mut broken = |message: &str| errors.invalid(&path, name, message);
    if name.is_empty() {
        return broken("runAsUserName cannot be an empty string");
    }
    if CONTROL.is_match(name) {
        return broken("runAsUserName cannot contain control characters");
    }
    let (domain, user) = match name.split('\\').collect::<Vec<_>>().as_slice() {
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return broken("runAsUserName cannot contain more than one backslash"),
    };
    if let Some(domain) = domain {
        if domain.len() >= 256 {
            broken("runAsUserName's Domain length must be under 256 characters");
        }
        if !NET_BIOS.is_match(domain) && !DNS_DOMAIN.is_match(domain) {
            broken("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
        }
    }
    if user.is_empty() {
        broken("runAsUserName's User cannot be empty");
    } else if user.len() > 104 {
        broken("runAsUserName's User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|character| matches!(character, '.' | ' ')) {
        broken("runAsUserName's User cannot contain only periods or spaces");
    }
    if user.contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']']) {
        broken("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
    }
}

/// Host process containers stand together or not at all.
pub fn validate_host_process(spec: &PodSpec, path: &Path, errors: &mut ErrorList) {
    let pod = spec
        .security_context
        .as_ref()
        .and_then(|context| context.windows_options.as_ref())
        .and_then(|options| options.host_process);
    let containers = containers::each(spec, path);
    let mut host_processes = 0;
    for (container, path) in &containers {
        let own = container
            .security_context
            .as_ref()
            .and_then(|context| context.windows_options.as_ref())
            .and_then(|options| options.host_process);
        if let (Some(pod), Some(own)) = (pod, own)
            && pod != own
        {
            let path = path.child("securityContext").child("windowsOptions").child("hostProcess");
            errors.invalid(
                &path,
                own,
                format!("pod hostProcess value must be identical if both are specified, was {pod}"),
            );
        }
        host_processes += usize::from(own.or(pod) == Some(true));
    }
    if host_processes == 0 {
        return;
    }
    if host_processes != containers.len() {
        errors.invalid(
            path,
            "",
            "If pod contains any hostProcess containers then all containers must be HostProcess containers",
        );
    }
    if !spec.host_network {
        errors.invalid(
            &path.child("hostNetwork"),
            false,
            "hostNetwork must be true if pod contains any hostProcess containers",
        );
    }
}

/// Fields that make no sense on the operating system the pod names.
pub fn validate_operating_system(spec: &PodSpec, path: &Path, errors: &mut ErrorList) {
    let Some(os) = &spec.os else { return };
    match os.name.as_str() {
        "" => errors.required(&path.child("os").child("name"), ""),
        "linux" => validate_linux(spec, path, errors),
        "windows" => validate_windows(spec, path, errors),
        other => errors.not_supported(&path.child("os"), other, &["linux", "windows"]),
    }
}

fn validate_linux(spec: &PodSpec, path: &Path, errors: &mut ErrorList) {
    let message = "windows options cannot be set for a linux pod";
    if spec.security_context.as_ref().is_some_and(|context| context.windows_options.is_some()) {
        errors.forbidden(&path.child("securityContext").child("windowsOptions"), message);
    }
    for (container, path) in containers::each(spec, path) {
        if container.security_context.as_ref().is_some_and(|context| context.windows_options.is_some()) {
            errors.forbidden(&path.child("securityContext").child("windowsOptions"), message);
        }
    }
}

fn validate_windows(spec: &PodSpec, path: &Path, errors: &mut ErrorList) {
    let message = "cannot be set for a windows pod";
    if let Some(context) = &spec.security_context {
        let inside = path.child("securityContext");
        let fields = [
            (&inside, "appArmorProfile", context.app_armor_profile.is_some()),
            (&inside, "seLinuxOptions", context.se_linux_options.is_some()),
            (path, "hostUsers", spec.host_users.is_some()),
            (path, "hostPID", spec.host_pid),
            (path, "hostIPC", spec.host_ipc),
            (&inside, "seccompProfile", context.seccomp_profile.is_some()),
            (&inside, "fsGroup", context.fs_group.is_some()),
            (&inside, "fsGroupChangePolicy", context.fs_group_change_policy.is_some()),
            (&inside, "sysctls", !context.sysctls.is_empty()),
            (path, "shareProcessNamespace", spec.share_process_namespace.is_some()),
            (&inside, "runAsUser", context.run_as_user.is_some()),
            (&inside, "runAsGroup", context.run_as_group.is_some()),
            (&inside, "supplementalGroups", !context.supplemental_groups.is_empty()),
            (&inside, "supplementalGroupsPolicy", context.supplemental_groups_policy.is_some()),
            (&inside, "seLinuxChangePolicy", context.se_linux_change_policy.is_some()),
        ];
        for (at, field, given) in fields {
            if given {
                errors.forbidden(&at.child(field), message);
            }
        }
    }
    for (container, path) in containers::each(spec, path) {
        let Some(context) = &container.security_context else { continue };
        let path = path.child("securityContext");
        for (field, given) in [
            ("appArmorProfile", context.app_armor_profile.is_some()),
            ("seLinuxOptions", context.se_linux_options.is_some()),
            ("seccompProfile", context.seccomp_profile.is_some()),
            ("capabilities", context.capabilities.is_some()),
            ("readOnlyRootFilesystem", context.read_only_root_filesystem.is_some()),
            ("privileged", context.privileged.is_some()),
            ("allowPrivilegeEscalation", context.allow_privilege_escalation.is_some()),
            ("procMount", context.proc_mount.is_some()),
            ("runAsUser", context.run_as_user.is_some()),
            ("runAsGroup", context.run_as_group.is_some()),
        ] {
            if given {
                errors.forbidden(&path.child(field), message);
            }
        }
    }
}

/// Fields that cannot be combined with a user namespace of the pod's own.
pub fn validate_host_users(spec: &PodSpec, path: &Path, rules: &PodRules, errors: &mut ErrorList) {
    if spec.host_users != Some(false) {
        return;
    }
    let message = "when `hostUsers` is false";
    let network = spec.host_network && !rules.host_network_with_user_namespaces;
    for (field, given) in [("hostNetwork", network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc)] {
        if given {
            errors.forbidden(&path.child(field), message);
        }
    }
    if !rules.devices_with_user_namespaces {
        for (container, path) in containers::each(spec, path) {
            if !container.volume_devices.is_empty() {
                errors.forbidden(&path.child("volumeDevices"), message);
            }
        }
    }
}

/// Seccomp and AppArmor annotations on their own.
pub fn validate_annotations(meta: &ObjectMeta, spec: &PodSpec, path: &Path, errors: &mut ErrorList) {
    for (key, value) in &meta.annotations {
        if key == SECCOMP_POD || key.starts_with(SECCOMP_CONTAINER) {
            let path = path.child(key.clone());
            match value.strip_prefix("localhost/") {
                Some(file) => paths::validate_descending(file, &path, errors),
                None if matches!(value.as_str(), "runtime/default" | "docker/default" | "unconfined") => {}
                None => errors.invalid(&path, value, "must be a valid seccomp profile"),
            }
        }
    }
    for (key, value) in &meta.annotations {
        let Some(container) = key.strip_prefix(APP_ARMOR) else { continue };
        let path = path.key(key);
        if !containers::each(spec, &Path::new("spec")).iter().any(|(present, _)| present.name == container) {
            errors.invalid(&path, container, "container not found");
        }
        if !matches!(value.as_str(), "" | "runtime/default" | "unconfined")
            && !value.starts_with("localhost/")
        {
            errors.invalid(&path, value, format!("invalid AppArmor profile name: {value:?}"));
        }
    }
}

/// Annotations and fields say the same.
pub fn validate_annotations_match(meta: &ObjectMeta, spec: &PodSpec, path: &Path, errors: &mut ErrorList) {
    let pod_path = path.child("securityContext").child("seccompProfile");
    if let Some(profile) = spec.security_context.as_ref().and_then(|context| context.seccomp_profile.as_ref())
        && let Some(annotation) = meta.annotations.get(SECCOMP_POD)
    {
        profiles_match(
            "seccomp",
            annotation,
            &profile.type_,
            profile.localhost_profile.as_deref(),
            &pod_path,
            errors,
        );
    }
    let all = containers::each(spec, path);
    for (container, path) in &all {
        let profile =
            container.security_context.as_ref().and_then(|context| context.seccomp_profile.as_ref());
        if let (Some(profile), Some(annotation)) =
            (profile, meta.annotations.get(&format!("{SECCOMP_CONTAINER}{}", container.name)))
        {
            let path = path.child("securityContext").child("seccompProfile");
            profiles_match(
                "seccomp",
                annotation,
                &profile.type_,
                profile.localhost_profile.as_deref(),
                &path,
                errors,
            );
        }
    }
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return;
    }
    let pod = spec.security_context.as_ref().and_then(|context| context.app_armor_profile.as_ref());
    for (container, path) in &all {
        let own = container.security_context.as_ref().and_then(|context| context.app_armor_profile.as_ref());
        if let (Some(profile), Some(annotation)) =
            (own.or(pod), meta.annotations.get(&format!("{APP_ARMOR}{}", container.name)))
        {
            let path = path.child("securityContext").child("appArmorProfile");
            profiles_match(
                "apparmor",
                annotation,
                &profile.type_,
                profile.localhost_profile.as_deref(),
                &path,
                errors,
            );
        }
    }
}

fn profiles_match(
    what: &str,
    annotation: &str,
    type_: &str,
    file: Option<&str>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let docker = what == "seccomp" && annotation == "docker/default";
    let same_type = match type_ {
        "Unconfined" => annotation == "unconfined",
        "RuntimeDefault" => annotation == "runtime/default" || docker,
        "Localhost" => annotation.starts_with("localhost/"),
        _ => true,
    };
    if !same_type {
        errors.forbidden(&path.child("type"), format!("{what} type in annotation and field must match"));
    } else if type_ == "Localhost" && annotation.strip_prefix("localhost/") != file {
        errors.forbidden(
            &path.child("localhostProfile"),
            format!("{what} profile in annotation and field must match"),
        );
    }
}
