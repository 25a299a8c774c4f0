//! Network policies.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::networking::v1::NetworkPolicy;
use machinery::field::ErrorList;
use rules::networking::v1::network_policy::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&NetworkPolicies)
}

/// Strategy of the resource.
pub struct NetworkPolicies;

impl Strategy for NetworkPolicies {
    type Kind = NetworkPolicy;

    fn default(&self, object: &mut NetworkPolicy) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut NetworkPolicy) {
        object.metadata.generation = 1;
    }

    fn validate(&self, _context: &Context, object: &NetworkPolicy) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &NetworkPolicy) -> Vec<String> {
        validation::warnings(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut NetworkPolicy, old: &NetworkPolicy) {
        if new.spec != old.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(&self, _context: &Context, new: &NetworkPolicy, old: &NetworkPolicy) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(
        &self,
        _context: &Context,
        new: &NetworkPolicy,
        _old: &NetworkPolicy,
    ) -> Vec<String> {
        validation::warnings(new)
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &NetworkPolicy, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
