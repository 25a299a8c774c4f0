//! Validation of endpoint slices.

use crate::{addresses, meta, report::Report};
use api_types::discovery::v1::{Endpoint, EndpointHints, EndpointPort, EndpointSlice};
use machinery::{
    field::{Error, ErrorList, Path},
    names,
};
use std::collections::BTreeSet;

const MOST_ENDPOINTS: usize = 1000;
const MOST_ADDRESSES: usize = 100;
const MOST_PORTS: usize = 20_000;
const MOST_LABELS: usize = 16;
const MOST_HINTS: usize = 8;

fn too_many(path: &Path, actual: usize, maximum: usize, errors: &mut ErrorList) -> bool {
    if actual > maximum {
        errors.push(Error::too_many(path, Some(actual), maximum));
    }
    actual > maximum
}

fn validate_with(slice: &EndpointSlice, old: Option<&EndpointSlice>) -> ErrorList {
    let mut errors =
        meta::validate(&slice.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    match slice.address_type.as_str() {
        "IPv4" | "IPv6" | "FQDN" => {}
        "" => errors.required(&Path::new("addressType"), ""),
        other => errors.not_supported(&Path::new("addressType"), other, &["FQDN", "IPv4", "IPv6"]),
    }
    validate_ports(&slice.ports, &Path::new("ports"), &mut errors);
    if old.is_none_or(|old| old.endpoints != slice.endpoints) {
        let path = Path::new("endpoints");
        if !too_many(&path, slice.endpoints.len(), MOST_ENDPOINTS, &mut errors) {
            for (index, endpoint) in slice.endpoints.iter().enumerate() {
                validate_endpoint(endpoint, &slice.address_type, &path.index(index), &mut errors);
            }
        }
    }
    errors
}

/// A slice.
pub fn validate(slice: &EndpointSlice) -> ErrorList {
    validate_with(slice, None)
}

/// A changed slice: its address type stays.
pub fn validate_update(new: &EndpointSlice, old: &EndpointSlice) -> ErrorList {
    let mut errors = validate_with(new, Some(old));
    errors.unchanged(&Path::new("addressType"), &new.address_type, &old.address_type, &new.address_type);
    errors
}

fn validate_ports(ports: &[EndpointPort], path: &Path, errors: &mut ErrorList) {
    if too_many(path, ports.len(), MOST_PORTS, errors) {
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        let name = port.name.as_deref().unwrap_or_default();
        if !name.is_empty() {
            errors.invalid_each(&path.child("name"), name, names::is_dns1123_label(name));
        }
        if !seen.insert(name) {
            errors.duplicate(&path.child("name"), name);
        }
        match port.protocol.as_deref() {
            None => errors.required(&path.child("protocol"), ""),
            Some("TCP" | "UDP" | "SCTP") => {}
            Some(other) => errors.not_supported(&path.child("protocol"), other, &["SCTP", "TCP", "UDP"]),
        }
        if let Some(protocol) = &port.app_protocol {
            errors.invalid_each(&path.child("appProtocol"), protocol, names::is_qualified_name(protocol));
        }
    }
}

fn validate_endpoint(endpoint: &Endpoint, address_type: &str, path: &Path, errors: &mut ErrorList) {
    let list = path.child("addresses");
    if endpoint.addresses.is_empty() {
        errors.required(&list, "must contain at least 1 address");
    }
    too_many(&list, endpoint.addresses.len(), MOST_ADDRESSES, errors);
    for (index, address) in endpoint.addresses.iter().enumerate() {
        validate_address(address, address_type, &list, index, errors);
    }
    if let Some(node) = &endpoint.node_name {
        errors.invalid_each(&path.child("nodeName"), node, names::name_is_dns_subdomain(node, false));
    }
    let topology = path.child("deprecatedTopology");
    too_many(&topology, endpoint.deprecated_topology.len(), MOST_LABELS, errors);
    errors.extend(meta::validate_labels(&endpoint.deprecated_topology, &topology));
    if let Some(name) = &endpoint.hostname {
        errors.invalid_each(&path.child("hostname"), name, names::is_dns1123_label(name));
    }
    if let Some(hints) = &endpoint.hints {
        validate_hints(hints, &path.child("hints"), errors);
    }
}

fn validate_address(address: &str, address_type: &str, list: &Path, index: usize, errors: &mut ErrorList) {
    let path = list.index(index);
    let found = match address_type {
        "IPv4" => addresses::validate_ip(&path, address, &[]),
        "IPv6" => addresses::validate_canonical_ip(&path, address),
        "FQDN" => {
            validate_domain(address, &path, errors);
            return;
        }
        _ => return,
    };
    if !found.is_empty() {
        errors.extend(found);
        return;
    }
    if addresses::parse_ip_sloppy(address).is_some_and(|ip| ip.is_ipv4() != (address_type == "IPv4")) {
        errors.invalid(list, address, format!("must be an {address_type} address"));
    }
    errors.extend(addresses::validate_endpoint_ip(&path, address));
}

fn validate_domain(name: &str, path: &Path, errors: &mut ErrorList) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let messages = names::is_dns1123_subdomain(name);
    if !messages.is_empty() {
        errors.invalid(path, name, messages.join(","));
    } else if !name.contains('.') {
        errors.invalid(path, name, "should be a domain with at least two segments separated by dots");
    } else if let Some(label) = name.split('.').find(|label| !names::is_dns1123_label(label).is_empty()) {
        errors.invalid(path, label, names::is_dns1123_label(label).join(","));
    }
}

fn validate_hints(hints: &EndpointHints, path: &Path, errors: &mut ErrorList) {
    let zones = path.child("forZones");
    if too_many(&zones, hints.for_zones.len(), MOST_HINTS, errors) {
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, zone) in hints.for_zones.iter().enumerate() {
        let path = zones.index(index).child("name");
        if !seen.insert(&zone.name) {
            errors.duplicate(&path, &zone.name);
        }
        errors.invalid_each(&path, &zone.name, names::is_label_value(&zone.name));
    }
    let nodes = path.child("forNodes");
    if too_many(&nodes, hints.for_nodes.len(), MOST_HINTS, errors) {
        return;
    }
    seen.clear();
    for (index, node) in hints.for_nodes.iter().enumerate() {
        let path = nodes.index(index).child("name");
        if !seen.insert(&node.name) {
            errors.duplicate(&path, &node.name);
        }
        errors.invalid_each(&path, &node.name, names::name_is_dns_subdomain(&node.name, false));
    }
}
