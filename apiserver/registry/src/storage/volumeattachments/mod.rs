//! Volume attachments.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::storage::v1::VolumeAttachment;
use machinery::field::ErrorList;
use rules::storage::v1::volume_attachment::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&VolumeAttachments).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct VolumeAttachments;

impl Strategy for VolumeAttachments {
    type Kind = VolumeAttachment;

    fn prepare_for_create(&self, _context: &Context, object: &mut VolumeAttachment) {
        object.status = Default::default();
    }

    fn validate(&self, _context: &Context, object: &VolumeAttachment) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut VolumeAttachment, old: &VolumeAttachment) {
        new.status = old.status.clone();
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &VolumeAttachment,
        old: &VolumeAttachment,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &VolumeAttachment, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = VolumeAttachment;

    fn prepare_for_update(&self, _context: &Context, new: &mut VolumeAttachment, old: &VolumeAttachment) {
        new.spec = old.spec.clone();
        crate::strategy::keep_metadata(&mut new.metadata, &old.metadata);
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &VolumeAttachment,
        old: &VolumeAttachment,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["metadata"], &["spec"]]
    }
}
