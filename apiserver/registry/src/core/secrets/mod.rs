//! Secrets.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::core::v1::Secret;
use machinery::field::ErrorList;
use rules::core::v1::secret::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&Secrets)
}

/// Strategy of the resource.
pub struct Secrets;

impl Strategy for Secrets {
    type Kind = Secret;

    fn default(&self, object: &mut Secret) {
        defaults::set(object);
        // Clear text is only ever written: it becomes data and is never read back.
        for (key, text) in std::mem::take(&mut object.string_data) {
            object.data.insert(key, text.into_bytes());
        }
    }

    fn validate(&self, _context: &Context, object: &Secret) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut Secret, old: &Secret) {
        if new.type_.is_empty() {
            new.type_ = old.type_.clone();
        }
    }

    fn validate_update(&self, _context: &Context, new: &Secret, old: &Secret) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn selectable_fields(&self, object: &Secret) -> Vec<(&'static str, String)> {
        vec![("type", object.type_.clone())]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &Secret, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
