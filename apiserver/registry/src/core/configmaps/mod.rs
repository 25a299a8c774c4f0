//! Config maps.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::core::v1::ConfigMap;
use machinery::field::ErrorList;
use rules::core::v1::config_map::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&ConfigMaps)
}

/// Strategy of the resource.
pub struct ConfigMaps;

impl Strategy for ConfigMaps {
    type Kind = ConfigMap;

    fn validate(&self, _context: &Context, object: &ConfigMap) -> ErrorList {
        validation::validate(object)
    }

    fn validate_update(&self, _context: &Context, new: &ConfigMap, old: &ConfigMap) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &ConfigMap, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
