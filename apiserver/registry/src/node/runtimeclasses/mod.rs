//! Runtime classes.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::node::v1::RuntimeClass;
use machinery::field::ErrorList;
use rules::node::v1::runtime_class::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&RuntimeClasses)
}

/// Strategy of the resource.
pub struct RuntimeClasses;

impl Strategy for RuntimeClasses {
    type Kind = RuntimeClass;

    fn validate(&self, _context: &Context, object: &RuntimeClass) -> ErrorList {
        validation::validate(object)
    }

    fn validate_update(&self, _context: &Context, new: &RuntimeClass, old: &RuntimeClass) -> ErrorList {
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

    fn row(&self, object: &RuntimeClass, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
