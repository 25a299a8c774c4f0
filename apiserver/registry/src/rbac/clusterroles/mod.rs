//! Cluster roles.

use crate::{Context, Entry, Strategy};
use api_types::rbac::v1::ClusterRole;
use machinery::field::ErrorList;
use rules::rbac::v1::role::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&ClusterRoles)
}

/// Strategy of the resource.
pub struct ClusterRoles;

impl Strategy for ClusterRoles {
    type Kind = ClusterRole;

    fn validate(&self, _context: &Context, object: &ClusterRole) -> ErrorList {
        validation::validate_cluster(object)
    }

    fn validate_update(&self, _context: &Context, new: &ClusterRole, old: &ClusterRole) -> ErrorList {
        validation::validate_cluster_update(new, old)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}
