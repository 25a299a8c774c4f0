//! Persistent volume claims.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::core::v1::PersistentVolumeClaim;
use machinery::field::ErrorList;
use rules::core::v1::persistent_volume_claim::fields;
use rules::core::v1::persistent_volume_claim::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&PersistentVolumeClaims).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct PersistentVolumeClaims;

impl Strategy for PersistentVolumeClaims {
    type Kind = PersistentVolumeClaim;

    fn default(&self, object: &mut PersistentVolumeClaim) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut PersistentVolumeClaim) {
        object.status = Default::default();
        fields::drop_disabled(&mut object.spec, None);
        fields::settle_sources(&mut object.spec, None);
    }

    fn validate(&self, _context: &Context, object: &PersistentVolumeClaim) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &PersistentVolumeClaim) -> Vec<String> {
        fields::warnings(object)
    }

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut PersistentVolumeClaim,
        old: &PersistentVolumeClaim,
    ) {
        new.status = old.status.clone();
        fields::drop_disabled(&mut new.spec, Some(&old.spec));
        fields::settle_sources(&mut new.spec, Some(&old.spec));
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &PersistentVolumeClaim,
        old: &PersistentVolumeClaim,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(
        &self,
        _context: &Context,
        new: &PersistentVolumeClaim,
        _old: &PersistentVolumeClaim,
    ) -> Vec<String> {
        fields::warnings(new)
    }

    fn selectable_fields(&self, object: &PersistentVolumeClaim) -> Vec<(&'static str, String)> {
        vec![("name", object.metadata.name.clone())]
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &PersistentVolumeClaim, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = PersistentVolumeClaim;

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut PersistentVolumeClaim,
        old: &PersistentVolumeClaim,
    ) {
        new.spec = old.spec.clone();
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &PersistentVolumeClaim,
        old: &PersistentVolumeClaim,
    ) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
