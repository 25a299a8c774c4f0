//! Validation of config maps.

use crate::{core::v1::secret::validation::MAX_SIZE, meta, report::Report};
use api_types::core::v1::ConfigMap;
use machinery::{
    field::{ErrorList, Path},
    names,
};

/// A config map.
pub fn validate(config_map: &ConfigMap) -> ErrorList {
    let mut errors =
        meta::validate(&config_map.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    let mut size = 0;
    for (key, value) in &config_map.data {
        let path = Path::new("data").key(key);
        errors.invalid_each(&path, key, names::is_config_map_key(key));
        if config_map.binary_data.contains_key(key) {
            errors.invalid(&path, key, "duplicate of key present in binaryData");
        }
        size += value.len();
    }
    for (key, value) in &config_map.binary_data {
        errors.invalid_each(&Path::new("binaryData").key(key), key, names::is_config_map_key(key));
        size += value.len();
    }
    if size > MAX_SIZE {
        errors.too_long(&Path::new(""), MAX_SIZE);
    }
    errors
}

/// A changed config map.
pub fn validate_update(new: &ConfigMap, old: &ConfigMap) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    if old.immutable == Some(true) {
        let message = "field is immutable when `immutable` is set";
        if new.immutable != Some(true) {
            errors.forbidden(&Path::new("immutable"), message);
        }
        if new.data != old.data {
            errors.forbidden(&Path::new("data"), message);
        }
        if new.binary_data != old.binary_data {
            errors.forbidden(&Path::new("binaryData"), message);
        }
    }
    errors.extend(validate(new));
    errors
}
