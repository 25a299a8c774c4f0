//! Validation of changes to the status of a pod.

use super::update::{rules, validate_annotation_changes};
use crate::{addresses, meta, report::Report};
use api_types::core::v1::{Container, ContainerStatus, Pod, PodSpec};
use machinery::{
    field::{ErrorList, Path},
    names,
};

/// A changed status.
pub fn validate(new: &Pod, old: &Pod) -> ErrorList {
    let rules = rules(old);
    let metadata = Path::new("metadata");
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &metadata);
    validate_annotation_changes(new, old, &metadata.child("annotations"), &rules, &mut errors);
    let path = Path::new("status");
    let (now, before) = (&new.status, &old.status);
    for (index, condition) in now.conditions.iter().enumerate() {
        let path = path.child("conditions").index(index);
        if condition.observed_generation < 0 {
            errors.invalid(
                &path.child("observedGeneration"),
                condition.observed_generation,
                "must be a non-negative integer",
            );
        }
        if !matches!(condition.type_.as_str(), "PodScheduled" | "Ready" | "Initialized") {
            errors.invalid_each(
                &path.child("Type"),
                &condition.type_,
                names::is_qualified_name(&condition.type_),
            );
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
        errors.invalid(
            &path.child("observedGeneration"),
            now.observed_generation,
            "must be a non-negative integer",
        );
    }
    errors.unchanged(&path.child("qosClass"), &now.qos_class, &before.qos_class, &now.qos_class);
    let lists = [
        (
            "containerStatuses",
            &now.container_statuses,
            &before.container_statuses,
            Some(&old.spec.containers),
        ),
        (
            "initContainerStatuses",
            &now.init_container_statuses,
            &before.init_container_statuses,
            Some(&old.spec.init_containers),
        ),
        (
            "ephemeralContainerStatuses",
            &now.ephemeral_container_statuses,
            &before.ephemeral_container_statuses,
            None,
        ),
    ];
    for (field, now, before, containers) in lists {
        validate_transitions(
            now,
            before,
            &old.spec,
            containers.map(Vec::as_slice),
            &path.child(field),
            &mut errors,
        );
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
        let containers = containers.map(|_| {
            if field == "containerStatuses" { &new.spec.containers } else { &new.spec.init_containers }
        });
        validate_container_statuses(
            statuses,
            containers.map(Vec::as_slice),
            new,
            &path.child(field),
            &mut errors,
        );
    }
    errors
}

fn validate_ips(ips: &[String], before: &[String], path: &Path, errors: &mut ErrorList) {
    for (index, ip) in ips.iter().enumerate() {
        errors.extend(addresses::validate_ip(&path.index(index), ip, before));
    }
    if ips.len() > 1 {
        let families: Vec<bool> =
            ips.iter().filter_map(|ip| addresses::parse_ip_sloppy(ip)).map(|ip| ip.is_ipv4()).collect();
        if ips.len() > 2 || !(families.contains(&true) && families.contains(&false)) {
            let shown =
                serde_json::Value::Array(ips.iter().map(|ip| serde_json::json!({ "ip": ip })).collect());
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
    let restarts_all = spec.containers.iter().chain(&spec.init_containers).any(|container| {
        container.restart_policy_rules.iter().any(|rule| rule.action == "RestartAllContainers")
    });
    if containers.is_some() && restarts_all {
        return;
    }
    for (index, status) in old.iter().enumerate() {
        let Some(ended) = &status.state.terminated else { continue };
        let revived = new.iter().find(|new| new.name == status.name && new.state.terminated.is_none());
        let container = containers
            .and_then(|containers| containers.iter().find(|container| container.name == status.name));
        if revived.is_some() && !container.is_some_and(|container| restarts(container, spec, ended.exit_code))
        {
            errors.forbidden(
                &path.index(index).child("state"),
                "may not be transitioned to non-terminated state",
            );
        }
    }
}

fn validate_claim_statuses(pod: &Pod, path: &Path, errors: &mut ErrorList) {
    let mut seen = std::collections::BTreeSet::new();
    for (index, status) in pod.status.resource_claim_statuses.iter().enumerate() {
        let path = path.index(index);
        if !pod.spec.resource_claims.iter().any(|claim| claim.name == status.name) {
            errors.invalid(
                &path.child("name"),
                &status.name,
                "must match the name of an entry in `spec.resourceClaims`",
            );
        }
        if !seen.insert(&status.name) {
            errors.duplicate(&path.child("name"), &status.name);
        }
        if let Some(name) = &status.resource_claim_name {
            errors.invalid_each(
                &path.child("resourceClaimName"),
                name,
                names::name_is_dns_subdomain(name, false),
            );
        }
    }
}

fn validate_container_statuses(
    statuses: &[ContainerStatus],
    containers: Option<&[Container]>,
    pod: &Pod,
    path: &Path,
    errors: &mut ErrorList,
) {
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
                    errors.invalid_each(
                        &path.child("supplementalGroups").index(at),
                        *group,
                        names::is_group_id(*group),
                    );
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
                    errors.not_supported(
                        &path.child("health"),
                        &health.health,
                        &["Healthy", "Unhealthy", "Unknown"],
                    );
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
