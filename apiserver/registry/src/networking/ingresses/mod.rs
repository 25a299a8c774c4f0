//! Ingresses.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::networking::v1::Ingress;
use machinery::field::ErrorList;
use rules::networking::v1::ingress::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&Ingresses).prefix("ingress").view("status", &Status)
}

/// Strategy of the resource itself.
pub struct Ingresses;

impl Strategy for Ingresses {
    type Kind = Ingress;

    fn prepare_for_create(&self, _context: &Context, object: &mut Ingress) {
        object.metadata.generation = 1;
        object.status = Default::default();
    }

    fn validate(&self, _context: &Context, object: &Ingress) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &Ingress) -> Vec<String> {
        validation::warnings(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut Ingress, old: &Ingress) {
        new.status = old.status.clone();

        if new.spec != old.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(&self, _context: &Context, new: &Ingress, old: &Ingress) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &Ingress, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = Ingress;

    fn prepare_for_update(&self, _context: &Context, new: &mut Ingress, old: &Ingress) {
        new.spec = old.spec.clone();
    }

    fn validate_update(&self, _context: &Context, new: &Ingress, old: &Ingress) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn warnings_on_update(&self, _context: &Context, new: &Ingress, _old: &Ingress) -> Vec<String> {
        validation::status_warnings(new)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
