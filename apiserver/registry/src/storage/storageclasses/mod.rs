//! Storage classes.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::storage::v1::StorageClass;
use machinery::field::ErrorList;
use rules::storage::v1::storage_class::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&StorageClasses)
}

/// Strategy of the resource.
pub struct StorageClasses;

impl Strategy for StorageClasses {
    type Kind = StorageClass;

    fn default(&self, object: &mut StorageClass) {
        defaults::set(object);
    }

    fn validate(&self, _context: &Context, object: &StorageClass) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &StorageClass) -> Vec<String> {
        validation::warnings(object)
    }

    fn validate_update(&self, _context: &Context, new: &StorageClass, old: &StorageClass) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(&self, _context: &Context, new: &StorageClass, _old: &StorageClass) -> Vec<String> {
        validation::warnings(new)
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &StorageClass, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
