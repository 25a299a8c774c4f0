//! Validation of ingress classes.

use crate::{meta, networking::v1::ingress::validation::validate_reference, report::Report};
use api_types::networking::v1::{IngressClass, IngressClassParametersReference};
use machinery::{
    field::{ErrorList, Path},
    names,
};

const CONTROLLER_SIZE: usize = 250;

fn validate_parameters(parameters: &IngressClassParametersReference, path: &Path, errors: &mut ErrorList) {
    validate_reference(parameters.api_group.as_deref(), &parameters.kind, &parameters.name, path, errors);
    let namespace_path = path.child("namespace");
    match (parameters.scope.as_deref(), parameters.namespace.as_deref()) {
        (None, _) => errors.required(&path.child("scope"), ""),
        (Some("Namespace"), None) => {
            errors.required(&namespace_path, "`parameters.scope` is set to 'Namespace'")
        }
        (Some("Namespace"), Some(namespace)) => {
            errors.invalid_each(&namespace_path, namespace, names::name_is_dns_label(namespace, false));
        }
        (Some("Cluster"), Some(_)) => {
            errors.forbidden(&namespace_path, "`parameters.scope` is set to 'Cluster'")
        }
        (Some("Cluster"), None) => {}
        (Some(other), _) => errors.not_supported(&path.child("scope"), other, &["Cluster", "Namespace"]),
    }
}

/// A new class.
pub fn validate(class: &IngressClass) -> ErrorList {
    let mut errors =
        meta::validate(&class.metadata, false, names::name_is_dns_subdomain, &Path::new("metadata"));
    let (spec, path) = (&class.spec, Path::new("spec"));
    if spec.controller.len() > CONTROLLER_SIZE {
        errors.too_long(&path.child("controller"), CONTROLLER_SIZE);
    }
    meta::validate_domain_prefixed_path(&spec.controller, &path.child("controller"), &mut errors);
    if let Some(parameters) = &spec.parameters {
        validate_parameters(parameters, &path.child("parameters"), &mut errors);
    }
    errors
}

/// A changed class: its controller stays.
pub fn validate_update(new: &IngressClass, old: &IngressClass) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let controller = &new.spec.controller;
    errors.unchanged(&Path::of(&["spec", "controller"]), controller, &old.spec.controller, controller);
    errors.extend(validate(new));
    errors
}
