//! Cluster role bindings.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::rbac::v1::ClusterRoleBinding;
use machinery::field::ErrorList;
use rules::rbac::v1::binding::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&ClusterRoleBindings)
}

/// Strategy of the resource.
pub struct ClusterRoleBindings;

impl Strategy for ClusterRoleBindings {
    type Kind = ClusterRoleBinding;

    fn default(&self, object: &mut ClusterRoleBinding) {
        defaults::set_cluster(object);
    }

    fn validate(&self, _context: &Context, object: &ClusterRoleBinding) -> ErrorList {
        validation::validate_cluster(object)
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &ClusterRoleBinding,
        old: &ClusterRoleBinding,
    ) -> ErrorList {
        validation::validate_cluster_update(new, old)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &ClusterRoleBinding, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
