//! Defaults of role bindings and cluster role bindings.

use api_types::rbac::v1::{ClusterRoleBinding, RoleBinding, RoleRef, Subject};

/// The group roles, users and groups belong to.
pub const GROUP: &str = "rbac.authorization.k8s.io";

fn set_parts(role: &mut RoleRef, subjects: &mut [Subject]) {
    if role.api_group.is_empty() {
        role.api_group = GROUP.to_owned();
    }
    for subject in subjects {
        if subject.api_group.is_empty() && matches!(subject.kind.as_str(), "User" | "Group") {
            subject.api_group = GROUP.to_owned();
        }
    }
}

/// Defaults of a role binding.
pub fn set(binding: &mut RoleBinding) {
    set_parts(&mut binding.role_ref, &mut binding.subjects);
}

/// Defaults of a cluster role binding.
pub fn set_cluster(binding: &mut ClusterRoleBinding) {
    set_parts(&mut binding.role_ref, &mut binding.subjects);
}
