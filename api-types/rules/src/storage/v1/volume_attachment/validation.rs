//! Validation of volume attachments.

use crate::{
    core::v1::{persistent_volume, pod::volumes::validate_csi_driver},
    meta,
    report::Report,
};
use api_types::storage::v1::{VolumeAttachment, VolumeAttachmentSource, VolumeError};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};

const METADATA_SIZE: usize = 256 * 1024;
const MESSAGE_SIZE: usize = 1024;

fn validate_source(source: &VolumeAttachmentSource, path: &Path, errors: &mut ErrorList) {
    let which = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (&source.inline_volume_spec, source.persistent_volume_name.as_deref()) {
        (None, None) => errors.required(path, which),
        (Some(_), Some(_)) => errors.forbidden(path, which),
        (None, Some("")) => errors
            .required(&path.child("persistentVolumeName"), "must specify non empty persistentVolumeName"),
        (None, Some(_)) => {}
        (Some(spec), None) => {
            persistent_volume::validation::validate_inline(spec, &path.child("inlineVolumeSpec"), errors)
        }
    }
}

fn validate_error(error: Option<&VolumeError>, path: &Path, errors: &mut ErrorList) {
    let Some(error) = error else { return };
    if error.message.len() > MESSAGE_SIZE {
        errors.too_long(&path.child("message"), METADATA_SIZE);
    }
    if let Some(code) = error.error_code.filter(|code| *code < 0) {
        errors.invalid(
            &path.child("errorCode"),
            code,
            format!("must be between 0 and {}, inclusive", i32::MAX),
        );
    }
}

/// A new attachment.
pub fn validate(attachment: &VolumeAttachment) -> ErrorList {
    let mut errors =
        meta::validate(&attachment.metadata, false, names::name_is_dns_subdomain, &Path::new("metadata"));
    let (spec, status) = (&attachment.spec, &attachment.status);
    let path = Path::new("spec");
    validate_csi_driver(&spec.attacher, &path.child("attacher"), &mut errors);
    validate_source(&spec.source, &path.child("source"), &mut errors);
    errors.invalid_each(
        &path.child("nodeName"),
        &spec.node_name,
        names::name_is_dns_subdomain(&spec.node_name, false),
    );
    let path = Path::new("status");
    if status.attachment_metadata.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
        > METADATA_SIZE
    {
        errors.too_long(&path.child("attachmentMetadata"), METADATA_SIZE);
    }
    validate_error(status.attach_error.as_deref(), &path.child("attachError"), &mut errors);
    validate_error(status.detach_error.as_deref(), &path.child("detachError"), &mut errors);
    if let Some(name) = &spec.source.persistent_volume_name {
        errors.invalid_each(
            &Path::new("spec.source.persistentVolumeName"),
            name,
            names::name_is_dns_subdomain(name, false),
        );
    }
    errors
}

/// A changed attachment, or a changed status: the spec stays.
pub fn validate_update(new: &VolumeAttachment, old: &VolumeAttachment) -> ErrorList {
    let mut errors = validate(new);
    errors.unchanged(&Path::new("spec"), &new.spec, &old.spec, new.spec.to_value());
    errors
}
