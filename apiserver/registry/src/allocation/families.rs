//! IP families of a service, from what the client said and what the cluster has.
//!
//! Source: `pkg/registry/core/service/storage/alloc.go` (`initIPFamilyFields`), `storage.go` (`normalizeClusterIPs`,
//! `patchAllocatedValues`, `defaultOnReadService`).

use api_types::core::v1::{Service, ServiceSpec};
use machinery::{
    GroupKind,
    field::{ErrorList, Path},
    status::StatusError,
};
use rules::{
    core::v1::service::{
        meaning::{NO_CLUSTER_IP, family, needs_health_check, needs_node_ports},
        validation,
    },
    report::Report,
};
use std::{collections::BTreeSet, net::IpAddr};

const SINGLE: &str = "SingleStack";
const PREFER: &str = "PreferDualStack";
const REQUIRE: &str = "RequireDualStack";

fn has_ip(spec: &ServiceSpec) -> bool {
    spec.type_ != "ExternalName"
}

fn other(family: &str) -> &'static str {
    if family == "IPv4" { "IPv6" } else { "IPv4" }
}

/// An error about a service.
pub fn invalid(service: &Service, errors: ErrorList) -> StatusError {
    StatusError::invalid(&GroupKind::new("", "Service"), &service.metadata.name, &errors)
}

/// Fills the plural address field of services written by old clients, and `ipFamilies` of services that have none.
pub fn fill_stored(service: &mut Service, families: &[&'static str]) {
    let spec = &mut service.spec;
    if !spec.cluster_ip.is_empty() && spec.cluster_ips.is_empty() {
        spec.cluster_ips = vec![spec.cluster_ip.clone()];
    }
    let Some(primary) = families.first() else { return };
    if !has_ip(spec) || !spec.ip_families.is_empty() {
        return;
    }
    let mut policy = SINGLE;
    if spec.cluster_ip == NO_CLUSTER_IP {
        spec.ip_families = vec![(*primary).to_owned()];
        if spec.selector.is_empty() {
            spec.ip_families.push(other(primary).to_owned());
            policy = REQUIRE;
        }
    } else {
        let ips = spec.cluster_ips.iter().filter_map(|ip| ip.parse::<IpAddr>().ok());
        spec.ip_families = ips.map(|ip| family(&ip).to_owned()).collect();
        if spec.ip_families.len() == 2 {
            policy = REQUIRE;
        }
    }
    if !spec.ip_families.is_empty() {
        spec.ip_family_policy = Some(policy.to_owned());
    }
}

/// Brings `clusterIP` and `clusterIPs` together when a client set only one of them.
pub fn normalize(new: &mut ServiceSpec, old: Option<&ServiceSpec>) {
    let Some(old) = old else {
        if !new.cluster_ip.is_empty() && new.cluster_ips.is_empty() {
            new.cluster_ips = vec![new.cluster_ip.clone()];
        }
        return;
    };
    if !old.cluster_ips.is_empty() && new.cluster_ips.is_empty() && old.cluster_ip == new.cluster_ip {
        new.cluster_ips.clone_from(&old.cluster_ips);
    }
    if old.cluster_ip != new.cluster_ip && old.cluster_ips == new.cluster_ips {
        let cleared = !old.cluster_ip.is_empty() && new.cluster_ip.is_empty();
        new.cluster_ips = if cleared { Vec::new() } else { vec![new.cluster_ip.clone()] };
    }
}

/// Keeps what the server had given when a client sends its own text again, which does not name it.
pub fn keep_allocated(new: &mut ServiceSpec, old: &ServiceSpec) {
    if has_ip(old) && has_ip(new) {
        if new.cluster_ip.is_empty() {
            new.cluster_ip.clone_from(&old.cluster_ip);
        }
        if new.cluster_ips.is_empty() {
            new.cluster_ips.clone_from(&old.cluster_ips);
        }
    }
    if needs_node_ports(old) && needs_node_ports(new) {
        let used = |spec: &ServiceSpec| -> BTreeSet<i32> {
            spec.ports.iter().map(|port| port.node_port).filter(|port| *port != 0).collect()
        };
        let still_used: BTreeSet<i32> = used(old).intersection(&used(new)).copied().collect();
        for port in new.ports.iter_mut().filter(|port| port.node_port == 0) {
            // The last port of a name wins, as in upstream's map.
            let before = old.ports.iter().rev().find(|before| before.name == port.name);
            if let Some(before) = before.filter(|before| !still_used.contains(&before.node_port)) {
                port.node_port = before.node_port;
            }
        }
    }
    if needs_health_check(old) && needs_health_check(new) && new.health_check_node_port == 0 {
        new.health_check_node_port = old.health_check_node_port;
    }
}

/// True when nothing about families changes in a service that takes what the cluster has.
pub fn is_settled(new: &ServiceSpec, old: &ServiceSpec) -> bool {
    let prefers = |spec: &ServiceSpec| spec.ip_family_policy.as_deref() == Some(PREFER);
    let unchanged =
        old.type_ == new.type_ && new.cluster_ips == old.cluster_ips && new.ip_families == old.ip_families;
    has_ip(new) && prefers(new) && (prefers(old) || old.ip_family_policy.is_none()) && unchanged
}

fn policy_of(spec: &ServiceSpec) -> &str {
    spec.ip_family_policy.as_deref().unwrap_or_default()
}

/// Cuts what a service loses by going back to one family, or says that it has to ask for that.
fn shrink(spec: &mut ServiceSpec, old: &ServiceSpec, errors: &mut ErrorList) {
    let path = Path::of(&["spec", "ipFamilyPolicy"]);
    if policy_of(spec) == SINGLE {
        if spec.cluster_ips == old.cluster_ips {
            spec.cluster_ips.truncate(1);
        }
        if spec.ip_families == old.ip_families {
            spec.ip_families.truncate(1);
        }
        return;
    }
    if !spec.cluster_ips.is_empty() && spec.cluster_ips.len() < old.cluster_ips.len() {
        errors.invalid(&path, policy_of(spec), "must be 'SingleStack' to release the secondary cluster IP");
    }
    if !spec.ip_families.is_empty() && spec.ip_families.len() < old.ip_families.len() {
        errors.invalid(&path, policy_of(spec), "must be 'SingleStack' to release the secondary IP family");
    }
}

/// Families that follow from the addresses a client asked for.
fn infer(spec: &mut ServiceSpec, configured: &[&'static str], errors: &mut ErrorList) {
    let path = Path::of(&["spec", "ipFamilyPolicy"]);
    if policy_of(spec) == SINGLE {
        for (count, what) in
            [(spec.cluster_ips.len(), "cluster IPs"), (spec.ip_families.len(), "IP families")]
        {
            if count == 2 {
                let why = format!(
                    "must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
                );
                errors.invalid(&path, policy_of(spec), why);
            }
        }
    }
    for (index, ip) in spec.cluster_ips.iter().enumerate() {
        let Ok(ip) = ip.parse::<IpAddr>() else { break };
        let family = family(&ip);
        if index < spec.ip_families.len() {
            continue;
        }
        if configured.contains(&family) {
            spec.ip_families.push(family.to_owned());
        } else {
            let why = format!("{family} is not configured on this cluster");
            errors.invalid(&Path::of(&["spec", "clusterIPs"]).index(index), &spec.cluster_ips, why);
        }
    }
}

/// Sets `ipFamilyPolicy` and `ipFamilies`; `configured` are the cluster's families, the first being its default.
pub fn settle(
    service: &mut Service,
    old: Option<&Service>,
    configured: &[&'static str],
) -> Result<(), StatusError> {
    if !has_ip(&service.spec) || old.is_some_and(|old| is_settled(&service.spec, &old.spec)) {
        return Ok(());
    }
    let spec = &mut service.spec;
    let to_anywhere = spec.cluster_ip == NO_CLUSTER_IP && spec.selector.is_empty();
    if spec.ip_family_policy.is_none() {
        let before = old.and_then(|old| old.spec.ip_family_policy.clone());
        let fresh = if to_anywhere { REQUIRE } else { SINGLE };
        spec.ip_family_policy = Some(before.unwrap_or_else(|| fresh.to_owned()));
    }
    let (accepted, mut errors) =
        (old.map(|old| old.spec.cluster_ips.clone()).unwrap_or_default(), ErrorList::new());
    validation::validate_cluster_ips(&service.spec, &accepted, &mut errors);
    if !errors.is_empty() {
        return Err(invalid(service, errors));
    }
    if let Some(old) = old {
        shrink(&mut service.spec, &old.spec, &mut errors);
    }
    infer(&mut service.spec, configured, &mut errors);
    if !errors.is_empty() {
        return Err(invalid(service, errors));
    }
    let Some(default) = configured.first() else {
        return Err(StatusError::internal_error("the cluster has no range of cluster IPs"));
    };
    let dual = policy_of(&service.spec) != SINGLE;
    let families = &mut service.spec.ip_families;
    if to_anywhere {
        // Without selector nobody knows the families of the endpoints, so any may be named.
        if families.is_empty() {
            families.push((*default).to_owned());
        }
        if dual && families.len() < 2 {
            let second = other(&families[0]);
            families.push(second.to_owned());
        }
        return Ok(());
    }
    if policy_of(&service.spec) == REQUIRE && configured.len() < 2 {
        errors.invalid(
            &Path::of(&["spec", "ipFamilyPolicy"]),
            REQUIRE,
            "this cluster is not configured for dual-stack services",
        );
    }
    for (index, family) in service.spec.ip_families.iter().enumerate() {
        if !configured.contains(&family.as_str()) {
            errors.invalid(
                &Path::of(&["spec", "ipFamilies"]).index(index),
                family,
                "not configured on this cluster",
            );
        }
    }
    if !errors.is_empty() {
        return Err(invalid(service, errors));
    }
    let families = &mut service.spec.ip_families;
    if families.is_empty() {
        families.push((*default).to_owned());
    }
    if dual && families.len() == 1 && configured.len() == 2 {
        let second = other(&families[0]);
        families.push(second.to_owned());
    }
    Ok(())
}
