//! Service CIDRs: ranges of cluster IPs.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::networking::v1::ServiceCIDR;
use machinery::field::ErrorList;
use rules::networking::v1::service_cidr::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&ServiceCIDRs).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct ServiceCIDRs;

impl Strategy for ServiceCIDRs {
    type Kind = ServiceCIDR;

    fn prepare_for_create(&self, _context: &Context, object: &mut ServiceCIDR) {
        object.status = Default::default();
    }

    fn validate(&self, _context: &Context, object: &ServiceCIDR) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut ServiceCIDR, old: &ServiceCIDR) {
        new.status = old.status.clone();
    }

    fn validate_update(&self, _context: &Context, new: &ServiceCIDR, old: &ServiceCIDR) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &ServiceCIDR, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = ServiceCIDR;

    fn prepare_for_update(&self, _context: &Context, new: &mut ServiceCIDR, old: &ServiceCIDR) {
        new.spec = old.spec.clone();
    }

    fn validate_update(&self, _context: &Context, new: &ServiceCIDR, old: &ServiceCIDR) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
