//! Pod templates on their own.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::core::v1::PodTemplate;
use machinery::field::ErrorList;
use rules::core::v1::{
    pod,
    pod_template::{defaults, validation},
};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&PodTemplates)
}

/// Strategy of the resource.
pub struct PodTemplates;

impl Strategy for PodTemplates {
    type Kind = PodTemplate;

    fn default(&self, object: &mut PodTemplate) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut PodTemplate) {
        object.metadata.generation = 1;
        pod::fields::drop_disabled(&mut object.template.spec, None);
    }

    fn validate(&self, _context: &Context, object: &PodTemplate) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut PodTemplate, old: &PodTemplate) {
        pod::fields::drop_disabled(&mut new.template.spec, Some(&old.template.spec));
        if new.template.spec != old.template.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(&self, _context: &Context, new: &PodTemplate, old: &PodTemplate) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &PodTemplate, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
