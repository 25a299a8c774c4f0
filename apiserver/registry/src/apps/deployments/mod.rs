//! Deployments.

pub mod columns;

use crate::{Column, Context, Entry, Row, Scaling, Strategy, View, scaling, strategy::ResetFields};
use api_types::apps::v1::Deployment;
use machinery::field::ErrorList;
use machinery::field::Path;
use rules::apps::v1::deployment::{defaults, validation};
use rules::core::v1::pod;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&Deployments).view("status", &Status).scale(&SCALE)
}

static SCALE: Scaling = Scaling {
    read: scaling::read_deployment,
    write: scaling::write_deployment,
    replicas_path: &["spec", "replicas"],
};

/// Strategy of the resource itself.
pub struct Deployments;

impl Strategy for Deployments {
    type Kind = Deployment;

    fn default(&self, object: &mut Deployment) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut Deployment) {
        object.metadata.generation = 1;
        object.status = Default::default();
        pod::fields::drop_disabled(&mut object.spec.template.spec, None);
    }

    fn validate(&self, _context: &Context, object: &Deployment) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &Deployment) -> Vec<String> {
        let mut warnings = crate::warnings::for_pod_names(&object.metadata.name);
        warnings.extend(pod::warnings::of_template(&Path::of(&["spec", "template"]), &object.spec.template));
        warnings
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut Deployment, old: &Deployment) {
        new.status = old.status.clone();
        pod::fields::drop_disabled(&mut new.spec.template.spec, Some(&old.spec.template.spec));
        if new.spec != old.spec || new.metadata.annotations != old.metadata.annotations {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(&self, _context: &Context, new: &Deployment, old: &Deployment) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(&self, _context: &Context, new: &Deployment, old: &Deployment) -> Vec<String> {
        if new.metadata.generation == old.metadata.generation {
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

    fn row(&self, object: &Deployment, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = Deployment;

    fn prepare_for_update(&self, _context: &Context, new: &mut Deployment, old: &Deployment) {
        new.spec = old.spec.clone();
        new.metadata.labels = old.metadata.labels.clone();
    }

    fn validate_update(&self, _context: &Context, new: &Deployment, old: &Deployment) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"], &["metadata", "labels"]]
    }
}
