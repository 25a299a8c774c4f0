//! Validation of runtime classes.

use crate::{
    core::v1::pod::{options::PodRules, requirements, scheduling_validation},
    meta,
    report::Report,
};
use api_types::{core::v1::ResourceRequirements, node::v1::RuntimeClass};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};
use std::collections::BTreeSet;

/// A runtime class.
pub fn validate(class: &RuntimeClass) -> ErrorList {
    let mut errors =
        meta::validate(&class.metadata, false, names::name_is_dns_subdomain, &Path::new("metadata"));
    let rules = PodRules::default();
    if class.handler.is_empty() {
        errors.required(&Path::new("handler"), "");
    } else {
        errors.invalid_each(
            &Path::new("handler"),
            &class.handler,
            names::name_is_dns_label(&class.handler, false),
        );
    }
    if let Some(overhead) = &class.overhead {
        let requirements = ResourceRequirements { limits: overhead.pod_fixed.clone(), ..Default::default() };
        requirements::validate_for_container(
            &requirements,
            &BTreeSet::new(),
            &rules,
            &Path::new("overhead"),
            &mut errors,
        );
    }
    if let Some(scheduling) = &class.scheduling {
        let path = Path::new("scheduling");
        errors.extend(meta::validate_labels(&scheduling.node_selector, &path.child("nodeSelector")));
        let path = path.child("tolerations");
        scheduling_validation::validate_tolerations(&scheduling.tolerations, &path, &rules, &mut errors);
        let mut seen = BTreeSet::new();
        for (index, toleration) in scheduling.tolerations.iter().enumerate() {
            if !seen.insert((&toleration.key, &toleration.operator, &toleration.value, &toleration.effect)) {
                errors.duplicate(&path.index(index), toleration.to_value());
            }
        }
    }
    errors
}

/// A changed runtime class: its handler stays.
pub fn validate_update(new: &RuntimeClass, old: &RuntimeClass) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    errors.unchanged(&Path::new("handler"), &new.handler, &old.handler, &new.handler);
    errors
}
