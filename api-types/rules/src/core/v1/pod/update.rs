//! What may change in a pod that exists: by update, status, resize, debugging and binding.

use super::{
    containers, meaning,
    options::PodRules,
    qos, resources, scheduling_validation,
    validation::{validate_annotations, validate_metadata_and_spec},
};
use crate::{
    addresses,
    core::v1::resource_list::ResourceList,
    meta,
    report::{NEGATIVE, Report},
};
use api_types::core::v1::{Binding, Container, ContainerStatus, NodeAffinity, NodeSelectorTerm, Pod, PodSpec, ResourceRequirements};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};
use std::collections::BTreeMap;

const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
const MIRROR: &str = "kubernetes.io/config.mirror";

fn rules(old: &Pod) -> PodRules {
    PodRules::for_pod_update(&old.spec, &old.metadata)
}

fn validate_annotation_changes(new: &Pod, old: &Pod, path: &Path, rules: &PodRules, errors: &mut ErrorList) {
    let (now, before) = (&new.metadata.annotations, &old.metadata.annotations);
    for (key, value) in before.iter().filter(|(key, value)| now.get(*key) != Some(value)) {
        let _ = value;
        if key.starts_with(super::security::APP_ARMOR) {
            errors.forbidden(&path.key(key), "may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&path.key(key), "may not remove or update mirror pod annotation");
        }
    }
    for key in now.keys().filter(|key| !before.contains_key(*key)) {
        if key.starts_with(super::security::APP_ARMOR) {
            errors.forbidden(&path.key(key), "may not add AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&path.key(key), "may not add mirror pod annotation");
        }
    }
    validate_annotations(&new.metadata, &new.spec, path, rules, errors);
}

/// A changed pod.
pub fn validate(new: &Pod, old: &Pod) -> ErrorList {
    let rules = rules(old);
    let metadata = Path::new("metadata");
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &metadata);
    errors.extend(validate_metadata_and_spec(new, &rules));
    validate_annotation_changes(new, old, &metadata.child("annotations"), &rules, &mut errors);
    let path = Path::new("spec");
    for (field, now, before) in
        [("containers", &new.spec.containers, &old.spec.containers), ("initContainers", &new.spec.init_containers, &old.spec.init_containers)]
    {
        if now.len() != before.len() {
            errors.forbidden(&path.child(field), "pod updates may not add or remove containers");
            return errors;
        }
        for (index, container) in now.iter().enumerate() {
            let path = path.child(field).index(index);
            if container.image.is_empty() {
                errors.required(&path.child("image"), "");
            }
            containers::validate_image_padding(&container.image, &path, &mut errors);
        }
    }
    let deadline = path.child("activeDeadlineSeconds");
    match (new.spec.active_deadline_seconds, old.spec.active_deadline_seconds) {
        (Some(seconds), _) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            errors.invalid_each(&deadline, seconds, names::is_in_range(seconds, 0, i64::from(i32::MAX)));
            return errors;
        }
        (Some(seconds), Some(before)) if before < seconds => {
            errors.invalid(&deadline, seconds, "must be less than or equal to previous value");
            return errors;
        }
        (None, Some(_)) => errors.invalid(&deadline, serde_json::Value::Null, "must not update from a positive integer to nil value"),
        _ => {}
    }
    scheduling_validation::validate_added_tolerations(&new.spec.tolerations, &old.spec.tolerations, &path.child("tolerations"), &rules, &mut errors);
    scheduling_validation::validate_removed_gates(&new.spec.scheduling_gates, &old.spec.scheduling_gates, &path.child("schedulingGates"), &mut errors);
    if new.spec == old.spec {
        return errors;
    }
    let mut rest = without_updatable(&new.spec, &old.spec);
    if !old.spec.scheduling_gates.is_empty() {
        undo_gated_changes(&mut rest, &old.spec, &path, &mut errors);
    }
    if rest != old.spec {
        let difference = difference(&old.spec.to_value(), &rest.to_value());
        errors.forbidden(&path, format!("pod updates may not change fields other than {UPDATABLE}\n{difference}"));
    }
    errors
}

/// The new spec with everything that updates may change put back.
fn without_updatable(new: &PodSpec, old: &PodSpec) -> PodSpec {
    let mut spec = new.clone();
    for (now, before) in [(&mut spec.containers, &old.containers), (&mut spec.init_containers, &old.init_containers)] {
        for (container, before) in now.iter_mut().zip(before) {
            container.image = before.image.clone();
        }
    }
    spec.active_deadline_seconds = old.active_deadline_seconds;
    spec.scheduling_gates = old.scheduling_gates.clone();
    spec.tolerations = old.tolerations.clone();
    if old.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0) && spec.termination_grace_period_seconds == Some(1) {
        spec.termination_grace_period_seconds = old.termination_grace_period_seconds;
    }
    spec
}

/// Gated pods may still narrow where they run.
fn undo_gated_changes(spec: &mut PodSpec, old: &PodSpec, path: &Path, errors: &mut ErrorList) {
    if spec.node_selector != old.node_selector {
        if !old.node_selector.iter().all(|(key, value)| spec.node_selector.get(key) == Some(value)) {
            errors.invalid(&path.child("nodeSelector"), &spec.node_selector, "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
        }
        spec.node_selector = old.node_selector.clone();
    }
    let before = old.affinity.as_ref().and_then(|affinity| affinity.node_affinity.clone());
    let now = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.clone());
    if before == now {
        return;
    }
    let path = path.child("affinity").child("nodeAffinity");
    validate_narrowed(now.as_deref(), before.as_deref(), &path, errors);
    match (&mut spec.affinity, before) {
        (None, before) => spec.affinity = before.map(|before| Box::new(api_types::core::v1::Affinity { node_affinity: Some(before), ..Default::default() })),
        (Some(affinity), _) if old.affinity.is_none() && affinity.pod_affinity.is_none() && affinity.pod_anti_affinity.is_none() => {
            spec.affinity = None;
        }
        (Some(affinity), before) => affinity.node_affinity = before,
    }
}

fn validate_narrowed(new: Option<&NodeAffinity>, old: Option<&NodeAffinity>, path: &Path, errors: &mut ErrorList) {
    let terms = |affinity: Option<&NodeAffinity>| -> Vec<NodeSelectorTerm> {
        let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
        required.map(|required| required.node_selector_terms.clone()).unwrap_or_default()
    };
    let (now, before) = (terms(new), terms(old));
    let path = path.child("requiredDuringSchedulingIgnoredDuringExecution").child("nodeSelectorTerms");
    if before.is_empty() {
        return;
    }
    if now.len() != before.len() {
        let shown = serde_json::Value::Array(now.iter().map(Message::to_value).collect());
        errors.invalid(&path, shown, "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
        return;
    }
    for (index, (now, before)) in now.iter().zip(&before).enumerate() {
        let was_empty = before.match_expressions.is_empty() && before.match_fields.is_empty();
        let is_empty = now.match_expressions.is_empty() && now.match_fields.is_empty();
        let only_added = now.match_expressions.starts_with(&before.match_expressions) && now.match_fields.starts_with(&before.match_fields);
        // An empty term selects nothing, so adding to it would widen it.
        if was_empty && !is_empty || !only_added {
            errors.invalid(&path.index(index), now.to_value(), "only additions are allowed (no mutations or deletions)");
        }
    }
}

/// The fields that differ, one per line, with both values.
fn difference(old: &serde_json::Value, new: &serde_json::Value) -> String {
    fn walk(old: &serde_json::Value, new: &serde_json::Value, path: &str, lines: &mut Vec<String>) {
        use serde_json::Value;
        match (old, new) {
            (Value::Object(before), Value::Object(now)) => {
                let keys: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
                for key in keys {
                    let nothing = Value::Null;
                    walk(before.get(key).unwrap_or(&nothing), now.get(key).unwrap_or(&nothing), &format!("{path}.{key}"), lines);
                }
            }
            (Value::Array(before), Value::Array(now)) if before.len() == now.len() => {
                for (index, (before, now)) in before.iter().zip(now).enumerate() {
                    walk(before, now, &format!("{path}[{index}]"), lines);
                }
            }
            (before, now) if before != now => {
                lines.push(format!("-\t{path}: {before}"));
                lines.push(format!("+\t{path}: {now}"));
            }
            _ => {}
        }
    }
    let mut lines = Vec::new();
    walk(old, new, "spec", &mut lines);
    lines.join("\n")
}

/// A changed status.
pub fn validate_status(new: &Pod, old: &Pod) -> ErrorList {
    let rules = rules(old);
    let metadata = Path::new("metadata");
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &metadata);
    validate_annotation_changes(new, old, &metadata.child("annotations"), &rules, &mut errors);
    let path = Path::new("status");
    let (now, before) = (&new.status, &old.status);
    for (index, condition) in now.conditions.iter().enumerate() {
        let path = path.child("conditions").index(index);
        if condition.observed_generation < 0 {
            errors.invalid(&path.child("observedGeneration"), condition.observed_generation, "must be a non-negative integer");
        }
        if !matches!(condition.type_.as_str(), "PodScheduled" | "Ready" | "Initialized") {
            errors.invalid_each(&path.child("Type"), &condition.type_, names::is_qualified_name(&condition.type_));
        }
    }
    if new.spec.node_name != old.spec.node_name {
        errors.forbidden(&path.child("nodeName"), "may not be changed directly");
    }
    let nominated = &now.nominated_node_name;
    if *nominated != before.nominated_node_name && !nominated.is_empty() {
        let path = path.child("nominatedNodeName");
        errors.invalid_each(&path, nominated, names::name_is_dns_subdomain(nominated, false));
        if !old.spec.node_name.is_empty() {
            errors.forbidden(&path, "may not be set on pods that are already bound to a node");
        }
    }
    if now.observed_generation < 0 {
        errors.invalid(&path.child("observedGeneration"), now.observed_generation, "must be a non-negative integer");
    }
    errors.unchanged(&path.child("qosClass"), &now.qos_class, &before.qos_class, &now.qos_class);
    let lists = [
        ("containerStatuses", &now.container_statuses, &before.container_statuses, Some(&old.spec.containers)),
        ("initContainerStatuses", &now.init_container_statuses, &before.init_container_statuses, Some(&old.spec.init_containers)),
        ("ephemeralContainerStatuses", &now.ephemeral_container_statuses, &before.ephemeral_container_statuses, None),
    ];
    for (field, now, before, containers) in lists {
        validate_transitions(now, before, &old.spec, containers.map(Vec::as_slice), &path.child(field), &mut errors);
    }
    validate_claim_statuses(new, &path.child("resourceClaimStatuses"), &mut errors);
    let pod_ips = |pod: &Pod| pod.status.pod_ips.iter().map(|ip| ip.ip.clone()).collect::<Vec<_>>();
    let host_ips = |pod: &Pod| pod.status.host_ips.iter().map(|ip| ip.ip.clone()).collect::<Vec<_>>();
    validate_ips(&pod_ips(new), &pod_ips(old), &path.child("podIPs"), &mut errors);
    if let Some(first) = now.host_ips.first()
        && first.ip != now.host_ip
    {
        errors.invalid(&path.child("hostIPs").index(0).child("ip"), &first.ip, "must be equal to `hostIP`");
    }
    validate_ips(&host_ips(new), &host_ips(old), &path.child("hostIPs"), &mut errors);
    for (field, statuses, _, containers) in lists {
        let containers = containers.map(|_| if field == "containerStatuses" { &new.spec.containers } else { &new.spec.init_containers });
        validate_container_statuses(statuses, containers.map(Vec::as_slice), new, &path.child(field), &mut errors);
    }
    errors
}

fn validate_ips(ips: &[String], before: &[String], path: &Path, errors: &mut ErrorList) {
    for (index, ip) in ips.iter().enumerate() {
        errors.extend(addresses::validate_ip(&path.index(index), ip, before));
    }
    if ips.len() > 1 {
        let families: Vec<bool> = ips.iter().filter_map(|ip| addresses::parse_ip_sloppy(ip)).map(|ip| ip.is_ipv4()).collect();
        if ips.len() > 2 || !(families.contains(&true) && families.contains(&false)) {
            let shown = serde_json::Value::Array(ips.iter().map(|ip| serde_json::json!({ "ip": ip })).collect());
            errors.invalid(path, shown, "may specify no more than one IP for each IP family");
        }
    }
}

/// True when the container runs again after it ended with this code.
pub fn restarts(container: &Container, spec: &PodSpec, exit_code: i32) -> bool {
    for rule in &container.restart_policy_rules {
        if let Some(codes) = &rule.exit_codes {
            let listed = codes.values.contains(&exit_code);
            if codes.operator == "In" && listed || codes.operator == "NotIn" && !listed {
                return true;
            }
        }
    }
    match container.restart_policy.as_deref().unwrap_or(&spec.restart_policy) {
        "Always" => true,
        "OnFailure" => exit_code != 0,
        _ => false,
    }
}

fn validate_transitions(
    new: &[ContainerStatus],
    old: &[ContainerStatus],
    spec: &PodSpec,
    containers: Option<&[Container]>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let restarts_all = spec
        .containers
        .iter()
        .chain(&spec.init_containers)
        .any(|container| container.restart_policy_rules.iter().any(|rule| rule.action == "RestartAllContainers"));
    if containers.is_some() && restarts_all {
        return;
    }
    for (index, status) in old.iter().enumerate() {
        let Some(ended) = &status.state.terminated else { continue };
        let revived = new.iter().find(|new| new.name == status.name && new.state.terminated.is_none());
        let container = containers.and_then(|containers| containers.iter().find(|container| container.name == status.name));
        if revived.is_some() && !container.is_some_and(|container| restarts(container, spec, ended.exit_code)) {
            errors.forbidden(&path.index(index).child("state"), "may not be transitioned to non-terminated state");
        }
    }
}

fn validate_claim_statuses(pod: &Pod, path: &Path, errors: &mut ErrorList) {
    let mut seen = std::collections::BTreeSet::new();
    for (index, status) in pod.status.resource_claim_statuses.iter().enumerate() {
        let path = path.index(index);
        if !pod.spec.resource_claims.iter().any(|claim| claim.name == status.name) {
            errors.invalid(&path.child("name"), &status.name, "must match the name of an entry in `spec.resourceClaims`");
        }
        if !seen.insert(&status.name) {
            errors.duplicate(&path.child("name"), &status.name);
        }
        if let Some(name) = &status.resource_claim_name {
            errors.invalid_each(&path.child("resourceClaimName"), name, names::name_is_dns_subdomain(name, false));
        }
    }
}

fn validate_container_statuses(statuses: &[ContainerStatus], containers: Option<&[Container]>, pod: &Pod, path: &Path, errors: &mut ErrorList) {
    let windows = pod.spec.os.as_ref().is_some_and(|os| os.name == "windows");
    for (index, status) in statuses.iter().enumerate() {
        let path = path.index(index);
        if let Some(linux) = status.user.as_ref().and_then(|user| user.linux.as_ref()) {
            let path = path.child("user").child("linux");
            if windows {
                errors.forbidden(&path, "cannot be set for a windows pod");
            } else {
                errors.invalid_each(&path.child("uid"), linux.uid, names::is_user_id(linux.uid));
                errors.invalid_each(&path.child("gid"), linux.gid, names::is_group_id(linux.gid));
                for (at, group) in linux.supplemental_groups.iter().enumerate() {
                    errors.invalid_each(&path.child("supplementalGroups").index(at), *group, names::is_group_id(*group));
                }
            }
        }
        let path = path.child("allocatedResourcesStatus");
        let Some(containers) = containers else {
            if !status.allocated_resources_status.is_empty() {
                errors.forbidden(&path, "must not be specified in container status");
            }
            continue;
        };
        let container = containers.iter().find(|container| container.name == status.name);
        for (at, allocated) in status.allocated_resources_status.iter().enumerate() {
            let path = path.index(at);
            if let Some(container) = container {
                validate_allocated_name(&allocated.name, container, &path.child("name"), errors);
            }
            let mut seen = std::collections::BTreeSet::new();
            for (position, health) in allocated.resources.iter().enumerate() {
                let path = path.child("resources").index(position);
                if !matches!(health.health.as_str(), "Healthy" | "Unhealthy" | "Unknown") {
                    errors.not_supported(&path.child("health"), &health.health, &["Healthy", "Unhealthy", "Unknown"]);
                }
                if !seen.insert(&health.resource_id) {
                    errors.duplicate(&path.child("resourceID"), &health.resource_id);
                }
            }
        }
    }
}

fn validate_allocated_name(name: &str, container: &Container, path: &Path, errors: &mut ErrorList) {
    if let Some(claim) = name.strip_prefix("claim:") {
        let matches = container.resources.claims.iter().any(|used| match used.request.as_str() {
            "" => used.name == claim,
            request => format!("{}/{request}", used.name) == claim,
        });
        if !matches {
            errors.invalid(path, name, "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty");
        }
    } else if !container.resources.requests.contains_key(name) {
        errors.invalid(path, name, "must match one of the container's resource requests");
    }
}

/// Added ephemeral containers.
pub fn validate_ephemeral_containers(new: &Pod, old: &Pod) -> ErrorList {
    let rules = rules(old);
    let metadata = Path::new("metadata");
    if meaning::is_mirror(old) {
        let mut errors = ErrorList::new();
        errors.forbidden(&Path::new(""), "static pods do not support ephemeral containers");
        return errors;
    }
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &metadata);
    errors.extend(validate_metadata_and_spec(new, &rules));
    validate_annotation_changes(new, old, &metadata.child("annotations"), &rules, &mut errors);
    let path = Path::new("spec").child("ephemeralContainers");
    let now: BTreeMap<&str, _> = new
        .spec
        .ephemeral_containers
        .iter()
        .map(|container| (container.ephemeral_container_common.name.as_str(), container))
        .collect();
    for before in &old.spec.ephemeral_containers {
        let name = &before.ephemeral_container_common.name;
        match now.get(name.as_str()) {
            None => errors.forbidden(&path, format!("existing ephemeral containers {name:?} may not be removed\n")),
            Some(after) if *after != before => {
                let difference = difference(&before.to_value(), &after.to_value());
                errors.forbidden(&path, format!("existing ephemeral containers {name:?} may not be changed\n{difference}"));
            }
            Some(_) => {}
        }
    }
    errors
}

fn removed(new: &ResourceList, old: &ResourceList) -> bool {
    old.keys().any(|name| !new.contains_key(name))
}

fn with_old_compute(requirements: &mut ResourceRequirements, old: &ResourceRequirements) {
    for (list, old) in [(&mut requirements.limits, &old.limits), (&mut requirements.requests, &old.requests)] {
        for name in ["cpu", "memory"] {
            list.remove(name);
            if let Some(quantity) = old.get(name) {
                list.insert(name.to_owned(), quantity.clone());
            }
        }
    }
}

/// Changed requests and limits of cpu and memory.
pub fn validate_resize(new: &Pod, old: &Pod) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    errors.extend(validate_metadata_and_spec(new, &rules(old)));
    let refused = if meaning::is_mirror(old) {
        Some("static pods cannot be resized")
    } else if old.spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        Some("windows pods cannot be resized")
    } else {
        None
    };
    if let Some(refused) = refused {
        let mut errors = ErrorList::new();
        errors.forbidden(&Path::new(""), refused);
        return errors;
    }
    let path = Path::new("spec");
    if qos::class(old) != qos::computed(new) {
        errors.invalid(&path, &new.status.qos_class, "Pod QOS Class may not change as a result of resizing");
    }
    let running = old.status.container_statuses.iter().find(|status| status.state.running.is_some());
    if running.is_some_and(|status| status.resources.is_none()) {
        errors.forbidden(&path, "Pod running on node without support for resize");
    }
    let mut rest = new.spec.clone();
    validate_pod_level_resize(&mut rest, &old.spec, &path, &mut errors);
    if !old.status.node_allocatable_resource_claim_statuses.is_empty() {
        errors.forbidden(&path, "pods with node allocatable resource claims cannot be resized");
    }
    let before = errors.len();
    for (field, now, was) in
        [("containers", &new.spec.containers, &old.spec.containers), ("initContainers", &new.spec.init_containers, &old.spec.init_containers)]
    {
        if now.len() != was.len() {
            errors.forbidden(&path.child(field), format!("{field} may not be added or removed on resize"));
            continue;
        }
        for (index, (now, was)) in now.iter().zip(was).enumerate() {
            if now.name != was.name {
                errors.forbidden(&path.child(field).index(index).child("name"), format!("{field} may not be renamed or reordered on resize"));
            }
        }
    }
    if errors.len() > before {
        return errors;
    }
    for (field, now, was) in
        [("initContainers", &new.spec.init_containers, &old.spec.init_containers), ("containers", &new.spec.containers, &old.spec.containers)]
    {
        for (index, (now, was)) in now.iter().zip(was).enumerate() {
            let path = path.child(field).index(index).child("resources");
            if removed(&now.resources.requests, &was.resources.requests) {
                errors.forbidden(&path.child("requests"), "resource requests cannot be removed");
            }
            if removed(&now.resources.limits, &was.resources.limits) {
                errors.forbidden(&path.child("limits"), "resource limits cannot be removed");
            }
        }
    }
    for (now, was) in rest.containers.iter_mut().zip(&old.spec.containers) {
        with_old_compute(&mut now.resources, &was.resources);
        if now != was {
            errors.forbidden(&path, "only cpu and memory resources are mutable");
        }
    }
    for (index, (now, was)) in rest.init_containers.iter_mut().zip(&old.spec.init_containers).enumerate() {
        let path = path.child("initContainers").index(index);
        let changed = now != was;
        with_old_compute(&mut now.resources, &was.resources);
        if now != was {
            errors.forbidden(&path, "only cpu and memory resources for init or sidecar containers are mutable");
        }
        let restarting = now.resize_policy.iter().filter(|policy| policy.restart_policy == "RestartContainer").count();
        if changed && !resources::is_sidecar(now) {
            for _ in 0..restarting {
                errors.forbidden(&path, "non-sidecar init containers with a resize policy of RestartContainer cannot be resized");
            }
        }
    }
    if errors.is_empty() && rest != old.spec {
        errors.forbidden(&path, "only cpu and memory resources are mutable");
    }
    errors
}

fn validate_pod_level_resize(new: &mut PodSpec, old: &PodSpec, path: &Path, errors: &mut ErrorList) {
    let set = |spec: &PodSpec| spec.resources.as_ref().is_some_and(|resources| !resources.requests.is_empty() || !resources.limits.is_empty());
    if !set(new) && !set(old) {
        return;
    }
    if old.resources.is_some() && new.resources.is_none() {
        errors.forbidden(&path.child("resources"), "pod-level resources cannot be removed");
        return;
    }
    if let (Some(now), Some(was)) = (&new.resources, &old.resources) {
        if removed(&now.requests, &was.requests) {
            errors.forbidden(&path.child("resources").child("requests"), "pod-level resource requests cannot be removed");
        }
        if removed(&now.limits, &was.limits) {
            errors.forbidden(&path.child("resources").child("limits"), "pod-level resource limits cannot be removed");
        }
    }
    let nothing = ResourceRequirements::default();
    if let Some(now) = &mut new.resources {
        with_old_compute(now, old.resources.as_deref().unwrap_or(&nothing));
        if old.resources.is_none() && **now == nothing {
            new.resources = None;
        }
    }
    if new.resources != old.resources {
        errors.forbidden(path, "only cpu and memory resources are mutable at pod-level");
    }
}

/// A binding of a pod to a node.
pub fn validate_binding(binding: &Binding) -> ErrorList {
    let mut errors = ErrorList::new();
    let target = &binding.target;
    if !matches!(target.kind.as_str(), "" | "Node") {
        errors.not_supported_in_order(&Path::of(&["target", "kind"]), &target.kind, &["Node", "<empty>"]);
    }
    if target.name.is_empty() {
        errors.required(&Path::of(&["target", "name"]), "");
    }
    errors
}

/// Options of a log request.
pub fn validate_log_options(options: &api_types::core::v1::PodLogOptions) -> ErrorList {
    let mut errors = ErrorList::new();
    if let Some(lines) = options.tail_lines.filter(|lines| *lines < 0) {
        errors.invalid(&Path::new("tailLines"), lines, NEGATIVE);
    }
    if let Some(bytes) = options.limit_bytes.filter(|bytes| *bytes < 1) {
        errors.invalid(&Path::new("limitBytes"), bytes, "must be greater than 0");
    }
    match options.since_seconds {
        Some(_) if options.since_time.is_some() => {
            errors.forbidden(&Path::new(""), "at most one of `sinceTime` or `sinceSeconds` may be specified");
        }
        Some(seconds) if seconds < 1 => errors.invalid(&Path::new("sinceSeconds"), seconds, "must be greater than 0"),
        _ => {}
    }
    if options.stream.is_some() {
        errors.forbidden(&Path::new("stream"), "may not be specified");
    }
    errors
}
