//! Validation of network policies.

use crate::{addresses, meta, report::Report};
use api_types::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use machinery::{
    IntOrString,
    field::{BadValue, ErrorList, Path},
    names,
};

/// What a stored policy may keep.
#[derive(Default)]
struct Allowances {
    bad_selector_values: bool,
    cidrs: Vec<String>,
}

fn validate_port(port: &NetworkPolicyPort, path: &Path, errors: &mut ErrorList) {
    let protocols = ["TCP", "UDP", "SCTP"];
    if let Some(protocol) = port.protocol.as_deref().filter(|protocol| !protocols.contains(protocol)) {
        errors.not_supported_in_order(&path.child("protocol"), protocol, &protocols);
    }
    let end_path = path.child("endPort");
    match (&port.port, port.end_port) {
        (Some(IntOrString::Int(number)), end) => {
            errors.invalid_each(&path.child("port"), *number, names::is_port_number(i64::from(*number)));
            if let Some(end) = end {
                if end < *number {
                    errors.invalid(&end_path, *number, "must be greater than or equal to `port`");
                }
                errors.invalid_each(&end_path, end, names::is_port_number(i64::from(end)));
            }
        }
        (Some(IntOrString::String(name)), end) => {
            if let Some(end) = end {
                errors.invalid(&end_path, end, "may not be specified when `port` is non-numeric");
            }
            errors.invalid_each(&path.child("port"), name, names::is_port_name(name));
        }
        (None, Some(end)) => {
            errors.invalid(&end_path, end, "may not be specified when `port` is not specified")
        }
        (None, None) => {}
    }
}

fn validate_block(block: &IPBlock, path: &Path, allow: &Allowances, errors: &mut ErrorList) {
    let cidr_path = path.child("cidr");
    if block.cidr.is_empty() {
        return errors.required(&cidr_path, "");
    }
    errors.extend(addresses::validate_cidr(&cidr_path, &block.cidr, &allow.cidrs));
    let Some((_, whole)) = addresses::parse_cidr_sloppy(&block.cidr) else { return };
    for (index, text) in block.except.iter().enumerate() {
        let path = path.child("except").index(index);
        errors.extend(addresses::validate_cidr(&path, text, &allow.cidrs));
        let Some((_, part)) = addresses::parse_cidr_sloppy(text) else { continue };
        if !whole.contains(&part.addr()) || whole.prefix_len() >= part.prefix_len() {
            errors.invalid(&path, text, "must be a strict subset of `cidr`");
        }
    }
}

fn validate_peer(peer: &NetworkPolicyPeer, path: &Path, allow: &Allowances, errors: &mut ErrorList) {
    let selectors = [("podSelector", &peer.pod_selector), ("namespaceSelector", &peer.namespace_selector)];
    for (field, selector) in selectors {
        if let Some(selector) = selector {
            errors.extend(meta::validate_label_selector(
                selector,
                allow.bad_selector_values,
                &path.child(field),
            ));
        }
    }
    if let Some(block) = &peer.ip_block {
        validate_block(block, &path.child("ipBlock"), allow, errors);
    }
    let selects = peer.pod_selector.is_some() || peer.namespace_selector.is_some();
    match (selects, peer.ip_block.is_some()) {
        (false, false) => errors.required(path, "must specify a peer"),
        (true, true) => errors.forbidden(path, "may not specify both ipBlock and another peer"),
        _ => {}
    }
}

fn validate_rule(
    ports: &[NetworkPolicyPort],
    peers: &[NetworkPolicyPeer],
    field: &'static str,
    path: &Path,
    allow: &Allowances,
    errors: &mut ErrorList,
) {
    for (index, port) in ports.iter().enumerate() {
        validate_port(port, &path.child("ports").index(index), errors);
    }
    for (index, peer) in peers.iter().enumerate() {
        validate_peer(peer, &path.child(field).index(index), allow, errors);
    }
}

fn validate_spec(spec: &NetworkPolicySpec, allow: &Allowances, errors: &mut ErrorList) {
    let path = Path::new("spec");
    errors.extend(meta::validate_label_selector(
        &spec.pod_selector,
        allow.bad_selector_values,
        &path.child("podSelector"),
    ));
    for (index, rule) in spec.ingress.iter().enumerate() {
        validate_rule(&rule.ports, &rule.from, "from", &path.child("ingress").index(index), allow, errors);
    }
    for (index, rule) in spec.egress.iter().enumerate() {
        validate_rule(&rule.ports, &rule.to, "to", &path.child("egress").index(index), allow, errors);
    }
    let path = path.child("policyTypes");
    let types = ["Ingress", "Egress"];
    if spec.policy_types.len() > types.len() {
        return errors.invalid(
            &path,
            BadValue::from(&spec.policy_types),
            "may not specify more than two policyTypes",
        );
    }
    for (index, kind) in spec.policy_types.iter().enumerate() {
        if !types.contains(&kind.as_str()) {
            errors.not_supported_in_order(&path.index(index), kind, &types);
        }
    }
}

/// A new policy.
pub fn validate(policy: &NetworkPolicy) -> ErrorList {
    let mut errors =
        meta::validate(&policy.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec(&policy.spec, &Allowances::default(), &mut errors);
    errors
}

fn peers(spec: &NetworkPolicySpec) -> impl Iterator<Item = &NetworkPolicyPeer> {
    let (from, to) =
        (spec.ingress.iter().flat_map(|rule| &rule.from), spec.egress.iter().flat_map(|rule| &rule.to));
    from.chain(to)
}

/// A changed policy; odd blocks that were in it may stay.
pub fn validate_update(new: &NetworkPolicy, old: &NetworkPolicy) -> ErrorList {
    let blocks = peers(&old.spec).filter_map(|peer| peer.ip_block.as_deref());
    let allow = Allowances {
        bad_selector_values: meta::has_bad_selector_value(Some(&old.spec.pod_selector)),
        cidrs: blocks.flat_map(|block| std::iter::once(&block.cidr).chain(&block.except)).cloned().collect(),
    };
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    validate_spec(&new.spec, &allow, &mut errors);
    errors
}

/// Odd spellings of blocks.
pub fn warnings(policy: &NetworkPolicy) -> Vec<String> {
    let spec = Path::new("spec");
    let from = policy
        .spec
        .ingress
        .iter()
        .enumerate()
        .map(|(index, rule)| (spec.child("ingress").index(index).child("from"), &rule.from));
    let to = policy
        .spec
        .egress
        .iter()
        .enumerate()
        .map(|(index, rule)| (spec.child("egress").index(index).child("to"), &rule.to));
    let mut warnings = Vec::new();
    for (path, peers) in from.chain(to) {
        for (index, peer) in peers.iter().enumerate() {
            let Some(block) = &peer.ip_block else { continue };
            let path = path.index(index).child("ipBlock");
            warnings.extend(addresses::cidr_warnings(&path.child("cidr"), &block.cidr));
            for (index, except) in block.except.iter().enumerate() {
                warnings.extend(addresses::cidr_warnings(&path.child("except").index(index), except));
            }
        }
    }
    warnings
}
