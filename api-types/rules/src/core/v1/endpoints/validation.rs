//! Validation of endpoints.

use crate::{addresses, meta, report::Report};
use api_types::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints};
use machinery::{
    field::{ErrorList, Path},
    names,
};

/// Endpoints; subsets that did not change were valid when they were stored and stay so.
fn validate_with(endpoints: &Endpoints, old: Option<&Endpoints>) -> ErrorList {
    let mut errors =
        meta::validate(&endpoints.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    if old.is_none_or(|old| old.subsets != endpoints.subsets) {
        for (index, subset) in endpoints.subsets.iter().enumerate() {
            validate_subset(subset, &Path::new("subsets").index(index), &mut errors);
        }
    }
    errors
}

/// New endpoints.
pub fn validate(endpoints: &Endpoints) -> ErrorList {
    validate_with(endpoints, None)
}

/// Changed endpoints.
pub fn validate_update(new: &Endpoints, old: &Endpoints) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    errors.extend(validate_with(new, Some(old)));
    errors
}

fn validate_subset(subset: &EndpointSubset, path: &Path, errors: &mut ErrorList) {
    if subset.addresses.is_empty() && subset.not_ready_addresses.is_empty() {
        errors.required(path, "must specify `addresses` or `notReadyAddresses`");
    }
    for (field, list) in
        [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)]
    {
        for (index, address) in list.iter().enumerate() {
            validate_address(address, &path.child(field).index(index), errors);
        }
    }
    for (index, port) in subset.ports.iter().enumerate() {
        validate_port(port, subset.ports.len() > 1, &path.child("ports").index(index), errors);
    }
}

fn validate_address(address: &EndpointAddress, path: &Path, errors: &mut ErrorList) {
    errors.extend(addresses::validate_ip(&path.child("ip"), &address.ip, &[]));
    if !address.hostname.is_empty() {
        errors.invalid_each(
            &path.child("hostname"),
            &address.hostname,
            names::is_dns1123_label(&address.hostname),
        );
    }
    if let Some(node) = &address.node_name {
        errors.invalid_each(&path.child("nodeName"), node, names::name_is_dns_subdomain(node, false));
    }
    errors.extend(addresses::validate_endpoint_ip(&path.child("ip"), &address.ip));
}

fn validate_port(port: &EndpointPort, named: bool, path: &Path, errors: &mut ErrorList) {
    if named && port.name.is_empty() {
        errors.required(&path.child("name"), "");
    } else if !port.name.is_empty() {
        errors.invalid_each(&path.child("name"), &port.name, names::is_dns1123_label(&port.name));
    }
    errors.invalid_each(&path.child("port"), port.port, names::is_port_number(i64::from(port.port)));
    validate_protocol(&port.protocol, &path.child("protocol"), errors);
    if let Some(protocol) = &port.app_protocol {
        errors.invalid_each(&path.child("appProtocol"), protocol, names::is_qualified_name(protocol));
    }
}

/// `TCP`, `UDP` or `SCTP`.
pub fn validate_protocol(protocol: &str, path: &Path, errors: &mut ErrorList) {
    match protocol {
        "" => errors.required(path, ""),
        "TCP" | "UDP" | "SCTP" => {}
        other => errors.not_supported(path, other, &["SCTP", "TCP", "UDP"]),
    }
}
