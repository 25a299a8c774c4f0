//! Validation of resource quotas.

use crate::{
    core::v1::{resource_list::ResourceList, resource_names},
    meta,
    report::{IMMUTABLE, Report},
};
use api_types::core::v1::{ResourceQuota, ResourceQuotaSpec};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};
use std::collections::BTreeSet;

const SCOPES: &[&str] = &[
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

fn scope_covers(scope: &str, resource: &str) -> bool {
    let compute = ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
    match scope {
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => resource == "pods" || compute.contains(&resource),
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

fn misses(scope: &str, hard: &ResourceList) -> usize {
    hard.keys().filter(|name| resource_names::is_standard_quota(name) && !scope_covers(scope, name)).count()
}

fn conflicts(scopes: &BTreeSet<&str>) -> usize {
    [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]]
        .into_iter()
        .filter(|pair| pair.iter().all(|scope| scopes.contains(scope)))
        .count()
}

fn amounts(list: &ResourceList, path: &Path, errors: &mut ErrorList) {
    for (name, quantity) in list {
        let path = path.key(name);
        errors.extend(resource_names::validate_for_quota(name, &path));
        errors.extend(resource_names::validate_quantity(name, quantity, &path));
    }
}

fn validate_spec(spec: &ResourceQuotaSpec, path: &Path, errors: &mut ErrorList) {
    amounts(&spec.hard, &path.child("hard"), errors);
    let scopes_path = path.child("scopes");
    for scope in &spec.scopes {
        if !SCOPES.contains(&scope.as_str()) {
            errors.invalid(&scopes_path, &spec.scopes, "unsupported scope");
        }
        for _ in 0..misses(scope, &spec.hard) {
            errors.invalid(&scopes_path, &spec.scopes, "unsupported scope applied to resource");
        }
    }
    for _ in 0..conflicts(&spec.scopes.iter().map(String::as_str).collect()) {
        errors.invalid(&scopes_path, &spec.scopes, "conflicting scopes");
    }
    let Some(selector) = &spec.scope_selector else { return };
    let path = path.child("scopeSelector").child("matchExpressions");
    for requirement in &selector.match_expressions {
        let scope = requirement.scope_name.as_str();
        if !SCOPES.contains(&scope) {
            errors.invalid(&path.child("scopeName"), scope, "unsupported scope");
        }
        for _ in 0..misses(scope, &spec.hard) {
            errors.invalid(&path, selector.to_value(), "unsupported scope applied to resource");
        }
        let only_exists = matches!(
            scope,
            "BestEffort" | "NotBestEffort" | "Terminating" | "NotTerminating" | "CrossNamespacePodAffinity"
        );
        if only_exists && requirement.operator != "Exists" {
            errors.invalid(&path.child("operator"), &requirement.operator, "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
        }
        match requirement.operator.as_str() {
            "In" | "NotIn" => {
                if requirement.values.is_empty() {
                    errors.required(
                        &path.child("values"),
                        "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
                    );
                }
            }
            "Exists" | "DoesNotExist" => {
                if !requirement.values.is_empty() {
                    errors.invalid(
                        &path.child("values"),
                        &requirement.values,
                        "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
                    );
                }
            }
            other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
        }
    }
    for _ in 0..conflicts(
        &selector.match_expressions.iter().map(|requirement| requirement.scope_name.as_str()).collect(),
    ) {
        errors.invalid(&path, &spec.scopes, "conflicting scopes");
    }
}

/// A quota.
pub fn validate(quota: &ResourceQuota) -> ErrorList {
    let mut errors =
        meta::validate(&quota.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec(&quota.spec, &Path::new("spec"), &mut errors);
    amounts(&quota.status.hard, &Path::of(&["status", "hard"]), &mut errors);
    amounts(&quota.status.used, &Path::of(&["status", "used"]), &mut errors);
    errors
}

/// A changed quota: its scopes stay.
pub fn validate_update(new: &ResourceQuota, old: &ResourceQuota) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    validate_spec(&new.spec, &Path::new("spec"), &mut errors);
    let scopes = |quota: &ResourceQuota| quota.spec.scopes.iter().cloned().collect::<BTreeSet<_>>();
    if scopes(new) != scopes(old) {
        errors.invalid(&Path::of(&["spec", "scopes"]), &new.spec.scopes, IMMUTABLE);
    }
    errors
}

/// A changed status.
pub fn validate_status_update(new: &ResourceQuota, old: &ResourceQuota) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    amounts(&new.status.hard, &Path::of(&["status", "hard"]), &mut errors);
    amounts(&new.status.used, &Path::of(&["status", "used"]), &mut errors);
    errors
}
