//! Table columns of rolebindings.

use crate::columns::{Column, Row, age_of, cells, subjects};
use api_types::rbac::v1::RoleBinding;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Role", "k8s.io.api.rbac.v1.RoleBinding", "roleRef"),
    Column::AGE,
    Column::text("Users", "Users in the roleBinding").wide(),
    Column::text("Groups", "Groups in the roleBinding").wide(),
    Column::text("ServiceAccounts", "ServiceAccounts in the roleBinding").wide(),
];

/// A role binding as a row.
pub fn row(binding: &RoleBinding, now: jiff::Timestamp) -> Row {
    let [users, groups, accounts] = subjects(&binding.subjects);
    cells![
        binding.metadata.name.as_str(),
        format!("{}/{}", binding.role_ref.kind, binding.role_ref.name),
        age_of(&binding.metadata, now),
        users,
        groups,
        accounts,
    ]
}
