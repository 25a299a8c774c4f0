//! Leases.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::coordination::v1::Lease;
use machinery::field::ErrorList;
use rules::coordination::v1::lease::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&Leases)
}

/// Coordinated leader election is a feature that is off.
fn drop_disabled(new: &mut Lease, old: Option<&Lease>) {
    if old.is_none_or(|old| old.spec.strategy.is_none()) {
        new.spec.strategy = None;
    }
    if old.is_none_or(|old| old.spec.preferred_holder.is_none()) {
        new.spec.preferred_holder = None;
    }
}

/// Strategy of the resource.
pub struct Leases;

impl Strategy for Leases {
    type Kind = Lease;

    fn prepare_for_create(&self, _context: &Context, object: &mut Lease) {
        drop_disabled(object, None);
    }

    fn validate(&self, _context: &Context, object: &Lease) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut Lease, old: &Lease) {
        drop_disabled(new, Some(old));
    }

    fn validate_update(&self, _context: &Context, new: &Lease, old: &Lease) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &Lease, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
