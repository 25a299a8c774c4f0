//! Limit ranges.

use crate::{Context, Entry, Strategy};
use api_types::core::v1::LimitRange;
use machinery::field::ErrorList;
use rules::core::v1::limit_range::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&LimitRanges)
}

/// Strategy of the resource.
pub struct LimitRanges;

impl Strategy for LimitRanges {
    type Kind = LimitRange;

    fn default(&self, object: &mut LimitRange) {
        defaults::set(object);
    }

    fn validate(&self, _context: &Context, object: &LimitRange) -> ErrorList {
        validation::validate(object)
    }

    fn validate_update(&self, _context: &Context, new: &LimitRange, old: &LimitRange) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}
