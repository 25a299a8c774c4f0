//! Priority levels.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::flowcontrol::v1::PriorityLevelConfiguration;
use machinery::field::ErrorList;
use rules::flowcontrol::v1::priority_level_configuration::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&PriorityLevelConfigurations).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct PriorityLevelConfigurations;

impl Strategy for PriorityLevelConfigurations {
    type Kind = PriorityLevelConfiguration;

    fn default(&self, object: &mut PriorityLevelConfiguration) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut PriorityLevelConfiguration) {
        object.metadata.generation = 1;
        object.status = Default::default();
    }

    fn validate(&self, _context: &Context, object: &PriorityLevelConfiguration) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut PriorityLevelConfiguration,
        old: &PriorityLevelConfiguration,
    ) {
        new.status = old.status.clone();

        if new.spec != old.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &PriorityLevelConfiguration,
        old: &PriorityLevelConfiguration,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &PriorityLevelConfiguration, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = PriorityLevelConfiguration;

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut PriorityLevelConfiguration,
        old: &PriorityLevelConfiguration,
    ) {
        let managed = std::mem::take(&mut new.metadata.managed_fields);
        let version = std::mem::take(&mut new.metadata.resource_version);
        new.metadata = old.metadata.clone();
        new.metadata.managed_fields = managed;
        new.metadata.resource_version = version;
        new.spec = old.spec.clone();
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &PriorityLevelConfiguration,
        old: &PriorityLevelConfiguration,
    ) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["metadata"], &["spec"]]
    }
}
