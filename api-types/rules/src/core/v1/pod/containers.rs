//! Validation of containers: main, init and ephemeral.

use super::{
    environment, handlers,
    handlers::ProbeKind,
    options::PodRules,
    requirements::{self, ClaimNames},
    resources::is_sidecar,
    security,
    volumes::{self, Volumes},
};
use crate::report::Report;
use api_types::core::v1::{Container, ContainerPort, EphemeralContainerCommon, PodSpec};
use machinery::{
    field::{Error, ErrorList, Path},
    names,
};
use std::collections::BTreeSet;

/// What the containers of a pod share.
pub struct Surroundings<'a> {
    /// The spec around them.
    pub spec: &'a PodSpec,
    /// Its well-formed volumes.
    pub volumes: Volumes<'a>,
    /// Its claims.
    pub claims: ClaimNames<'a>,
    /// What may pass.
    pub rules: &'a PodRules,
}

impl Surroundings<'_> {
    fn grace(&self) -> Option<i64> {
        self.spec.termination_grace_period_seconds
    }

    fn os(&self) -> Option<&str> {
        self.spec.os.as_ref().map(|os| os.name.as_str())
    }
}

/// An ephemeral container as the container it is but for its type.
pub fn as_container(common: &EphemeralContainerCommon) -> Container {
    Container {
        name: common.name.clone(),
        image: common.image.clone(),
        command: common.command.clone(),
        args: common.args.clone(),
        working_dir: common.working_dir.clone(),
        ports: common.ports.clone(),
        env_from: common.env_from.clone(),
        env: common.env.clone(),
        resources: common.resources.clone(),
        resize_policy: common.resize_policy.clone(),
        restart_policy: common.restart_policy.clone(),
        restart_policy_rules: common.restart_policy_rules.clone(),
        volume_mounts: common.volume_mounts.clone(),
        volume_devices: common.volume_devices.clone(),
        liveness_probe: common.liveness_probe.clone(),
        readiness_probe: common.readiness_probe.clone(),
        startup_probe: common.startup_probe.clone(),
        lifecycle: common.lifecycle.clone(),
        termination_message_path: common.termination_message_path.clone(),
        termination_message_policy: common.termination_message_policy.clone(),
        image_pull_policy: common.image_pull_policy.clone(),
        security_context: common.security_context.clone(),
        stdin: common.stdin,
        stdin_once: common.stdin_once,
        tty: common.tty,
    }
}

/// Every container of the spec with the path it stands at.
pub fn each<'a>(spec: &'a PodSpec, path: &Path) -> Vec<(std::borrow::Cow<'a, Container>, Path)> {
    use std::borrow::Cow;
    let at = |field: &'static str, index: usize| path.child(field).index(index);
    let init = spec
        .init_containers
        .iter()
        .enumerate()
        .map(|(index, container)| (Cow::Borrowed(container), at("initContainers", index)));
    let main = spec
        .containers
        .iter()
        .enumerate()
        .map(|(index, container)| (Cow::Borrowed(container), at("containers", index)));
    let ephemeral = spec.ephemeral_containers.iter().enumerate().map(|(index, container)| {
        (Cow::Owned(as_container(&container.ephemeral_container_common)), at("ephemeralContainers", index))
    });
    init.chain(main).chain(ephemeral).collect()
}

fn validate_common(container: &Container, around: &Surroundings<'_>, path: &Path, errors: &mut ErrorList) {
    if container.name.is_empty() {
        errors.required(&path.child("name"), "");
    } else {
        errors.invalid_each(&path.child("name"), &container.name, names::is_dns1123_label(&container.name));
    }
    if container.image.is_empty() {
        errors.required(&path.child("image"), "");
    }
    let message_policy = path.child("terminationMessagePolicy");
    match container.termination_message_policy.as_str() {
        "File" | "FallbackToLogsOnError" => {}
        "" => errors.required(&message_policy, ""),
        other => errors.not_supported_in_order(&message_policy, other, &["File", "FallbackToLogsOnError"]),
    }
    validate_ports(&container.ports, &path.child("ports"), errors);
    environment::validate_variables(&container.env, &path.child("env"), errors);
    environment::validate_sources(&container.env_from, &path.child("envFrom"), errors);
    environment::validate_mounts(container, &around.volumes, &path.child("volumeMounts"), errors);
    environment::validate_devices(container, &around.volumes, &path.child("volumeDevices"), errors);
    volumes::validate_pull_policy(&container.image_pull_policy, &path.child("imagePullPolicy"), errors);
    requirements::validate_for_container(
        &container.resources,
        &around.claims,
        around.rules,
        &path.child("resources"),
        errors,
    );
    validate_resize_policy(container, &around.spec.restart_policy, &path.child("resizePolicy"), errors);
    if let Some(context) = &container.security_context {
        security::validate_container(
            context,
            around.spec.host_users.unwrap_or(true),
            &path.child("securityContext"),
            errors,
        );
    }
}

fn validate_ports(ports: &[ContainerPort], path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        if !port.name.is_empty() {
            let messages = names::is_port_name(&port.name);
            if messages.is_empty() && !seen.insert(&port.name) {
                errors.duplicate(&path.child("name"), &port.name);
            }
            errors.invalid_each(&path.child("name"), &port.name, messages);
        }
        if port.container_port == 0 {
            errors.required(&path.child("containerPort"), "");
        } else {
            errors.invalid_each(
                &path.child("containerPort"),
                port.container_port,
                names::is_port_number(i64::from(port.container_port)),
            );
        }
        if port.host_port != 0 {
            errors.invalid_each(
                &path.child("hostPort"),
                port.host_port,
                names::is_port_number(i64::from(port.host_port)),
            );
        }
        crate::core::v1::endpoints::validation::validate_protocol(
            &port.protocol,
            &path.child("protocol"),
            errors,
        );
    }
}

fn validate_resize_policy(container: &Container, restart_policy: &str, path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, policy) in container.resize_policy.iter().enumerate() {
        if !seen.insert(&policy.resource_name) {
            errors.duplicate(&path.index(index), &policy.resource_name);
        }
        match policy.resource_name.as_str() {
            "cpu" | "memory" => {}
            "" => errors.required(path, ""),
            other => errors.not_supported(path, other, &["cpu", "memory"]),
        }
        match policy.restart_policy.as_str() {
            "NotRequired" | "RestartContainer" => {}
            "" => errors.required(path, ""),
            other => errors.not_supported(path, other, &["NotRequired", "RestartContainer"]),
        }
        if restart_policy == "Never" && policy.restart_policy != "NotRequired" {
            errors.invalid(
                path,
                &policy.restart_policy,
                "must be 'NotRequired' when pod `restartPolicy` is 'Never'",
            );
        }
    }
}

fn validate_restart_policy(container: &Container, path: &Path, errors: &mut ErrorList) {
    let rules = &container.restart_policy_rules;
    match container.restart_policy.as_deref() {
        None if rules.is_empty() => return,
        None => errors
            .required(&path.child("restartPolicy"), "must specify restartPolicy when restart rules are used"),
        Some("Always" | "Never" | "OnFailure") => {}
        Some(other) => {
            errors.not_supported(&path.child("restartPolicy"), other, &["Always", "Never", "OnFailure"])
        }
    }
    if rules.len() > 20 {
        errors.push(Error::too_many(&path.child("restartPolicyRules"), Some(rules.len()), 20));
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = path.child("restartPolicyRules").index(index);
        if !matches!(rule.action.as_str(), "Restart" | "RestartAllContainers") {
            errors.not_supported(&path.child("action"), &rule.action, &["Restart", "RestartAllContainers"]);
        }
        let codes_path = path.child("exitCodes");
        match &rule.exit_codes {
            None => errors.required(&codes_path, "must be specified"),
            Some(codes) => {
                if !matches!(codes.operator.as_str(), "In" | "NotIn") {
                    errors.not_supported(&codes_path.child("operator"), &codes.operator, &["In", "NotIn"]);
                }
                if codes.values.len() > 255 {
                    errors.push(Error::too_many(&codes_path.child("values"), Some(codes.values.len()), 255));
                }
            }
        }
    }
}

fn validate_hooks(container: &Container, around: &Surroundings<'_>, path: &Path, errors: &mut ErrorList) {
    if let Some(lifecycle) = &container.lifecycle {
        handlers::validate_lifecycle(
            lifecycle,
            around.grace(),
            around.os(),
            &path.child("lifecycle"),
            errors,
        );
    }
    for (field, probe, kind) in [
        ("livenessProbe", &container.liveness_probe, ProbeKind::Liveness),
        ("readinessProbe", &container.readiness_probe, ProbeKind::Readiness),
        ("startupProbe", &container.startup_probe, ProbeKind::Startup),
    ] {
        if let Some(probe) = probe {
            handlers::validate_probe(probe, kind, around.grace(), &path.child(field), errors);
        }
    }
}

fn validate_host_ports<'a>(
    containers: impl IntoIterator<Item = &'a Container>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let mut taken = BTreeSet::new();
    for (index, container) in containers.into_iter().enumerate() {
        for (at, port) in container.ports.iter().enumerate().filter(|(_, port)| port.host_port != 0) {
            let key = format!("{}/{}/{}", port.protocol, port.host_ip, port.host_port);
            if taken.contains(&key) {
                errors.duplicate(&path.index(index).child("ports").index(at).child("hostPort"), key);
            } else {
                taken.insert(key);
            }
        }
    }
}

/// The main containers: at least one.
pub fn validate_main(around: &Surroundings<'_>, path: &Path, errors: &mut ErrorList) {
    let containers = &around.spec.containers;
    if containers.is_empty() {
        errors.required(path, "");
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        let path = path.index(index);
        validate_common(container, around, &path, errors);
        if !seen.insert(&container.name) {
            errors.duplicate(&path.child("name"), &container.name);
        }
        validate_hooks(container, around, &path, errors);
        validate_restart_policy(container, &path, errors);
    }
    validate_host_ports(containers, path, errors);
}

/// The init containers; only sidecars have hooks and probes.
pub fn validate_init(around: &Surroundings<'_>, path: &Path, errors: &mut ErrorList) {
    let mut seen: BTreeSet<&str> =
        around.spec.containers.iter().map(|container| container.name.as_str()).collect();
    for (index, container) in around.spec.init_containers.iter().enumerate() {
        let at = path.index(index);
        validate_common(container, around, &at, errors);
        if container.restart_policy.is_none() {
            if !container.restart_policy_rules.is_empty() {
                errors.required(
                    &at.child("restartPolicy"),
                    "must specify restartPolicy when restart rules are used",
                );
            }
        } else {
            validate_restart_policy(container, &at, errors);
        }
        if seen.contains(container.name.as_str()) {
            errors.duplicate(&at.child("name"), &container.name);
        } else if !container.name.is_empty() {
            seen.insert(&container.name);
        }
        validate_host_ports([container], path, errors);
        if is_sidecar(container) {
            validate_hooks(container, around, &at, errors);
            continue;
        }
        for (field, given) in [
            ("lifecycle", container.lifecycle.is_some()),
            ("livenessProbe", container.liveness_probe.is_some()),
            ("readinessProbe", container.readiness_probe.is_some()),
            ("startupProbe", container.startup_probe.is_some()),
        ] {
            if given {
                errors.forbidden(
                    &at.child(field),
                    "may not be set for init containers without restartPolicy=Always",
                );
            }
        }
        if !around.rules.restarting_init_resize {
            for (position, policy) in container.resize_policy.iter().enumerate() {
                if policy.restart_policy == "RestartContainer" {
                    let path = at.child("resizePolicy").index(position).child("restartPolicy");
                    errors.invalid(
                        &path,
                        &policy.restart_policy,
                        "must not be set to 'RestartContainer' for non-sidecar initContainers",
                    );
                }
            }
        }
    }
}

/// The ephemeral containers; most fields are not for them.
pub fn validate_ephemeral(around: &Surroundings<'_>, path: &Path, errors: &mut ErrorList) {
    let spec = around.spec;
    let others: BTreeSet<&str> = spec
        .containers
        .iter()
        .chain(&spec.init_containers)
        .map(|container| container.name.as_str())
        .collect();
    let mut seen = others.clone();
    for (index, ephemeral) in spec.ephemeral_containers.iter().enumerate() {
        let path = path.index(index);
        let container = as_container(&ephemeral.ephemeral_container_common);
        validate_common(&container, around, &path, errors);
        validate_image_padding(&container.image, &path, errors);
        if !seen.insert(&ephemeral.ephemeral_container_common.name) {
            errors.duplicate(&path.child("name"), &container.name);
        }
        let target = ephemeral.target_container_name.as_str();
        if !target.is_empty() && !others.contains(target) {
            errors.push(Error::not_found(&path.child("targetContainerName"), target));
        }
        let message = "cannot be set for an Ephemeral Container";
        for (field, given) in [
            ("ports", !container.ports.is_empty()),
            ("resources", container.resources != Default::default()),
            ("resizePolicy", !container.resize_policy.is_empty()),
            ("restartPolicy", container.restart_policy.is_some()),
            ("restartPolicyRules", !container.restart_policy_rules.is_empty()),
            ("livenessProbe", container.liveness_probe.is_some()),
            ("readinessProbe", container.readiness_probe.is_some()),
            ("startupProbe", container.startup_probe.is_some()),
            ("lifecycle", container.lifecycle.is_some()),
        ] {
            if given {
                errors.forbidden(&path.child(field), message);
            }
        }
        for (index, mount) in container.volume_mounts.iter().enumerate() {
            let path = path.child("volumeMounts").index(index);
            if !mount.sub_path.is_empty() {
                errors.forbidden(&path.child("subPath"), message);
            }
            if !mount.sub_path_expr.is_empty() {
                errors.forbidden(&path.child("subPathExpr"), message);
            }
        }
    }
}

/// Image names of pods (not of templates, where old ones may be padded).
pub fn validate_image_padding(image: &str, path: &Path, errors: &mut ErrorList) {
    if image.trim().len() != image.len() {
        errors.invalid(&path.child("image"), image, "must not have leading or trailing whitespace");
    }
}

/// Environment variables read from files need an `emptyDir`.
pub fn validate_file_volumes(spec: &PodSpec, path: &Path, errors: &mut ErrorList) {
    for (container, at) in each(spec, path) {
        for (index, variable) in container.env.iter().enumerate() {
            let Some(file) = variable.value_from.as_ref().and_then(|source| source.file_key_ref.as_ref())
            else {
                continue;
            };
            let path =
                at.child("env").index(index).child("valueFrom").child("fileKeyRef").child("volumeName");
            match spec.volumes.iter().rfind(|volume| volume.name == file.volume_name) {
                None => errors.push(Error::not_found(&path, &file.volume_name)),
                Some(volume) if volume.volume_source.empty_dir.is_none() => {
                    errors.invalid(&path, &file.volume_name, "referenced volume must be of type emptyDir");
                }
                Some(_) => {}
            }
        }
    }
}
