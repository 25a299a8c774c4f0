//! Namespaces: what they hold goes before they do.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::core::v1::Namespace;
use machinery::field::ErrorList;
use rules::core::v1::namespace::{defaults, validation};

/// Finalizer that the namespace controller removes when the namespace is empty.
const KUBERNETES: &str = "kubernetes";

/// The row.
pub fn entry() -> Entry {
    Entry::new(&Namespaces).view("finalize", &Finalize).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct Namespaces;

impl Strategy for Namespaces {
    type Kind = Namespace;

    fn default(&self, object: &mut Namespace) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut Namespace) {
        object.status = Default::default();
        object.status.phase = "Active".to_owned();
        if !object.spec.finalizers.iter().any(|name| name == KUBERNETES) {
            object.spec.finalizers.push(KUBERNETES.to_owned());
        }
    }

    fn validate(&self, _context: &Context, object: &Namespace) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut Namespace, old: &Namespace) {
        new.spec.finalizers = old.spec.finalizers.clone();
        new.status = old.status.clone();
    }

    fn validate_update(&self, _context: &Context, new: &Namespace, old: &Namespace) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn canonicalize(&self, object: &mut Namespace) {
        // A generated name was not there yet when defaults ran.
        defaults::label(object);
    }

    fn selectable_fields(&self, object: &Namespace) -> Vec<(&'static str, String)> {
        vec![("status.phase", object.status.phase.clone()), ("name", object.metadata.name.clone())]
    }

    fn begin_termination(&self, _context: &Context, object: &mut Namespace) -> bool {
        object.status.phase = "Terminating".to_owned();
        true
    }

    fn is_held(&self, object: &Namespace) -> bool {
        !object.spec.finalizers.is_empty()
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &Namespace, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = Namespace;

    fn prepare_for_update(&self, _context: &Context, new: &mut Namespace, old: &Namespace) {
        new.spec = old.spec.clone();
    }

    fn validate_update(&self, _context: &Context, new: &Namespace, old: &Namespace) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}

/// The `finalize` view: the only one that may shorten `spec.finalizers`.
pub struct Finalize;

impl View for Finalize {
    type Kind = Namespace;

    fn prepare_for_update(&self, _context: &Context, new: &mut Namespace, old: &Namespace) {
        new.status = old.status.clone();
    }

    fn validate_update(&self, _context: &Context, new: &Namespace, old: &Namespace) -> ErrorList {
        validation::validate_finalize_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }
}
