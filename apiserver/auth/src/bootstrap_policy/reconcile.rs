//! What an existing default role or binding must become so that it grants at least what it should.
//!
//! Each function gives `None` when nothing has to be written, so that deciding twice writes once.

use std::collections::BTreeMap;

use api_types::rbac::v1::{
    AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject,
};
use machinery::meta::v1::ObjectMeta;

use super::AUTO_UPDATE_ANNOTATION;
use crate::authz::rbac::covers;

/// The outcome for a binding.
#[derive(Clone, Debug, PartialEq)]
pub enum BindingChange<B> {
    /// Subjects or metadata are added.
    Update(B),
    /// The role it refers to differs, which cannot be changed: it is deleted and made anew.
    Recreate(B),
}

/// The cluster role to write, if any.
pub fn cluster_role(existing: &ClusterRole, expected: &ClusterRole) -> Option<ClusterRole> {
    if is_protected(&existing.metadata) {
        return None;
    }
    let mut reconciled = existing.clone();
    merge_metadata(&mut reconciled.metadata, &expected.metadata);
    reconciled.rules.extend(covers::uncovered(&existing.rules, &expected.rules));
    match &expected.aggregation_rule {
        None => reconciled.aggregation_rule = None,
        Some(wanted) => {
            let rule = reconciled.aggregation_rule.get_or_insert_with(Box::<AggregationRule>::default);
            for selector in &wanted.cluster_role_selectors {
                if !rule.cluster_role_selectors.contains(selector) {
                    rule.cluster_role_selectors.push(selector.clone());
                }
            }
        }
    }
    (reconciled != *existing).then_some(reconciled)
}

/// The role to write, if any.
pub fn role(existing: &Role, expected: &Role) -> Option<Role> {
    if is_protected(&existing.metadata) {
        return None;
    }
    let mut reconciled = existing.clone();
    merge_metadata(&mut reconciled.metadata, &expected.metadata);
    let missing: Vec<PolicyRule> = covers::uncovered(&existing.rules, &expected.rules);
    reconciled.rules.extend(missing);
    (reconciled != *existing).then_some(reconciled)
}

/// What to do about a cluster role binding, if anything.
pub fn cluster_role_binding(
    existing: &ClusterRoleBinding,
    expected: &ClusterRoleBinding,
) -> Option<BindingChange<ClusterRoleBinding>> {
    if is_protected(&existing.metadata) {
        return None;
    }
    if existing.role_ref != expected.role_ref {
        return Some(BindingChange::Recreate(expected.clone()));
    }
    let mut reconciled = existing.clone();
    merge_metadata(&mut reconciled.metadata, &expected.metadata);
    add_subjects(&mut reconciled.subjects, &expected.subjects);
    (reconciled != *existing).then_some(BindingChange::Update(reconciled))
}

/// What to do about a role binding, if anything.
pub fn role_binding(existing: &RoleBinding, expected: &RoleBinding) -> Option<BindingChange<RoleBinding>> {
    if is_protected(&existing.metadata) {
        return None;
    }
    if existing.role_ref != expected.role_ref {
        return Some(BindingChange::Recreate(expected.clone()));
    }
    let mut reconciled = existing.clone();
    merge_metadata(&mut reconciled.metadata, &expected.metadata);
    add_subjects(&mut reconciled.subjects, &expected.subjects);
    (reconciled != *existing).then_some(BindingChange::Update(reconciled))
}

fn is_protected(metadata: &ObjectMeta) -> bool {
    metadata.annotations.get(AUTO_UPDATE_ANNOTATION).is_some_and(|value| value == "false")
}

/// Adds what is missing; what the operator has set stays.
fn merge_metadata(metadata: &mut ObjectMeta, expected: &ObjectMeta) {
    let add = |have: &mut BTreeMap<String, String>, want: &BTreeMap<String, String>| {
        for (key, value) in want {
            have.entry(key.clone()).or_insert_with(|| value.clone());
        }
    };
    add(&mut metadata.annotations, &expected.annotations);
    add(&mut metadata.labels, &expected.labels);
}

fn add_subjects(have: &mut Vec<Subject>, want: &[Subject]) {
    for subject in want {
        if !have.contains(subject) {
            have.push(subject.clone());
        }
    }
}
