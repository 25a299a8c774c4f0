//! Ingress classes.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::networking::v1::IngressClass;
use machinery::field::ErrorList;
use rules::networking::v1::ingress_class::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&IngressClasses)
}

/// Strategy of the resource.
pub struct IngressClasses;

impl Strategy for IngressClasses {
    type Kind = IngressClass;

    fn default(&self, object: &mut IngressClass) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut IngressClass) {
        object.metadata.generation = 1;
    }

    fn validate(&self, _context: &Context, object: &IngressClass) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut IngressClass, old: &IngressClass) {
        if new.spec != old.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(&self, _context: &Context, new: &IngressClass, old: &IngressClass) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &IngressClass, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
