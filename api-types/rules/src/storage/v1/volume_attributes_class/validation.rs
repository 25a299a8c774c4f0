//! Validation of volume attributes classes.

use crate::{
    meta,
    report::Report,
    storage::v1::storage_class::validation::{validate_parameters, validate_provisioner},
};
use api_types::storage::v1::VolumeAttributesClass;
use machinery::{
    field::{ErrorList, Path},
    names,
};

fn validate_content(class: &VolumeAttributesClass, errors: &mut ErrorList) {
    errors.extend(meta::validate(
        &class.metadata,
        false,
        names::name_is_dns_subdomain,
        &Path::new("metadata"),
    ));
    validate_provisioner(&class.driver_name, &Path::new("driverName"), errors);
    validate_parameters(&class.parameters, false, &Path::new("parameters"), errors);
}

/// A new class.
pub fn validate(class: &VolumeAttributesClass) -> ErrorList {
    let mut errors = ErrorList::new();
    validate_content(class, &mut errors);
    errors
}

/// A changed class: nothing but metadata may change.
pub fn validate_update(new: &VolumeAttributesClass, old: &VolumeAttributesClass) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    if new.driver_name != old.driver_name {
        errors.forbidden(&Path::new("driverName"), "updates to driverName are forbidden.");
    }
    if new.parameters != old.parameters {
        errors.forbidden(&Path::new("parameters"), "updates to parameters are forbidden.");
    }
    validate_content(new, &mut errors);
    errors
}
