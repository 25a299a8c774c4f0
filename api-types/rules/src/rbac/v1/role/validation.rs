//! Validation of roles and cluster roles.

use crate::{meta, report::Report};
use api_types::rbac::v1::{ClusterRole, PolicyRule, Role};
use machinery::{
    field::{ErrorList, Path},
    names,
};

/// Names of this group may hold anything that fits between slashes.
pub fn name_rule(name: &str, _prefix: bool) -> Vec<String> {
    names::is_path_segment_name(name)
}

fn validate_rule(rule: &PolicyRule, namespaced: bool, path: &Path, errors: &mut ErrorList) {
    if rule.verbs.is_empty() {
        errors.required(&path.child("verbs"), "verbs must contain at least one value");
    }
    if !rule.non_resource_urls.is_empty() {
        let path = path.child("nonResourceURLs");
        if namespaced {
            errors.invalid(
                &path,
                &rule.non_resource_urls,
                "namespaced rules cannot apply to non-resource URLs",
            );
        }
        if !rule.api_groups.is_empty() || !rule.resources.is_empty() || !rule.resource_names.is_empty() {
            errors.invalid(
                &path,
                &rule.non_resource_urls,
                "rules cannot apply to both regular resources and non-resource URLs",
            );
        }
        return;
    }
    if rule.api_groups.is_empty() {
        errors.required(&path.child("apiGroups"), "resource rules must supply at least one api group");
    }
    if rule.resources.is_empty() {
        errors.required(&path.child("resources"), "resource rules must supply at least one resource");
    }
}

/// A role.
pub fn validate(role: &Role) -> ErrorList {
    let mut errors = meta::validate(&role.metadata, true, name_rule, &Path::new("metadata"));
    for (index, rule) in role.rules.iter().enumerate() {
        validate_rule(rule, true, &Path::new("rules").index(index), &mut errors);
    }
    errors
}

/// A changed role.
pub fn validate_update(new: &Role, old: &Role) -> ErrorList {
    let mut errors = validate(new);
    errors.extend(meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata")));
    errors
}

/// A cluster role.
pub fn validate_cluster(role: &ClusterRole) -> ErrorList {
    validate_cluster_with(role, false)
}

fn validate_cluster_with(role: &ClusterRole, allow_bad_values: bool) -> ErrorList {
    let mut errors = meta::validate(&role.metadata, false, name_rule, &Path::new("metadata"));
    for (index, rule) in role.rules.iter().enumerate() {
        validate_rule(rule, false, &Path::new("rules").index(index), &mut errors);
    }
    if let Some(aggregation) = &role.aggregation_rule {
        let path = Path::of(&["aggregationRule", "clusterRoleSelectors"]);
        if aggregation.cluster_role_selectors.is_empty() {
            errors.required(&path, "at least one clusterRoleSelector required if aggregationRule is non-nil");
        }
        for (index, selector) in aggregation.cluster_role_selectors.iter().enumerate() {
            errors.extend(meta::validate_label_selector(selector, allow_bad_values, &path.index(index)));
        }
    }
    errors
}

/// A changed cluster role.
pub fn validate_cluster_update(new: &ClusterRole, old: &ClusterRole) -> ErrorList {
    let selectors = old.aggregation_rule.iter().flat_map(|aggregation| &aggregation.cluster_role_selectors);
    let allow_bad_values = selectors.into_iter().any(|selector| meta::has_bad_selector_value(Some(selector)));
    let mut errors = validate_cluster_with(new, allow_bad_values);
    errors.extend(meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata")));
    errors
}
