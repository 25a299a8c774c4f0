//! Persistent volumes.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::core::v1::PersistentVolume;
use machinery::Time;
use machinery::field::ErrorList;
use rules::core::v1::persistent_volume::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&PersistentVolumes).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct PersistentVolumes;

impl Strategy for PersistentVolumes {
    type Kind = PersistentVolume;

    fn default(&self, object: &mut PersistentVolume) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, context: &Context, object: &mut PersistentVolume) {
        object.status.phase = "Pending".to_owned();
        object.status.last_phase_transition_time = Some(Time::from(context.now));
    }

    fn validate(&self, _context: &Context, object: &PersistentVolume) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &PersistentVolume) -> Vec<String> {
        validation::warnings(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut PersistentVolume, old: &PersistentVolume) {
        new.status = old.status.clone();
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &PersistentVolume,
        old: &PersistentVolume,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(
        &self,
        _context: &Context,
        new: &PersistentVolume,
        _old: &PersistentVolume,
    ) -> Vec<String> {
        validation::warnings(new)
    }

    fn selectable_fields(&self, object: &PersistentVolume) -> Vec<(&'static str, String)> {
        vec![("name", object.metadata.name.clone())]
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &PersistentVolume, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = PersistentVolume;

    fn prepare_for_update(&self, context: &Context, new: &mut PersistentVolume, old: &PersistentVolume) {
        new.spec = old.spec.clone();
        let (now, before) = (&mut new.status, &old.status);
        let unset = now.last_phase_transition_time.is_none();
        if now.phase == before.phase && unset {
            now.last_phase_transition_time = before.last_phase_transition_time;
        } else if now.phase != before.phase
            && (unset || now.last_phase_transition_time == before.last_phase_transition_time)
        {
            now.last_phase_transition_time = Some(Time::from(context.now));
        }
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &PersistentVolume,
        old: &PersistentVolume,
    ) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
