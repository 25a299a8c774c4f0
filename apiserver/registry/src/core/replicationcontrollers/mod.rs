//! Replication controllers.

pub mod columns;

use crate::{
    Column, Context, Entry, GarbageCollection, Row, Scaling, Strategy, View, scaling, strategy::ResetFields,
};
use api_types::core::v1::ReplicationController;
use machinery::field::ErrorList;
use rules::core::v1::{
    pod,
    replication_controller::{defaults, validation},
};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&ReplicationControllers).prefix("controllers").view("status", &Status).scale(&SCALE)
}

static SCALE: Scaling = Scaling {
    read: scaling::read_replication_controller,
    write: scaling::write_replication_controller,
    replicas_path: &["spec", "replicas"],
};

/// Strategy of the resource itself.
pub struct ReplicationControllers;

fn drop_disabled(new: &mut ReplicationController, old: Option<&ReplicationController>) {
    if let Some(template) = &mut new.spec.template {
        let old = old.and_then(|old| old.spec.template.as_ref()).map(|template| &template.spec);
        pod::fields::drop_disabled(&mut template.spec, old);
    }
}

impl Strategy for ReplicationControllers {
    type Kind = ReplicationController;

    fn default(&self, object: &mut ReplicationController) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut ReplicationController) {
        object.status = Default::default();
        object.metadata.generation = 1;
        drop_disabled(object, None);
    }

    fn validate(&self, _context: &Context, object: &ReplicationController) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut ReplicationController,
        old: &ReplicationController,
    ) {
        new.status = old.status.clone();
        drop_disabled(new, Some(old));
        if new.spec != old.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &ReplicationController,
        old: &ReplicationController,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn selectable_fields(&self, object: &ReplicationController) -> Vec<(&'static str, String)> {
        vec![("status.replicas", object.status.replicas.to_string())]
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

    fn row(&self, object: &ReplicationController, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = ReplicationController;

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut ReplicationController,
        old: &ReplicationController,
    ) {
        new.spec = old.spec.clone();
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &ReplicationController,
        old: &ReplicationController,
    ) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
