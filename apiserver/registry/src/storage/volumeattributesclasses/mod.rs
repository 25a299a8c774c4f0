//! Volume attributes classes.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::storage::v1::VolumeAttributesClass;
use machinery::field::ErrorList;
use rules::storage::v1::volume_attributes_class::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&VolumeAttributesClasses)
}

/// Strategy of the resource.
pub struct VolumeAttributesClasses;

impl Strategy for VolumeAttributesClasses {
    type Kind = VolumeAttributesClass;

    fn validate(&self, _context: &Context, object: &VolumeAttributesClass) -> ErrorList {
        validation::validate(object)
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &VolumeAttributesClass,
        old: &VolumeAttributesClass,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &VolumeAttributesClass, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
