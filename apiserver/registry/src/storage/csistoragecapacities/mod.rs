//! CSI storage capacities.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::storage::v1::CSIStorageCapacity;
use machinery::field::ErrorList;
use rules::storage::v1::csi_storage_capacity::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&CSIStorageCapacities)
}

/// Strategy of the resource.
pub struct CSIStorageCapacities;

impl Strategy for CSIStorageCapacities {
    type Kind = CSIStorageCapacity;

    fn validate(&self, _context: &Context, object: &CSIStorageCapacity) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &CSIStorageCapacity) -> Vec<String> {
        validation::warnings(object)
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &CSIStorageCapacity,
        old: &CSIStorageCapacity,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(
        &self,
        _context: &Context,
        new: &CSIStorageCapacity,
        _old: &CSIStorageCapacity,
    ) -> Vec<String> {
        validation::warnings(new)
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &CSIStorageCapacity, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
