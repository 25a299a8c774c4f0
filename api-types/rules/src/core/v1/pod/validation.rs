//! Validation of pods and of pod specs inside other objects.
//!
//! Source: `pkg/apis/core/validation/validation.go`.

pub use super::options::PodRules;
use super::{
    containers::{self, Surroundings},
    requirements, scheduling_validation, security, volumes,
};
use crate::{addresses, core::v1::resource_names, meta, report::Report};
use api_types::core::v1::{Pod, PodDNSConfig, PodSpec, PodTemplateSpec, Toleration};
use machinery::{
    Message,
    field::{ErrorList, Path},
    meta::v1::ObjectMeta,
    names,
};

/// Annotation that orders pods for deletion.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const MIRROR: &str = "kubernetes.io/config.mirror";
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";

/// True for a 32-bit number without needless plus sign or zeros.
pub fn is_deletion_cost(text: &str) -> bool {
    let needless = text.starts_with('+') || text.len() > 1 && text.starts_with('0') || text.starts_with("-0");
    !needless && text.parse::<i32>().is_ok()
}

/// A new pod.
pub fn validate(pod: &Pod) -> ErrorList {
    let mut errors = validate_metadata_and_spec(pod, &PodRules::for_pod());
    let path = Path::new("spec");
    if !pod.spec.ephemeral_containers.is_empty() {
        errors.forbidden(&path.child("ephemeralContainers"), "cannot be set on create");
    }
    if !pod.spec.node_name.is_empty() && !pod.spec.scheduling_gates.is_empty() {
        errors
            .forbidden(&path.child("nodeName"), "cannot be set until all schedulingGates have been cleared");
    }
    security::validate_annotations_match(&pod.metadata, &pod.spec, &path, &mut errors);
    errors
}

/// What holds for new and changed pods.
pub fn validate_metadata_and_spec(pod: &Pod, rules: &PodRules) -> ErrorList {
    let metadata = Path::new("metadata");
    let path = Path::new("spec");
    let mut errors = meta::validate(&pod.metadata, true, names::name_is_dns_subdomain, &metadata);
    validate_annotations(&pod.metadata, &pod.spec, &metadata.child("annotations"), rules, &mut errors);
    validate_spec(&pod.spec, Some(&pod.metadata), &path, rules, &mut errors);
    if pod.spec.service_account_name.is_empty() {
        for (index, volume) in pod.spec.volumes.iter().enumerate() {
            let sources = volume
                .volume_source
                .projected
                .iter()
                .flat_map(|projected| projected.sources.iter().enumerate());
            for (at, _) in sources.filter(|(_, source)| source.service_account_token.is_some()) {
                let path = path
                    .child("volumes")
                    .index(index)
                    .child("projected")
                    .child("sources")
                    .index(at)
                    .child("serviceAccountToken");
                errors.forbidden(&path, "must not be specified when serviceAccountName is not set");
            }
        }
    }
    for (field, list) in [("containers", &pod.spec.containers), ("initContainers", &pod.spec.init_containers)]
    {
        for (index, container) in list.iter().enumerate() {
            containers::validate_image_padding(
                &container.image,
                &path.child(field).index(index),
                &mut errors,
            );
        }
    }
    errors
}

/// Annotations with a meaning for pods.
pub fn validate_annotations(
    meta: &ObjectMeta,
    spec: &PodSpec,
    path: &Path,
    rules: &PodRules,
    errors: &mut ErrorList,
) {
    if let Some(value) = meta.annotations.get(MIRROR)
        && spec.node_name.is_empty()
    {
        errors.invalid(&path.key(MIRROR), value, "must set spec.nodeName if mirror pod annotation is set");
    }
    if let Some(text) = meta.annotations.get(TOLERATIONS).filter(|text| !text.is_empty()) {
        let parsed = serde_json::from_str::<Vec<serde_json::Value>>(text)
            .map_err(|error| error.to_string())
            .and_then(|values| {
                values
                    .iter()
                    .map(|value| Toleration::from_value(value).map_err(|error| error.to_string()))
                    .collect::<Result<Vec<_>, _>>()
            });
        match parsed {
            Ok(tolerations) => scheduling_validation::validate_tolerations(
                &tolerations,
                &path.child(TOLERATIONS),
                rules,
                errors,
            ),
            Err(error) => errors.invalid(path, TOLERATIONS, error),
        }
    }
    if let Some(cost) = meta.annotations.get(DELETION_COST)
        && !rules.bad_deletion_cost
        && !is_deletion_cost(cost)
    {
        errors.invalid(&path.key(DELETION_COST), cost, "must be a 32bit integer");
    }
    security::validate_annotations(meta, spec, path, errors);
}

/// A pod template inside a workload.
pub fn validate_template(template: &PodTemplateSpec, path: &Path, rules: &PodRules, errors: &mut ErrorList) {
    let (given, spec) = (&template.metadata, &template.spec);
    errors.extend(meta::validate_labels(&given.labels, &path.child("labels")));
    errors.extend(meta::validate_annotations(&given.annotations, &path.child("annotations")));
    validate_annotations(given, spec, &path.child("annotations"), rules, errors);
    let path = path.child("spec");
    validate_spec(spec, None, &path, rules, errors);
    security::validate_annotations_match(given, spec, &path, errors);
    if !spec.ephemeral_containers.is_empty() {
        errors.forbidden(
            &path.child("ephemeralContainers"),
            "ephemeral containers not allowed in pod template",
        );
    }
}

/// A pod spec; `pod` is the metadata of the pod it belongs to, if it does.
pub fn validate_spec(
    spec: &PodSpec,
    pod: Option<&ObjectMeta>,
    path: &Path,
    rules: &PodRules,
    errors: &mut ErrorList,
) {
    if spec.termination_grace_period_seconds.is_none() {
        errors.required(&path.child("terminationGracePeriodSeconds"), "");
    }
    let volumes = volumes::validate(&spec.volumes, pod, &path.child("volumes"), rules, errors);
    requirements::validate_claims(&spec.resource_claims, pod, &path.child("resourceClaims"), errors);
    let claims = spec
        .resource_claims
        .iter()
        .map(|claim| claim.name.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    let around = Surroundings { spec, volumes, claims, rules };
    containers::validate_main(&around, &path.child("containers"), errors);
    containers::validate_init(&around, &path.child("initContainers"), errors);
    containers::validate_ephemeral(&around, &path.child("ephemeralContainers"), errors);
    requirements::validate_for_pod(spec, &around.claims, rules, path, errors);
    validate_host_ports(spec, path, rules, errors);
    match spec.restart_policy.as_str() {
        "Always" | "OnFailure" | "Never" => {}
        "" => errors.required(&path.child("restartPolicy"), ""),
        other => errors.not_supported_in_order(
            &path.child("restartPolicy"),
            other,
            &["Always", "OnFailure", "Never"],
        ),
    }
    match spec.dns_policy.as_str() {
        "ClusterFirstWithHostNet" | "ClusterFirst" | "Default" | "None" => {}
        "" => errors.required(&path.child("dnsPolicy"), ""),
        other => errors.not_supported_in_order(
            &path.child("dnsPolicy"),
            other,
            &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
        ),
    }
    errors.extend(meta::validate_labels(&spec.node_selector, &path.child("nodeSelector")));
    security::validate_pod(spec, &path.child("securityContext"), rules, errors);
    if let Some(affinity) = &spec.affinity {
        scheduling_validation::validate_affinity(affinity, rules, &path.child("affinity"), errors);
    }
    validate_dns(spec.dns_config.as_deref(), &spec.dns_policy, &path.child("dnsConfig"), errors);
    for (index, gate) in spec.readiness_gates.iter().enumerate() {
        let path = path.child("readinessGates").index(index).child("conditionType");
        errors.invalid_each(&path, &gate.condition_type, names::is_qualified_name(&gate.condition_type));
    }
    scheduling_validation::validate_gates(&spec.scheduling_gates, &path.child("schedulingGates"), errors);
    let spread = path.child("topologySpreadConstraints");
    scheduling_validation::validate_spread(&spec.topology_spread_constraints, &spread, rules, errors);
    security::validate_host_process(spec, path, errors);
    security::validate_host_users(spec, path, rules, errors);
    validate_host_names(spec, path, errors);
    validate_references(spec, path, errors);
    if let Some(seconds) = spec.active_deadline_seconds {
        errors.invalid_each(
            &path.child("activeDeadlineSeconds"),
            seconds,
            names::is_in_range(seconds, 1, i64::from(i32::MAX)),
        );
    }
    scheduling_validation::validate_tolerations(&spec.tolerations, &path.child("tolerations"), rules, errors);
    for (index, alias) in spec.host_aliases.iter().enumerate() {
        let path = path.child("hostAliases").index(index);
        errors.extend(addresses::validate_ip(&path.child("ip"), &alias.ip, &[]));
        for (at, name) in alias.hostnames.iter().enumerate() {
            errors.invalid_each(&path.child("hostnames").index(at), name, names::is_dns1123_subdomain(name));
        }
    }
    match spec.preemption_policy.as_deref() {
        None | Some("PreemptLowerPriority" | "Never") => {}
        Some("") => errors.required(&path.child("preemptionPolicy"), ""),
        Some(other) => errors.not_supported_in_order(
            &path.child("preemptionPolicy"),
            other,
            &["PreemptLowerPriority", "Never"],
        ),
    }
    for (name, quantity) in &spec.overhead {
        let path = path.child("overhead").child("limits").key(name);
        errors.extend(resource_names::validate_for_container(name, &path));
        errors.extend(resource_names::validate_quantity(name, quantity, &path));
    }
    security::validate_operating_system(spec, path, errors);
    if let Some(group) = &spec.scheduling_group {
        let path = path.child("schedulingGroup").child("podGroupName");
        match &group.pod_group_name {
            None => errors.invalid(&path, serde_json::Value::Null, "must specify one of: `podGroupName`"),
            Some(name) => errors.invalid_each(&path, name, names::name_is_dns_subdomain(name, false)),
        }
    }
    containers::validate_file_volumes(spec, path, errors);
}

fn validate_host_ports(spec: &PodSpec, path: &Path, rules: &PodRules, errors: &mut ErrorList) {
    if !spec.host_network {
        return;
    }
    for (index, container) in spec.containers.iter().enumerate() {
        for (at, port) in container.ports.iter().enumerate() {
            if (rules.is_pod || port.host_port != 0) && port.host_port != port.container_port {
                let path = path.child("containers").index(index).child("ports").index(at).child("hostPort");
                errors.invalid(
                    &path,
                    port.host_port,
                    "must match `containerPort` when `hostNetwork` is true",
                );
            }
        }
    }
}

fn validate_host_names(spec: &PodSpec, path: &Path, errors: &mut ErrorList) {
    for (field, name) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        if !name.is_empty() {
            errors.invalid_each(&path.child(field), name, names::is_dns1123_label(name));
        }
    }
    let Some(name) = &spec.hostname_override else { return };
    let path = path.child("hostnameOverride");
    if spec.set_hostname_as_fqdn == Some(true) {
        errors.forbidden(&path, "may not be specified when setHostnameAsFQDN is true");
    }
    if spec.host_network {
        errors.forbidden(&path, "may not be specified when hostNetwork is true");
    }
    if name.len() > 64 {
        errors.too_long(&path, 64);
    }
    errors.invalid_each(&path, name, names::is_dns1123_subdomain(name));
}

fn validate_references(spec: &PodSpec, path: &Path, errors: &mut ErrorList) {
    let runtime_class = spec.runtime_class_name.as_deref();
    for (field, name) in [
        ("serviceAccountName", Some(spec.service_account_name.as_str()).filter(|name| !name.is_empty())),
        ("nodeName", Some(spec.node_name.as_str()).filter(|name| !name.is_empty())),
        ("priorityClassName", Some(spec.priority_class_name.as_str()).filter(|name| !name.is_empty())),
        ("runtimeClassName", runtime_class),
    ] {
        if let Some(name) = name {
            errors.invalid_each(&path.child(field), name, names::name_is_dns_subdomain(name, false));
        }
    }
}

fn validate_dns(config: Option<&PodDNSConfig>, policy: &str, path: &Path, errors: &mut ErrorList) {
    let none = policy == "None";
    let Some(config) = config else {
        if none {
            errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        return;
    };
    let servers = path.child("nameservers");
    if none && config.nameservers.is_empty() {
        errors.required(&servers, "must provide at least one DNS nameserver when `dnsPolicy` is None");
        return;
    }
    if config.nameservers.len() > 3 {
        errors.invalid(&servers, &config.nameservers, "must not have more than 3 nameservers");
    }
    for (index, server) in config.nameservers.iter().enumerate() {
        errors.extend(addresses::validate_ip(&servers.index(index), server, &[]));
    }
    let searches = path.child("searches");
    if config.searches.len() > 32 {
        errors.invalid(&searches, &config.searches, "must not have more than 32 search paths");
    }
    if config.searches.join(" ").len() > 2048 {
        errors.invalid(
            &searches,
            &config.searches,
            "must not have more than 2048 characters (including spaces) in the search list",
        );
    }
    for (index, search) in config.searches.iter().enumerate().filter(|(_, search)| *search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        errors.invalid_each(
            &searches.index(index),
            search,
            names::is_dns1123_subdomain_with_underscore(search),
        );
    }
    for (index, option) in config.options.iter().enumerate() {
        if option.name.is_empty() {
            errors.required(&path.child("options").index(index), "must not be empty");
        }
    }
}
