//! Jobs.

pub mod columns;

use crate::{Column, Context, Entry, GarbageCollection, Row, Strategy, View, strategy::ResetFields};
use api_types::batch::v1::Job;
use machinery::field::ErrorList;
use machinery::field::Path;
use rules::batch::v1::job::{defaults, validation};
use rules::batch::v1::job::{meaning, status};
use rules::core::v1::pod;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&Jobs).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct Jobs;

impl Strategy for Jobs {
    type Kind = Job;

    fn default(&self, object: &mut Job) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut Job) {
        object.metadata.generation = 1;
        object.status = Default::default();
        meaning::generate_selector(object);
        pod::fields::drop_disabled(&mut object.spec.template.spec, None);
    }

    fn validate(&self, _context: &Context, object: &Job) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &Job) -> Vec<String> {
        let mut warnings = crate::warnings::for_pod_names(&object.metadata.name);
        warnings.extend(validation::warnings(&Path::new("spec"), &object.spec));
        warnings
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut Job, old: &Job) {
        new.status = old.status.clone();
        pod::fields::drop_disabled(&mut new.spec.template.spec, Some(&old.spec.template.spec));
        if new.spec != old.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(&self, _context: &Context, new: &Job, old: &Job) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(&self, _context: &Context, new: &Job, old: &Job) -> Vec<String> {
        if new.metadata.generation == old.metadata.generation {
            return Vec::new();
        }
        validation::warnings(&Path::new("spec"), &new.spec)
    }

    fn selectable_fields(&self, object: &Job) -> Vec<(&'static str, String)> {
        vec![("status.successful", object.status.succeeded.to_string())]
    }

    fn default_garbage_collection(&self) -> GarbageCollection {
        GarbageCollection::Orphan
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &Job, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = Job;

    fn prepare_for_update(&self, _context: &Context, new: &mut Job, old: &Job) {
        new.spec = old.spec.clone();
    }

    fn validate_update(&self, _context: &Context, new: &Job, old: &Job) -> ErrorList {
        status::validate_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
