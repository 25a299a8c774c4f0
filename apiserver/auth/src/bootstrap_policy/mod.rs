//! The roles and bindings every cluster starts with, as tables, and how existing ones are brought up
//! to date without taking away what the operator has added.

mod cluster_bindings;
mod controller_roles;
mod namespaced;
pub mod reconcile;
mod system_roles;
pub mod table;
mod user_roles;

use std::collections::BTreeMap;

use api_types::rbac::v1::{
    AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use machinery::meta::v1::{LabelSelector, ObjectMeta};

use crate::authz::rbac::GROUP;
use table::{BindingRow, RoleRow, Rule};

/// Annotation: `"false"` keeps a default role or binding from being reconciled.
pub const AUTO_UPDATE_ANNOTATION: &str = "rbac.authorization.kubernetes.io/autoupdate";
const BOOTSTRAPPING_LABEL: (&str, &str) = ("kubernetes.io/bootstrapping", "rbac-defaults");
const AGGREGATE_PREFIX: &str = "rbac.authorization.k8s.io/aggregate-to-";
const CONTROLLER_PREFIX: &str = "system:controller:";
/// What kubelets may do besides what the Node authorizer grants by relation.
pub const NODE_ROLE: &str = "system:node";

/// Roles whose hand-written rules of old clusters move to the role they are aggregated from.
pub const ROLES_TO_AGGREGATE: [(&str, &str); 3] = [
    ("admin", "system:aggregate-to-admin"),
    ("edit", "system:aggregate-to-edit"),
    ("view", "system:aggregate-to-view"),
];
/// The binding whose subjects the second takes over when the second does not exist yet.
pub const BINDING_TO_SPLIT: (&str, &str) = ("system:discovery", "system:public-info-viewer");

/// All default cluster roles.
pub fn cluster_roles() -> Vec<ClusterRole> {
    let rows = user_roles::ROLES.iter().chain(system_roles::ROLES).chain(controller_roles::ROLES);
    rows.map(cluster_role).collect()
}

/// All default cluster role bindings.
pub fn cluster_role_bindings() -> Vec<ClusterRoleBinding> {
    let controllers = controller_roles::ROLES.iter().filter_map(|row| {
        let account = row.name.strip_prefix(CONTROLLER_PREFIX)?;
        Some(ClusterRoleBinding {
            metadata: metadata(row.name, ""),
            subjects: vec![subject(&table::Subject::ServiceAccount("kube-system", account))],
            role_ref: role_ref("ClusterRole", row.name),
        })
    });
    cluster_bindings::BINDINGS.iter().map(cluster_role_binding).chain(controllers).collect()
}

/// All default roles.
pub fn roles() -> Vec<Role> {
    let role =
        |row: &RoleRow| Role { metadata: metadata(row.name, row.namespace), rules: policy_rules(row.rules) };
    namespaced::ROLES.iter().map(role).collect()
}

/// All default role bindings.
pub fn role_bindings() -> Vec<RoleBinding> {
    let binding = |row: &BindingRow| RoleBinding {
        metadata: metadata(row.name, row.namespace),
        subjects: row.subjects.iter().map(subject).collect(),
        role_ref: role_ref("Role", row.role),
    };
    namespaced::BINDINGS.iter().map(binding).collect()
}

/// The rules of the role [`NODE_ROLE`], for the Node authorizer.
pub fn node_rules() -> Vec<PolicyRule> {
    let row = system_roles::ROLES.iter().find(|row| row.name == NODE_ROLE);
    row.map(|row| policy_rules(row.rules)).unwrap_or_default()
}

fn cluster_role(row: &RoleRow) -> ClusterRole {
    let mut metadata = metadata(row.name, "");
    if !row.aggregated_to.is_empty() {
        metadata.labels.insert(format!("{AGGREGATE_PREFIX}{}", row.aggregated_to), "true".into());
    }
    let aggregation_rule = (!row.gathers.is_empty()).then(|| {
        let match_labels = BTreeMap::from([(format!("{AGGREGATE_PREFIX}{}", row.gathers), "true".into())]);
        let selector = LabelSelector { match_labels, ..LabelSelector::default() };
        Box::new(AggregationRule { cluster_role_selectors: vec![selector] })
    });
    ClusterRole { metadata, rules: policy_rules(row.rules), aggregation_rule }
}

fn cluster_role_binding(row: &BindingRow) -> ClusterRoleBinding {
    ClusterRoleBinding {
        metadata: metadata(row.name, ""),
        subjects: row.subjects.iter().map(subject).collect(),
        role_ref: role_ref("ClusterRole", row.role),
    }
}

fn metadata(name: &str, namespace: &str) -> ObjectMeta {
    let (label, value) = BOOTSTRAPPING_LABEL;
    ObjectMeta {
        name: name.into(),
        namespace: namespace.into(),
        labels: BTreeMap::from([(label.into(), value.into())]),
        annotations: BTreeMap::from([(AUTO_UPDATE_ANNOTATION.into(), "true".into())]),
        ..ObjectMeta::default()
    }
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: GROUP.into(), kind: kind.into(), name: name.into() }
}

fn subject(subject: &table::Subject) -> Subject {
    let of = |kind: &str, name: &str, group: &str, namespace: &str| Subject {
        kind: kind.into(),
        name: name.into(),
        api_group: group.into(),
        namespace: namespace.into(),
    };
    match subject {
        table::Subject::User(name) => of("User", name, GROUP, ""),
        table::Subject::Group(name) => of("Group", name, GROUP, ""),
        table::Subject::ServiceAccount(namespace, name) => of("ServiceAccount", name, "", namespace),
    }
}

fn policy_rules(rules: &[Rule]) -> Vec<PolicyRule> {
    let owned = |list: &[&str]| list.iter().map(|text| text.to_string()).collect();
    let rule = |rule: &Rule| PolicyRule {
        verbs: owned(rule.verbs),
        api_groups: owned(rule.groups),
        resources: owned(rule.resources),
        resource_names: owned(rule.names),
        non_resource_urls: owned(rule.urls),
    };
    rules.iter().map(rule).collect()
}

#[cfg(test)]
mod tests;
