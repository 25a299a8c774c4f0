//! Validation of nodes.

use crate::{
    addresses,
    core::v1::{pod::scheduling_validation, resource_names},
    meta,
    report::Report,
};
use api_types::core::v1::{Node, Taint};
use machinery::{
    Message,
    field::{Error, ErrorList, Path},
    names,
};
use std::collections::BTreeSet;

/// A node.
pub fn validate(node: &Node) -> ErrorList {
    let metadata = Path::new("metadata");
    let mut errors = meta::validate(&node.metadata, false, names::name_is_dns_subdomain, &metadata);
    validate_annotations(node, &metadata.child("annotations"), &mut errors);
    validate_taints(&node.spec.taints, &metadata.child("taints"), &mut errors);
    validate_amounts(node, &mut errors);
    if let Some(swap) = &node.status.node_info.swap
        && let Some(capacity) = swap.capacity
        && capacity <= 0
    {
        errors.invalid(
            &metadata.child("nodeSwapStatus").child("capacity"),
            capacity,
            "must be greater than zero",
        );
    }
    validate_features(&node.status.declared_features, &mut errors);
    let cidrs = &node.spec.pod_cidrs;
    let path = Path::of(&["spec", "podCIDRs"]);
    for (index, cidr) in cidrs.iter().enumerate() {
        errors.extend(addresses::validate_cidr(&path.index(index), cidr, &[]));
    }
    if cidrs.len() > 1 {
        let families: Vec<bool> = cidrs
            .iter()
            .filter_map(|cidr| addresses::parse_cidr_sloppy(cidr))
            .map(|(ip, _)| ip.is_ipv4())
            .collect();
        let dual = families.contains(&true) && families.contains(&false);
        if !dual || cidrs.len() > 2 {
            errors.invalid(&path, cidrs, "may specify no more than one CIDR for each IP family");
        }
    }
    errors
}

/// A changed node, also when only its status changed.
pub fn validate_update(new: &Node, old: &Node) -> ErrorList {
    let metadata = Path::new("metadata");
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &metadata);
    validate_annotations(new, &metadata.child("annotations"), &mut errors);
    validate_amounts(new, &mut errors);
    validate_features(&new.status.declared_features, &mut errors);
    let mut seen = BTreeSet::new();
    for (index, address) in new.status.addresses.iter().enumerate() {
        if !seen.insert((&address.type_, &address.address)) {
            errors.duplicate(&Path::of(&["status", "addresses"]).index(index), address.to_value());
        }
    }
    if !old.spec.pod_cidrs.is_empty() && old.spec.pod_cidrs != new.spec.pod_cidrs {
        errors.forbidden(
            &Path::of(&["spec", "podCIDRs"]),
            "node updates may not change podCIDR except from \"\" to valid",
        );
    }
    if !old.spec.provider_id.is_empty() && old.spec.provider_id != new.spec.provider_id {
        errors.forbidden(
            &Path::of(&["spec", "providerID"]),
            "node updates may not change providerID except from \"\" to valid",
        );
    }
    validate_taints(&new.spec.taints, &metadata.child("taints"), &mut errors);
    if new.spec.external_id != old.spec.external_id {
        errors.forbidden(&Path::of(&["spec", "externalID"]), "may not be updated");
    }
    errors
}

/// Warnings about deprecated fields and odd spellings.
pub fn warnings(node: &Node) -> Vec<String> {
    let mut warnings = Vec::new();
    if node.spec.config_source.is_some() {
        warnings.push("spec.configSource: the feature is removed".to_owned());
    }
    if !node.spec.external_id.is_empty() {
        warnings.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned());
    }
    for (index, cidr) in node.spec.pod_cidrs.iter().enumerate() {
        warnings.extend(addresses::cidr_warnings(&Path::of(&["spec", "podCIDRs"]).index(index), cidr));
    }
    warnings
}

fn validate_annotations(node: &Node, path: &Path, errors: &mut ErrorList) {
    let key = "scheduler.alpha.kubernetes.io/taints";
    let Some(text) = node.metadata.annotations.get(key).filter(|text| !text.is_empty()) else { return };
    match serde_json::from_str::<Vec<serde_json::Value>>(text) {
        Err(error) => errors.invalid(path, key, error.to_string()),
        Ok(values) => match values.iter().map(Taint::from_value).collect::<Result<Vec<_>, _>>() {
            Ok(taints) => validate_taints(&taints, &path.child(key), errors),
            Err(error) => errors.invalid(path, key, error.to_string()),
        },
    }
}

fn validate_taints(taints: &[Taint], path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, taint) in taints.iter().enumerate() {
        let path = path.index(index);
        errors.invalid_each(&path.child("key"), &taint.key, names::is_qualified_name(&taint.key));
        let value = names::is_label_value(&taint.value);
        if !value.is_empty() {
            errors.invalid(&path.child("value"), &taint.value, value.join(";"));
        }
        scheduling_validation::validate_taint_effect(&taint.effect, false, &path.child("effect"), errors);
        if !seen.insert((&taint.effect, &taint.key)) {
            let mut error = Error::duplicate(&path, taint.to_value());
            error.detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(error);
        }
    }
}

fn validate_amounts(node: &Node, errors: &mut ErrorList) {
    for (field, list) in [("capacity", &node.status.capacity), ("allocatable", &node.status.allocatable)] {
        for (name, quantity) in list {
            errors.extend(resource_names::validate_quantity(
                name,
                quantity,
                &Path::of(&["status", field]).child(name.clone()),
            ));
        }
    }
}

fn is_feature_name(name: &str) -> bool {
    let mut segments = name.split('/');
    let camel = segments.next().is_some_and(|first| {
        first.starts_with(|letter: char| letter.is_ascii_uppercase())
            && first.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    camel
        && segments
            .all(|segment| !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn validate_features(features: &[String], errors: &mut ErrorList) {
    let path = Path::of(&["status", "declaredFeatures"]);
    for (index, name) in features.iter().enumerate() {
        if name.len() > names::DNS_SUBDOMAIN_MAX_LENGTH {
            let message = format!(
                "invalid feature name {name:?}: must be no more than {} characters",
                names::DNS_SUBDOMAIN_MAX_LENGTH
            );
            errors.invalid(&path.index(index), name, message);
        } else if !is_feature_name(name) {
            errors.invalid(&path.index(index), name, format!("invalid feature name {name:?}: must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"));
        }
        if let Some(next) = features.get(index + 1) {
            match name.cmp(next) {
                std::cmp::Ordering::Equal => errors.duplicate(&path.index(index + 1), next),
                std::cmp::Ordering::Greater => {
                    errors.invalid(&path.index(index + 1), next, "list must be sorted alphabetically")
                }
                std::cmp::Ordering::Less => {}
            }
        }
    }
}
