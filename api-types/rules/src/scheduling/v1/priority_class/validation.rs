//! Validation of priority classes.

use crate::{meta, report::Report};
use api_types::scheduling::v1::PriorityClass;
use machinery::{
    field::{ErrorList, Path},
    names,
};

/// Highest priority that users can give.
pub const HIGHEST_USER_PRIORITY: i32 = 1_000_000_000;
/// The classes of the system, which exist in every cluster.
pub const SYSTEM_CLASSES: &[(&str, i32, &str)] = &[
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
];

fn system_class_error(class: &PriorityClass) -> Option<String> {
    let name = &class.metadata.name;
    match SYSTEM_CLASSES.iter().find(|(known, ..)| known == name) {
        None => Some(format!("{name} is not a known system priority class")),
        Some((_, value, _)) if *value != class.value => {
            Some(format!("value of {name} PriorityClass must be {value}"))
        }
        Some(_) if class.global_default => {
            Some(format!("globalDefault of {name} PriorityClass must be false"))
        }
        Some(_) => None,
    }
}

/// A priority class.
pub fn validate(class: &PriorityClass) -> ErrorList {
    let mut errors =
        meta::validate(&class.metadata, false, names::name_is_dns_subdomain, &Path::new("metadata"));
    if class.metadata.name.starts_with("system-") {
        if let Some(error) = system_class_error(class) {
            let message = format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {error}"
            );
            errors.forbidden(&Path::of(&["metadata", "name"]), message);
        }
    } else if class.value > HIGHEST_USER_PRIORITY {
        errors.forbidden(
            &Path::new("value"),
            format!("maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"),
        );
    }
    match class.preemption_policy.as_deref() {
        None | Some("PreemptLowerPriority" | "Never") => {}
        Some("") => errors.required(&Path::new("preemptionPolicy"), ""),
        Some(other) => errors.not_supported_in_order(
            &Path::new("preemptionPolicy"),
            other,
            &["PreemptLowerPriority", "Never"],
        ),
    }
    errors
}

/// A changed priority class: value and policy stay.
pub fn validate_update(new: &PriorityClass, old: &PriorityClass) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    if new.value != old.value {
        errors.forbidden(&Path::new("value"), "may not be changed in an update.");
    }
    errors.unchanged(
        &Path::new("preemptionPolicy"),
        &new.preemption_policy,
        &old.preemption_policy,
        new.preemption_policy.clone(),
    );
    errors
}
