//! Validation of controller revisions.

use crate::{
    meta,
    report::{IMMUTABLE, Report},
};
use api_types::apps::v1::ControllerRevision;
use machinery::{
    field::{ErrorList, Path},
    names,
};

fn validate_shared(revision: &ControllerRevision) -> ErrorList {
    let mut errors =
        meta::validate(&revision.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    errors.non_negative(&Path::new("revision"), revision.revision);
    errors
}

/// A new revision: its data is an object.
pub fn validate(revision: &ControllerRevision) -> ErrorList {
    let mut errors = validate_shared(revision);
    let path = Path::new("data");
    let raw = &revision.data.raw;
    if raw.is_empty() {
        errors.required(&path, "data is mandatory");
        return errors;
    }
    match serde_json::from_slice::<serde_json::Value>(raw) {
        Err(error) => errors.invalid(&path, "<value omitted>", format!("error parsing data: {error}")),
        Ok(serde_json::Value::Null) => errors.required(&path, "data is mandatory"),
        Ok(serde_json::Value::Object(_)) => {}
        Ok(_) => errors.invalid(&path, "<value omitted>", "data must be a valid JSON object"),
    }
    errors
}

/// A changed revision: its data stays.
pub fn validate_update(new: &ControllerRevision, old: &ControllerRevision) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    errors.extend(validate_shared(new));
    if new.data != old.data {
        let shown = serde_json::from_slice::<serde_json::Value>(&new.data.raw).unwrap_or_default();
        errors.invalid(&Path::new("data"), shown, IMMUTABLE);
    }
    errors
}
