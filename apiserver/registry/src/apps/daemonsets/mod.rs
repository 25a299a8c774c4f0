//! Daemon sets.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::apps::v1::DaemonSet;
use machinery::field::ErrorList;
use machinery::field::Path;
use rules::apps::v1::daemon_set::{defaults, validation};
use rules::core::v1::pod;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&DaemonSets).view("status", &Status)
}

/// The count of template changes that `apps/v1` keeps in an annotation.
fn template_generation(daemon_set: &DaemonSet) -> i64 {
    daemon_set
        .metadata
        .annotations
        .get(validation::TEMPLATE_GENERATION)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn set_template_generation(daemon_set: &mut DaemonSet, generation: i64) {
    daemon_set
        .metadata
        .annotations
        .insert(validation::TEMPLATE_GENERATION.to_owned(), generation.to_string());
}

/// Strategy of the resource itself.
pub struct DaemonSets;

impl Strategy for DaemonSets {
    type Kind = DaemonSet;

    fn default(&self, object: &mut DaemonSet) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut DaemonSet) {
        object.metadata.generation = 1;
        object.status = Default::default();
        pod::fields::drop_disabled(&mut object.spec.template.spec, None);
        set_template_generation(object, template_generation(object).max(1));
    }

    fn validate(&self, _context: &Context, object: &DaemonSet) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &DaemonSet) -> Vec<String> {
        pod::warnings::of_template(&Path::of(&["spec", "template"]), &object.spec.template)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut DaemonSet, old: &DaemonSet) {
        new.status = old.status.clone();
        pod::fields::drop_disabled(&mut new.spec.template.spec, Some(&old.spec.template.spec));
        let before = template_generation(old);
        set_template_generation(new, before);
        if new.spec.template != old.spec.template {
            set_template_generation(new, before + 1);
        }
        if new.spec != old.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(&self, _context: &Context, new: &DaemonSet, old: &DaemonSet) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(&self, _context: &Context, new: &DaemonSet, old: &DaemonSet) -> Vec<String> {
        if new.spec.template == old.spec.template {
            return Vec::new();
        }
        pod::warnings::of_template(&Path::of(&["spec", "template"]), &new.spec.template)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &DaemonSet, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = DaemonSet;

    fn prepare_for_update(&self, _context: &Context, new: &mut DaemonSet, old: &DaemonSet) {
        new.spec = old.spec.clone();
    }

    fn validate_update(&self, _context: &Context, new: &DaemonSet, old: &DaemonSet) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
