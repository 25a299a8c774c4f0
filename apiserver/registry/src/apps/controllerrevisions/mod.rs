//! Controller revisions.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::apps::v1::ControllerRevision;
use machinery::field::ErrorList;
use rules::apps::v1::controller_revision::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&ControllerRevisions)
}

/// Strategy of the resource.
pub struct ControllerRevisions;

impl Strategy for ControllerRevisions {
    type Kind = ControllerRevision;

    fn validate(&self, _context: &Context, object: &ControllerRevision) -> ErrorList {
        validation::validate(object)
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &ControllerRevision,
        old: &ControllerRevision,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &ControllerRevision, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
