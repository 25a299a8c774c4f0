//! Validation of CSI storage capacities.

use crate::{
    core::v1::{pod::warnings::label_warning, resource_names},
    meta,
    report::Report,
};
use api_types::storage::v1::CSIStorageCapacity;
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};

fn validate_with(capacity: &CSIStorageCapacity, allow_bad_values: bool) -> ErrorList {
    let mut errors =
        meta::validate(&capacity.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    if let Some(selector) = &capacity.node_topology {
        errors.extend(meta::validate_label_selector(selector, allow_bad_values, &Path::new("nodeTopology")));
    }
    let class = &capacity.storage_class_name;
    errors.invalid_each(&Path::new("storageClassName"), class, names::name_is_dns_subdomain(class, false));
    if let Some(amount) = &capacity.capacity {
        errors.extend(resource_names::validate_non_negative(amount, &Path::new("capacity")));
    }
    errors
}

/// A new capacity.
pub fn validate(capacity: &CSIStorageCapacity) -> ErrorList {
    validate_with(capacity, false)
}

/// A changed capacity: of the same class in the same place.
pub fn validate_update(new: &CSIStorageCapacity, old: &CSIStorageCapacity) -> ErrorList {
    let mut errors = validate_with(new, meta::has_bad_selector_value(old.node_topology.as_deref()));
    errors.extend(meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata")));
    let shown = new.node_topology.as_ref().map(|selector| selector.to_value());
    errors.unchanged(&Path::new("nodeTopology"), &new.node_topology, &old.node_topology, shown);
    let class = &new.storage_class_name;
    errors.unchanged(&Path::new("storageClassName"), class, &old.storage_class_name, class);
    errors
}

/// Names of node labels that have others today.
pub fn warnings(capacity: &CSIStorageCapacity) -> Vec<String> {
    let Some(selector) = &capacity.node_topology else { return Vec::new() };
    let path = Path::new("nodeTopology");
    let labels = selector.match_labels.keys().map(|key| (path.child("matchLabels").key(key.as_str()), key));
    let expressions = selector.match_expressions.iter().enumerate();
    let expressions = expressions.map(|(index, expression)| {
        (path.child("matchExpressions").index(index).child("key"), &expression.key)
    });
    let all = labels.chain(expressions);
    all.filter_map(|(path, key)| label_warning(key).map(|message| format!("{path}: {key} is {message}")))
        .collect()
}
