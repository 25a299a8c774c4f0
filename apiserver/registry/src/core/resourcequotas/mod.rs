//! Resource quotas.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::core::v1::ResourceQuota;
use machinery::field::ErrorList;
use rules::core::v1::resource_quota::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&ResourceQuotas).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct ResourceQuotas;

impl Strategy for ResourceQuotas {
    type Kind = ResourceQuota;

    fn default(&self, object: &mut ResourceQuota) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut ResourceQuota) {
        object.status = Default::default();
    }

    fn validate(&self, _context: &Context, object: &ResourceQuota) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut ResourceQuota, old: &ResourceQuota) {
        new.status = old.status.clone();
    }

    fn validate_update(&self, _context: &Context, new: &ResourceQuota, old: &ResourceQuota) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &ResourceQuota, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = ResourceQuota;

    fn prepare_for_update(&self, _context: &Context, new: &mut ResourceQuota, old: &ResourceQuota) {
        new.spec = old.spec.clone();
    }

    fn validate_update(&self, _context: &Context, new: &ResourceQuota, old: &ResourceQuota) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
