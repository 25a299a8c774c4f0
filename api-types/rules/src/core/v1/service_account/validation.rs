//! Validation of service accounts.

use crate::meta;
use api_types::core::v1::ServiceAccount;
use machinery::{
    field::{ErrorList, Path},
    names,
};

/// A service account.
pub fn validate(account: &ServiceAccount) -> ErrorList {
    meta::validate(&account.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"))
}

/// A changed service account.
pub fn validate_update(new: &ServiceAccount, old: &ServiceAccount) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    errors.extend(validate(new));
    errors
}
