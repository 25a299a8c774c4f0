//! Validation of services.

use super::meaning::{is_externally_accessible, needs_health_check};
use crate::{
    addresses,
    core::v1::{endpoints::validation::validate_protocol, pod::handlers::validate_port},
    meta,
    report::Report,
};
use api_types::core::v1::{LoadBalancerStatus, Service, ServicePort, ServiceSpec};
use machinery::{
    field::{ErrorList, Path},
    names,
};
use std::collections::BTreeSet;

const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
/// Longest time a client sticks to its backend, in seconds.
const MAX_AFFINITY_SECONDS: i32 = 86400;

fn headless(spec: &ServiceSpec) -> bool {
    spec.cluster_ips.len() == 1 && spec.cluster_ips[0] == "None"
}

/// A new service.
pub fn validate(service: &Service) -> ErrorList {
    let mut errors =
        meta::validate(&service.metadata, true, names::name_is_dns_label, &Path::new("metadata"));
    validate_shared(service, None, &mut errors);
    errors
}

/// A changed service.
pub fn validate_update(new: &Service, old: &Service) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let (now, before) = (&new.spec, &old.spec);
    if now.type_ != "ExternalName" && before.type_ != "ExternalName" {
        validate_changed_ips(now, before, &mut errors);
        if !headless(now) && !headless(before) {
            validate_changed_families(now, before, &mut errors);
        }
    }
    if now.type_ == "LoadBalancer"
        && before.type_ == "LoadBalancer"
        && now.load_balancer_class != before.load_balancer_class
    {
        errors.invalid(
            &Path::of(&["spec", "loadBalancerClass"]),
            now.load_balancer_class.clone(),
            "may not change once set",
        );
    }
    if needs_health_check(now)
        && needs_health_check(before)
        && now.health_check_node_port != before.health_check_node_port
    {
        errors.forbidden(&Path::of(&["spec", "healthCheckNodePort"]), "field is immutable");
    }
    validate_shared(new, Some(old), &mut errors);
    errors
}

/// A changed status.
pub fn validate_status_update(new: &Service, old: &Service) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let path = Path::of(&["status", "loadBalancer"]);
    validate_load_balancer_status(
        &new.status.load_balancer,
        &old.status.load_balancer,
        &new.spec,
        &path,
        &mut errors,
    );
    errors
}

fn validate_shared(service: &Service, old: Option<&Service>, errors: &mut ErrorList) {
    let spec = &service.spec;
    let annotations = &service.metadata.annotations;
    if let (Some(mode), Some(hints)) = (annotations.get(TOPOLOGY_MODE), annotations.get(TOPOLOGY_HINTS))
        && mode != hints
    {
        let path = Path::of(&["metadata", "annotations"]).key(TOPOLOGY_MODE);
        errors.invalid(
            &path,
            mode,
            format!("must match annotations[{TOPOLOGY_HINTS}] when both are specified"),
        );
    }
    let path = Path::new("spec");
    if spec.ports.is_empty() && !headless(spec) && spec.type_ != "ExternalName" {
        errors.required(&path.child("ports"), "");
    }
    validate_by_type(spec, &path, errors);
    let mut seen = BTreeSet::new();
    for (index, port) in spec.ports.iter().enumerate() {
        validate_service_port(
            port,
            spec.ports.len() > 1,
            &mut seen,
            &path.child("ports").index(index),
            errors,
        );
    }
    errors.extend(meta::validate_labels(&spec.selector, &path.child("selector")));
    validate_affinity(spec, &path, errors);
    let no_ips = Vec::new();
    validate_cluster_ips(spec, old.map_or(&no_ips, |old| &old.spec.cluster_ips), errors);
    let old_external = old.map_or(&no_ips, |old| &old.spec.external_ips);
    for (index, ip) in spec.external_ips.iter().enumerate() {
        let path = path.child("externalIPs").index(index);
        let found = addresses::validate_ip(&path, ip, old_external);
        errors.extend(if found.is_empty() { addresses::validate_endpoint_ip(&path, ip) } else { found });
    }
    match spec.type_.as_str() {
        "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName" => {}
        "" => errors.required(&path.child("type"), ""),
        other => errors.not_supported(
            &path.child("type"),
            other,
            &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        ),
    }
    validate_port_numbers(spec, &path.child("ports"), errors);
    validate_source_ranges(service, old, errors);
    if spec.allocate_load_balancer_node_ports.is_some() && spec.type_ != "LoadBalancer" {
        errors.forbidden(
            &path.child("allocateLoadBalancerNodePorts"),
            "may only be used when `type` is 'LoadBalancer'",
        );
    }
    if spec.type_ == "LoadBalancer" && spec.allocate_load_balancer_node_ports.is_none() {
        errors.required(&Path::new("allocateLoadBalancerNodePorts"), "");
    }
    if let Some(class) = &spec.load_balancer_class {
        let path = path.child("loadBalancerClass");
        if spec.type_ == "LoadBalancer" {
            errors.invalid_each(&path, class, names::is_qualified_name(class));
        } else {
            errors.forbidden(&path, "may only be used when `type` is 'LoadBalancer'");
        }
    }
    validate_traffic(spec, &path, errors);
}

fn validate_by_type(spec: &ServiceSpec, path: &Path, errors: &mut ErrorList) {
    match spec.type_.as_str() {
        type_ @ ("LoadBalancer" | "NodePort") if headless(spec) => {
            let message = format!("may not be set to 'None' for {type_} services");
            errors.invalid(&path.child("clusterIPs").index(0), "None", message);
        }
        "ExternalName" => {
            for (field, given) in [
                ("clusterIPs", !spec.cluster_ips.is_empty()),
                ("ipFamilies", !spec.ip_families.is_empty()),
                ("ipFamilyPolicy", spec.ip_family_policy.is_some()),
            ] {
                if given {
                    errors.forbidden(&path.child(field), "may not be set for ExternalName services");
                }
            }
            let name = spec.external_name.strip_suffix('.').unwrap_or(&spec.external_name);
            if name.is_empty() {
                errors.required(&path.child("externalName"), "");
            } else {
                errors.invalid_each(&path.child("externalName"), name, names::is_dns1123_subdomain(name));
            }
        }
        _ => {}
    }
}

fn validate_service_port<'a>(
    port: &'a ServicePort,
    named: bool,
    seen: &mut BTreeSet<&'a str>,
    path: &Path,
    errors: &mut ErrorList,
) {
    if named && port.name.is_empty() {
        errors.required(&path.child("name"), "");
    } else if !port.name.is_empty() {
        errors.invalid_each(&path.child("name"), &port.name, names::is_dns1123_label(&port.name));
        if !seen.insert(&port.name) {
            errors.duplicate(&path.child("name"), &port.name);
        }
    }
    errors.invalid_each(&path.child("port"), port.port, names::is_port_number(i64::from(port.port)));
    validate_protocol(&port.protocol, &path.child("protocol"), errors);
    validate_port(&port.target_port, &path.child("targetPort"), errors);
    if let Some(protocol) = &port.app_protocol {
        errors.invalid_each(&path.child("appProtocol"), protocol, names::is_qualified_name(protocol));
    }
}

fn validate_port_numbers(spec: &ServiceSpec, path: &Path, errors: &mut ErrorList) {
    for (index, port) in spec.ports.iter().enumerate() {
        if spec.type_ == "ClusterIP" && port.node_port != 0 {
            errors.forbidden(
                &path.index(index).child("nodePort"),
                "may not be used when `type` is 'ClusterIP'",
            );
        }
    }
    let mut seen = BTreeSet::new();
    for (index, port) in spec.ports.iter().enumerate().filter(|(_, port)| port.node_port != 0) {
        if !seen.insert((&port.protocol, port.node_port)) {
            errors.duplicate(&path.index(index).child("nodePort"), port.node_port);
        }
    }
    seen.clear();
    for (index, port) in spec.ports.iter().enumerate() {
        if !seen.insert((&port.protocol, port.port)) {
            let shown = serde_json::json!({ "protocol": port.protocol, "port": port.port, "targetPort": 0 });
            errors.duplicate(&path.index(index), shown);
        }
    }
}

fn validate_affinity(spec: &ServiceSpec, path: &Path, errors: &mut ErrorList) {
    match spec.session_affinity.as_str() {
        "" => errors.required(&path.child("sessionAffinity"), ""),
        "None" => {
            if spec.session_affinity_config.is_some() {
                errors.forbidden(
                    &path.child("sessionAffinityConfig"),
                    "must not be set when session affinity is None",
                );
            }
        }
        "ClientIP" => {
            let (mut path, message) =
                (path.child("sessionAffinityConfig"), "when session affinity type is ClientIP");
            let Some(config) = &spec.session_affinity_config else { return errors.required(&path, message) };
            path = path.child("clientIP");
            let Some(client) = &config.client_ip else { return errors.required(&path, message) };
            path = path.child("timeoutSeconds");
            let Some(seconds) = client.timeout_seconds else { return errors.required(&path, message) };
            if !(1..=MAX_AFFINITY_SECONDS).contains(&seconds) {
                errors.invalid(
                    &path,
                    seconds,
                    format!("must be greater than 0 and less than {MAX_AFFINITY_SECONDS}"),
                );
            }
        }
        other => errors.not_supported(&path.child("sessionAffinity"), other, &["ClientIP", "None"]),
    }
}

/// The addresses and families of a service, as far as they speak for themselves.
pub fn validate_cluster_ips(spec: &ServiceSpec, old: &[String], errors: &mut ErrorList) {
    if spec.type_ == "ExternalName" {
        return;
    }
    let path = Path::new("spec");
    let ips_path = path.child("clusterIPs");
    let ips = &spec.cluster_ips;
    match (spec.cluster_ip.as_str(), ips.first()) {
        ("", None) => {}
        ("", Some(_)) => errors.invalid(&ips_path, ips, "must be empty when `clusterIP` is not specified"),
        (_, None) => errors.required(&ips_path, ""),
        (ip, Some(first)) if ip != first => {
            errors.invalid(&ips_path, ips, "first value must match `clusterIP`")
        }
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for (index, family) in spec.ip_families.iter().enumerate() {
        let path = path.child("ipFamilies").index(index);
        if !matches!(family.as_str(), "IPv4" | "IPv6") {
            errors.not_supported(&path, family, &["IPv4", "IPv6"]);
        }
        if !seen.insert(family) {
            errors.duplicate(&path, family);
        }
    }
    if let Some(policy) = &spec.ip_family_policy {
        let accepted = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        if !accepted.contains(&policy.as_str()) {
            errors.not_supported(&path.child("ipFamilyPolicy"), policy, &accepted);
        }
    }
    let mut broken = false;
    for (index, ip) in ips.iter().enumerate() {
        if index == 0 && ip == "None" {
            if ips.len() > 1 {
                broken = true;
                errors.invalid(&ips_path, ips, "'None' must be the first and only value");
            }
            continue;
        }
        let found = addresses::validate_ip(&ips_path.index(index), ip, old);
        broken |= !found.is_empty();
        errors.extend(found);
    }
    if ips.len() > 2 {
        errors.invalid(&ips_path, ips, "may only hold up to 2 values");
    }
    if broken {
        return;
    }
    let is_v6 = |ip: &String| addresses::parse_ip_sloppy(ip).is_some_and(|ip| ip.is_ipv6());
    if ips.len() > 1 && (ips.iter().all(is_v6) || !ips.iter().any(is_v6)) {
        errors.invalid(&ips_path, ips, "may specify no more than one IP for each IP family");
    }
    if !headless(spec) {
        for (index, (ip, family)) in ips.iter().zip(&spec.ip_families).enumerate() {
            let expected = match family.as_str() {
                "IPv4" => is_v6(ip),
                "IPv6" => !is_v6(ip),
                _ => false,
            };
            if expected {
                errors.invalid(
                    &ips_path.index(index),
                    ip,
                    format!("expected an {family} value as indicated by `ipFamilies[{index}]`"),
                );
            }
        }
    }
}

fn validate_source_ranges(service: &Service, old: Option<&Service>, errors: &mut ErrorList) {
    let spec = &service.spec;
    let message = "may only be used when `type` is 'LoadBalancer'";
    if !spec.load_balancer_source_ranges.is_empty() {
        let path = Path::of(&["spec", "LoadBalancerSourceRanges"]);
        if spec.type_ != "LoadBalancer" {
            errors.forbidden(&path, message);
        }
        let before: Vec<String> = old
            .map(|old| {
                old.spec.load_balancer_source_ranges.iter().map(|range| range.trim().to_owned()).collect()
            })
            .unwrap_or_default();
        for (index, range) in spec.load_balancer_source_ranges.iter().enumerate() {
            errors.extend(addresses::validate_cidr(&path.index(index), range.trim(), &before));
        }
    } else if let Some(text) = service.metadata.annotations.get(SOURCE_RANGES) {
        let path = Path::of(&["metadata", "annotations"]).key(SOURCE_RANGES);
        if spec.type_ != "LoadBalancer" {
            errors.forbidden(&path, message);
        }
        let changed = old.is_none_or(|old| old.metadata.annotations.get(SOURCE_RANGES) != Some(text));
        if changed && !text.trim().is_empty() {
            for range in text.trim().split(',') {
                errors.extend(addresses::validate_cidr(&path, range.trim(), &[]));
            }
        }
    }
}

fn validate_traffic(spec: &ServiceSpec, path: &Path, errors: &mut ErrorList) {
    let policy = path.child("externalTrafficPolicy");
    match (is_externally_accessible(spec), spec.external_traffic_policy.as_str()) {
        (false, "") | (true, "Cluster" | "Local") => {}
        (false, other) => {
            errors.invalid(&policy, other, "may only be set for externally-accessible services")
        }
        (true, "") => errors.required(&policy, ""),
        (true, other) => errors.not_supported(&policy, other, &["Cluster", "Local"]),
    }
    let port = path.child("healthCheckNodePort");
    match (needs_health_check(spec), spec.health_check_node_port) {
        (false, 0) => {}
        (false, number) => errors.invalid(
            &port,
            number,
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ),
        (true, 0) => errors.required(&port, ""),
        (true, number) => errors.invalid_each(&port, number, names::is_port_number(i64::from(number))),
    }
    let internal = path.child("internalTrafficPolicy");
    match spec.internal_traffic_policy.as_deref() {
        None if matches!(spec.type_.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") => {
            errors.required(&internal, "")
        }
        None | Some("Cluster" | "Local") => {}
        Some(other) => errors.not_supported(&internal, other, &["Cluster", "Local"]),
    }
    let accepted = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    if let Some(distribution) = spec.traffic_distribution.as_deref()
        && !accepted.contains(&distribution)
    {
        errors.not_supported_in_order(&path.child("trafficDistribution"), distribution, &accepted);
    }
}

fn single_stack(spec: &ServiceSpec) -> bool {
    spec.ip_family_policy.as_deref() == Some("SingleStack")
}

fn validate_changed_ips(new: &ServiceSpec, old: &ServiceSpec, errors: &mut ErrorList) {
    if headless(new) && headless(old) {
        return;
    }
    let path = Path::of(&["spec", "clusterIPs"]);
    let (now, before) = (&new.cluster_ips, &old.cluster_ips);
    let changed = |index: usize, errors: &mut ErrorList| {
        errors.invalid(&path.index(index), now, "may not change once set")
    };
    if now.len() == before.len() {
        for index in (0..now.len()).filter(|index| now[*index] != before[*index]) {
            changed(index, errors);
        }
        return;
    }
    if now.is_empty() {
        errors.invalid(&path.index(0), now, "primary clusterIP can not be unset");
    } else if before.first().is_some_and(|first| *first != now[0]) {
        changed(0, errors);
    }
    if now.len() == 1 && before.len() > 1 && !single_stack(new) {
        let path = Path::of(&["spec", "ipFamilyPolicy"]);
        errors.invalid(
            &path,
            new.ip_family_policy.clone(),
            "must be set to 'SingleStack' when releasing the secondary clusterIP",
        );
    }
}

fn validate_changed_families(new: &ServiceSpec, old: &ServiceSpec, errors: &mut ErrorList) {
    let path = Path::of(&["spec", "ipFamilies"]);
    let (now, before) = (&new.ip_families, &old.ip_families);
    if now.len() == before.len() {
        for _ in now.iter().zip(before).filter(|(now, before)| now != before) {
            errors.invalid(&path.index(0), now, "may not change once set");
        }
        return;
    }
    if now.len() < before.len() && new.cluster_ips.is_empty() {
        errors.invalid(&path.index(0), now, "primary ipFamily can not be unset");
    }
    if let (Some(first), Some(was)) = (now.first(), before.first())
        && first != was
    {
        errors.invalid(&path.index(0), &new.cluster_ips, "may not change once set");
    }
    if now.len() == 1 && before.len() > 1 && !single_stack(new) {
        let path = Path::of(&["spec", "ipFamilyPolicy"]);
        errors.invalid(
            &path,
            new.ip_family_policy.clone(),
            "must be set to 'SingleStack' when releasing the secondary ipFamily",
        );
    }
}

fn validate_load_balancer_status(
    status: &LoadBalancerStatus,
    old: &LoadBalancerStatus,
    spec: &ServiceSpec,
    path: &Path,
    errors: &mut ErrorList,
) {
    let path = path.child("ingress");
    if spec.type_ != "LoadBalancer" && !status.ingress.is_empty() {
        errors.forbidden(&path, "may only be used when `spec.type` is 'LoadBalancer'");
        return;
    }
    let before: Vec<String> =
        old.ingress.iter().map(|ingress| ingress.ip.clone()).filter(|ip| !ip.is_empty()).collect();
    for (index, ingress) in status.ingress.iter().enumerate() {
        let path = path.index(index);
        if !ingress.ip.is_empty() {
            errors.extend(addresses::validate_ip(&path.child("ip"), &ingress.ip, &before));
        }
        match (ingress.ip_mode.as_deref(), ingress.ip.is_empty()) {
            (None, false) => errors.required(&path.child("ipMode"), "must be specified when `ip` is set"),
            (Some(_), true) => {
                errors.forbidden(&path.child("ipMode"), "may not be specified when `ip` is not set")
            }
            (Some(mode), false) if !matches!(mode, "VIP" | "Proxy") => {
                errors.not_supported(&path.child("ipMode"), mode, &["Proxy", "VIP"])
            }
            _ => {}
        }
        if !ingress.hostname.is_empty() {
            errors.invalid_each(
                &path.child("hostname"),
                &ingress.hostname,
                names::is_dns1123_subdomain(&ingress.hostname),
            );
            if addresses::parse_ip_sloppy(&ingress.hostname).is_some() {
                errors.invalid(
                    &path.child("hostname"),
                    &ingress.hostname,
                    "must be a DNS name, not an IP address",
                );
            }
        }
    }
}

/// Warnings about odd addresses, ignored fields and fields that will go.
pub fn warnings(service: &Service) -> Vec<String> {
    let mut warnings = Vec::new();
    let spec = &service.spec;
    let path = Path::new("spec");
    if service.metadata.annotations.contains_key(TOPOLOGY_HINTS) {
        warnings
            .push(format!("annotation {TOPOLOGY_HINTS} is deprecated, please use {TOPOLOGY_MODE} instead"));
    }
    if !spec.cluster_ip.is_empty() && spec.cluster_ip != "None" {
        for (index, ip) in spec.cluster_ips.iter().enumerate() {
            warnings.extend(addresses::ip_warnings(&path.child("clusterIPs").index(index), ip));
        }
    }
    let headless = spec.type_ == "ClusterIP" && spec.cluster_ip == "None";
    for (field, given) in [
        ("loadBalancerIP", !spec.load_balancer_ip.is_empty()),
        ("externalIPs", !spec.external_ips.is_empty()),
        ("SessionAffinity", spec.session_affinity != "None"),
    ] {
        if headless && given {
            warnings.push(format!("spec.{field} is ignored for headless services"));
        }
    }
    for (index, ip) in spec.external_ips.iter().enumerate() {
        warnings.extend(addresses::ip_warnings(&path.child("externalIPs").index(index), ip));
    }
    if !spec.external_ips.is_empty() && !headless && spec.type_ != "ExternalName" {
        warnings.push(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned(),
        );
    }
    if !spec.load_balancer_ip.is_empty() {
        warnings.extend(addresses::ip_warnings(&path.child("loadBalancerIP"), &spec.load_balancer_ip));
    }
    for (index, range) in spec.load_balancer_source_ranges.iter().enumerate() {
        warnings
            .extend(addresses::cidr_warnings(&path.child("loadBalancerSourceRanges").index(index), range));
    }
    if spec.type_ == "ExternalName" && !spec.external_ips.is_empty() {
        warnings.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if spec.type_ != "ExternalName" && !spec.external_name.is_empty() {
        warnings.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if spec.traffic_distribution.as_deref() == Some("PreferClose") {
        warnings.push(
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".to_owned(),
        );
    }
    warnings
}
