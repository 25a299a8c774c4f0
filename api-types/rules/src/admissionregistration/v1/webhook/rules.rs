//! Validation of the rules by which requests reach webhooks and policies.

use crate::report::Report;
use api_types::admissionregistration::v1::{Rule, RuleWithOperations};
use machinery::field::{ErrorList, Path};
use std::collections::BTreeSet;

const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SCOPES: &[&str] = &["*", "Cluster", "Namespaced"];

fn is_any(values: &[String]) -> bool {
    values.iter().any(|value| value == "*")
}

fn validate_resources(resources: &[String], path: &Path, errors: &mut ErrorList) {
    if resources.is_empty() {
        errors.required(path, "");
    }
    let (mut whole, mut everywhere) = (BTreeSet::new(), BTreeSet::new());
    let mut plain = false;
    for (index, resource) in resources.iter().enumerate() {
        let path = path.index(index);
        if resource.is_empty() {
            errors.required(&path, "");
            continue;
        }
        let Some((name, sub)) = resource.split_once('/') else {
            plain = resource != "*";
            continue;
        };
        if whole.contains(name) {
            errors.invalid(&path, resource, format!("if '{name}/*' is present, must not specify {resource}"));
        }
        if everywhere.contains(sub) {
            errors.invalid(&path, resource, format!("if '*/{sub}' is present, must not specify {resource}"));
        }
        if sub == "*" {
            whole.insert(name);
        }
        if name == "*" {
            everywhere.insert(sub);
        }
    }
    let shown = resources.to_vec();
    if resources.len() > 1 && resources.iter().any(|resource| resource == "*/*") {
        errors.invalid(path, &shown, "if '*/*' is present, must not specify other resources");
    }
    if is_any(resources) && plain {
        errors.invalid(
            path,
            &shown,
            "if '*' is present, must not specify other resources without subresources",
        );
    }
}

fn validate_rule(rule: &Rule, path: &Path, errors: &mut ErrorList) {
    for (field, values, what) in
        [("apiGroups", &rule.api_groups, "API groups"), ("apiVersions", &rule.api_versions, "API versions")]
    {
        let path = path.child(field);
        if values.is_empty() {
            errors.required(&path, "");
        }
        if values.len() > 1 && is_any(values) {
            errors.invalid(&path, values, format!("if '*' is present, must not specify other {what}"));
        }
    }
    for (index, _) in rule.api_versions.iter().enumerate().filter(|(_, version)| version.is_empty()) {
        errors.required(&path.child("apiVersions").index(index), "");
    }
    validate_resources(&rule.resources, &path.child("resources"), errors);
    if let Some(scope) = rule.scope.as_deref().filter(|scope| !SCOPES.contains(scope)) {
        errors.not_supported(&path.child("scope"), scope, SCOPES);
    }
}

/// Operations and resources.
pub fn validate(rule: &RuleWithOperations, path: &Path, errors: &mut ErrorList) {
    let operations = path.child("operations");
    if rule.operations.is_empty() {
        errors.required(&operations, "");
    }
    if rule.operations.len() > 1 && is_any(&rule.operations) {
        errors.invalid(&operations, &rule.operations, "if '*' is present, must not specify other operations");
    }
    for (index, operation) in rule.operations.iter().enumerate() {
        if !OPERATIONS.contains(&operation.as_str()) {
            errors.not_supported(&operations.index(index), operation, OPERATIONS);
        }
    }
    validate_rule(&rule.rule, path, errors);
}
