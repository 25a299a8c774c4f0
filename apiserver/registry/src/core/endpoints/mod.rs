//! Endpoints, which endpoint slices replaced.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::core::v1::Endpoints;
use machinery::field::ErrorList;
use rules::core::v1::endpoints::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&EndpointsStrategy).prefix("services/endpoints")
}

/// Strategy of the resource.
pub struct EndpointsStrategy;

impl Strategy for EndpointsStrategy {
    type Kind = Endpoints;

    fn default(&self, object: &mut Endpoints) {
        defaults::set(object);
    }

    fn validate(&self, _context: &Context, object: &Endpoints) -> ErrorList {
        validation::validate(object)
    }

    fn validate_update(&self, _context: &Context, new: &Endpoints, old: &Endpoints) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn canonicalize(&self, object: &mut Endpoints) {
        for subset in &mut object.subsets {
            subset.addresses.sort_by(|left, right| left.ip.cmp(&right.ip));
            subset.not_ready_addresses.sort_by(|left, right| left.ip.cmp(&right.ip));
        }
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &Endpoints, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
