//! Rules for paths in pods.

use crate::report::Report;
use machinery::field::{ErrorList, Path};

/// A path without `..`.
pub fn validate_no_backsteps(value: &str, path: &Path, errors: &mut ErrorList) {
    if value.split('/').any(|part| part == "..") {
        errors.invalid(path, value, "must not contain '..'");
    }
}

/// A relative path without `..`.
pub fn validate_descending(value: &str, path: &Path, errors: &mut ErrorList) {
    if value.starts_with('/') {
        errors.invalid(path, value, "must be a relative path");
    }
    validate_no_backsteps(value, path, errors);
}

/// A relative path that does not begin with the dots the volume writer keeps for itself.
pub fn validate_unreserved(value: &str, path: &Path, errors: &mut ErrorList) {
    validate_descending(value, path, errors);
    if value.starts_with("..") && !value.starts_with("../") {
        errors.invalid(path, value, "must not start with '..'");
    }
}

/// Permission bits of a file.
pub fn validate_mode(mode: Option<i32>, path: &Path, errors: &mut ErrorList) {
    if let Some(mode) = mode
        && !(0..=0o777).contains(&mode)
    {
        errors.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}
