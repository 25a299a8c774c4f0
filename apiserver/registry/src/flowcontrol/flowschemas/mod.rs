//! Flow schemas.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::flowcontrol::v1::FlowSchema;
use machinery::field::ErrorList;
use rules::flowcontrol::v1::flow_schema::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&FlowSchemas).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct FlowSchemas;

impl Strategy for FlowSchemas {
    type Kind = FlowSchema;

    fn default(&self, object: &mut FlowSchema) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut FlowSchema) {
        object.metadata.generation = 1;
        object.status = Default::default();
    }

    fn validate(&self, _context: &Context, object: &FlowSchema) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut FlowSchema, old: &FlowSchema) {
        new.status = old.status.clone();

        if new.spec != old.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(&self, _context: &Context, new: &FlowSchema, old: &FlowSchema) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &FlowSchema, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = FlowSchema;

    fn prepare_for_update(&self, _context: &Context, new: &mut FlowSchema, old: &FlowSchema) {
        let managed = std::mem::take(&mut new.metadata.managed_fields);
        let version = std::mem::take(&mut new.metadata.resource_version);
        new.metadata = old.metadata.clone();
        new.metadata.managed_fields = managed;
        new.metadata.resource_version = version;
        new.spec = old.spec.clone();
    }

    fn validate_update(&self, _context: &Context, new: &FlowSchema, old: &FlowSchema) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["metadata"], &["spec"]]
    }
}
