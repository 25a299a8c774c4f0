//! Short ways to write down roles and bindings.

use api_types::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use machinery::meta::v1::ObjectMeta;

const API_GROUP: &str = "rbac.authorization.k8s.io";

/// The right to read certain objects by name, or all of a kind when there are no names.
pub fn may_get(resource: &str, names: &[&str]) -> PolicyRule {
    let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    PolicyRule {
        verbs: text(&["get"]),
        api_groups: text(&[""]),
        resources: text(&[resource]),
        resource_names: text(names),
        ..PolicyRule::default()
    }
}

pub fn role(namespace: &str, name: &str, rule: PolicyRule) -> Role {
    Role { metadata: metadata(namespace, name), rules: vec![rule] }
}

pub fn cluster_role(name: &str, rule: PolicyRule) -> ClusterRole {
    ClusterRole { metadata: metadata("", name), rules: vec![rule], ..ClusterRole::default() }
}

/// A binding to the role of the same name.
pub fn binding(namespace: &str, name: &str, subjects: &[Subject]) -> RoleBinding {
    RoleBinding {
        metadata: metadata(namespace, name),
        subjects: subjects.to_vec(),
        role_ref: reference("Role", name),
    }
}

pub fn cluster_binding(name: &str, role: &str, subjects: &[Subject]) -> ClusterRoleBinding {
    ClusterRoleBinding {
        metadata: metadata("", name),
        subjects: subjects.to_vec(),
        role_ref: reference("ClusterRole", role),
    }
}

pub fn group(name: &str) -> Subject {
    subject("Group", name)
}

pub fn user(name: &str) -> Subject {
    subject("User", name)
}

pub fn service_account(namespace: &str, name: &str) -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        ..Subject::default()
    }
}

fn subject(kind: &str, name: &str) -> Subject {
    Subject {
        kind: kind.to_owned(),
        name: name.to_owned(),
        api_group: API_GROUP.to_owned(),
        ..Subject::default()
    }
}

fn reference(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: API_GROUP.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
}

pub fn metadata(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta { namespace: namespace.to_owned(), name: name.to_owned(), ..ObjectMeta::default() }
}
