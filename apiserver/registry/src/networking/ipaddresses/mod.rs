//! IP addresses: reservations of single addresses.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::networking::v1::IPAddress;
use machinery::field::ErrorList;
use rules::networking::v1::ip_address::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&IPAddresses)
}

/// Strategy of the resource.
pub struct IPAddresses;

impl Strategy for IPAddresses {
    type Kind = IPAddress;

    fn validate(&self, _context: &Context, object: &IPAddress) -> ErrorList {
        validation::validate(object)
    }

    fn validate_update(&self, _context: &Context, new: &IPAddress, old: &IPAddress) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn selectable_fields(&self, object: &IPAddress) -> Vec<(&'static str, String)> {
        let parent = object.spec.parent_ref.clone().unwrap_or_default();
        vec![
            ("spec.parentRef.group", parent.group),
            ("spec.parentRef.resource", parent.resource),
            ("spec.parentRef.namespace", parent.namespace),
            ("spec.parentRef.name", parent.name),
        ]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &IPAddress, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
