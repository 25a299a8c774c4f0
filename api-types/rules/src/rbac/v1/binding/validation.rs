//! Validation of role bindings and cluster role bindings.

use super::defaults::GROUP;
use crate::{meta, rbac::v1::role::validation::name_rule, report::Report};
use api_types::rbac::v1::{ClusterRoleBinding, RoleBinding, RoleRef, Subject};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};

fn validate_parts(
    role: &RoleRef,
    kinds: &[&str],
    subjects: &[Subject],
    namespaced: bool,
    errors: &mut ErrorList,
) {
    let path = Path::new("roleRef");
    if role.api_group != GROUP {
        errors.not_supported(&path.child("apiGroup"), &role.api_group, &[GROUP]);
    }
    if !kinds.contains(&role.kind.as_str()) {
        errors.not_supported_in_order(&path.child("kind"), &role.kind, kinds);
    }
    if role.name.is_empty() {
        errors.required(&path.child("name"), "");
    } else {
        errors.invalid_each(&path.child("name"), &role.name, name_rule(&role.name, false));
    }
    for (index, subject) in subjects.iter().enumerate() {
        validate_subject(subject, namespaced, &Path::new("subjects").index(index), errors);
    }
}

fn validate_subject(subject: &Subject, namespaced: bool, path: &Path, errors: &mut ErrorList) {
    if subject.name.is_empty() {
        errors.required(&path.child("name"), "");
    }
    let group = path.child("apiGroup");
    match subject.kind.as_str() {
        "ServiceAccount" => {
            if !subject.name.is_empty() {
                errors.invalid_each(
                    &path.child("name"),
                    &subject.name,
                    names::name_is_dns_subdomain(&subject.name, false),
                );
            }
            if !subject.api_group.is_empty() {
                errors.not_supported(&group, &subject.api_group, &[""]);
            }
            if !namespaced && subject.namespace.is_empty() {
                errors.required(&path.child("namespace"), "");
            }
        }
        "User" | "Group" => {
            if subject.api_group != GROUP {
                errors.not_supported(&group, &subject.api_group, &[GROUP]);
            }
        }
        other => {
            errors.not_supported_in_order(&path.child("kind"), other, &["ServiceAccount", "User", "Group"])
        }
    }
}

/// A role binding.
pub fn validate(binding: &RoleBinding) -> ErrorList {
    let mut errors = meta::validate(&binding.metadata, true, name_rule, &Path::new("metadata"));
    validate_parts(&binding.role_ref, &["Role", "ClusterRole"], &binding.subjects, true, &mut errors);
    errors
}

/// A cluster role binding.
pub fn validate_cluster(binding: &ClusterRoleBinding) -> ErrorList {
    let mut errors = meta::validate(&binding.metadata, false, name_rule, &Path::new("metadata"));
    validate_parts(&binding.role_ref, &["ClusterRole"], &binding.subjects, false, &mut errors);
    errors
}

/// A changed role binding: the role stays.
pub fn validate_update(new: &RoleBinding, old: &RoleBinding) -> ErrorList {
    let mut errors = validate(new);
    errors.extend(meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata")));
    if new.role_ref != old.role_ref {
        errors.invalid(&Path::new("roleRef"), new.role_ref.to_value(), "cannot change roleRef");
    }
    errors
}

/// A changed cluster role binding: the role stays.
pub fn validate_cluster_update(new: &ClusterRoleBinding, old: &ClusterRoleBinding) -> ErrorList {
    let mut errors = validate_cluster(new);
    errors.extend(meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata")));
    if new.role_ref != old.role_ref {
        errors.invalid(&Path::new("roleRef"), new.role_ref.to_value(), "cannot change roleRef");
    }
    errors
}
