//! Validation of namespaces.

use crate::{meta, report::Report};
use api_types::core::v1::Namespace;
use machinery::{
    field::{ErrorList, Path},
    names,
};

fn finalizer(name: &str, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    errors.invalid_each(path, name, names::is_qualified_name(name));
    if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
        errors.invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified");
    }
    errors
}

/// A namespace.
pub fn validate(namespace: &Namespace) -> ErrorList {
    let mut errors =
        meta::validate(&namespace.metadata, false, names::name_is_dns_label, &Path::new("metadata"));
    for name in &namespace.spec.finalizers {
        errors.extend(finalizer(name, &Path::of(&["spec", "finalizers"])));
    }
    errors
}

/// A changed namespace.
pub fn validate_update(new: &Namespace, old: &Namespace) -> ErrorList {
    let mut errors = validate(new);
    errors.extend(meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata")));
    errors
}

/// A changed status: the phase follows the deletion time stamp.
pub fn validate_status_update(new: &Namespace, old: &Namespace) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let path = Path::of(&["status", "Phase"]);
    let phase = &new.status.phase;
    if new.metadata.deletion_timestamp.is_none() {
        if phase != "Active" {
            errors.invalid(&path, phase, "may only be 'Active' if `deletionTimestamp` is empty");
        }
    } else if phase != "Terminating" {
        errors.invalid(&path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
    }
    errors
}

/// Changed finalizers.
pub fn validate_finalize_update(new: &Namespace, old: &Namespace) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    for (index, name) in new.spec.finalizers.iter().enumerate() {
        errors.extend(finalizer(name, &Path::of(&["spec", "finalizers"]).index(index)));
    }
    errors
}
