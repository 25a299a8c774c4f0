//! Role bindings.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::rbac::v1::RoleBinding;
use machinery::field::ErrorList;
use rules::rbac::v1::binding::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&RoleBindings)
}

/// Strategy of the resource.
pub struct RoleBindings;

impl Strategy for RoleBindings {
    type Kind = RoleBinding;

    fn default(&self, object: &mut RoleBinding) {
        defaults::set(object);
    }

    fn validate(&self, _context: &Context, object: &RoleBinding) -> ErrorList {
        validation::validate(object)
    }

    fn validate_update(&self, _context: &Context, new: &RoleBinding, old: &RoleBinding) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &RoleBinding, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
