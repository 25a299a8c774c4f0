//! Roles.

use crate::{Context, Entry, Strategy};
use api_types::rbac::v1::Role;
use machinery::field::ErrorList;
use rules::rbac::v1::role::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&Roles)
}

/// Strategy of the resource.
pub struct Roles;

impl Strategy for Roles {
    type Kind = Role;

    fn validate(&self, _context: &Context, object: &Role) -> ErrorList {
        validation::validate(object)
    }

    fn validate_update(&self, _context: &Context, new: &Role, old: &Role) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}
