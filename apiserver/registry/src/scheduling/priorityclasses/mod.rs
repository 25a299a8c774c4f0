//! Priority classes.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::scheduling::v1::PriorityClass;
use machinery::field::ErrorList;
use rules::scheduling::v1::priority_class::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&PriorityClasses)
}

/// Strategy of the resource.
pub struct PriorityClasses;

impl Strategy for PriorityClasses {
    type Kind = PriorityClass;

    fn default(&self, object: &mut PriorityClass) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut PriorityClass) {
        object.metadata.generation = 1;
    }

    fn validate(&self, _context: &Context, object: &PriorityClass) -> ErrorList {
        validation::validate(object)
    }

    fn validate_update(&self, _context: &Context, new: &PriorityClass, old: &PriorityClass) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &PriorityClass, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
