//! Which resource names may stand where, and what their quantities must be.
//!
//! Source: `pkg/apis/core/helper/helpers.go`, `pkg/apis/core/validation`.

use crate::{
    core::v1::resource_list::{HUGE_PAGES_PREFIX, is_extended, is_huge_page, is_native, is_pod_level},
    report::Report,
};
use machinery::{
    Quantity,
    field::{ErrorList, Path},
    names,
};

const STANDARD: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];

const COUNTED: &[&str] = &[
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// True for huge pages and quota on them.
pub fn is_quota_huge_page(name: &str) -> bool {
    is_huge_page(name) || name.starts_with("requests.hugepages-")
}

/// True for names that need no domain.
pub fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name) || is_quota_huge_page(name)
}

/// True for names a quota may set without a domain.
pub fn is_standard_quota(name: &str) -> bool {
    name != "storage" && is_standard(name)
}

/// True for names a container may request without a domain.
pub fn is_standard_container(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_huge_page(name)
}

/// True for resources that only come in whole units.
pub fn is_integer(name: &str) -> bool {
    COUNTED.contains(&name) || is_extended(name)
}

/// Message for fractions of whole resources.
pub const NOT_INTEGER: &str = "must be an integer";

/// A resource name anywhere.
pub fn validate(name: &str, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    errors.invalid_each(path, name, names::is_qualified_name(name));
    if errors.is_empty() && !name.contains('/') && !is_standard(name) {
        errors.invalid(path, name, "must be a standard resource type or fully qualified");
    }
    errors
}

/// A resource name of a container's requests or limits.
pub fn validate_for_container(name: &str, path: &Path) -> ErrorList {
    let mut errors = validate(name, path);
    if !name.contains('/') {
        if !is_standard_container(name) {
            errors.invalid(path, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.invalid(path, name, "doesn't follow extended resource name standard");
    }
    errors
}

/// A resource name of a pod's own requests or limits.
pub fn validate_for_pod(name: &str, path: &Path) -> ErrorList {
    let mut errors = validate(name, path);
    if errors.is_empty() && !is_pod_level(name) {
        errors.not_supported(path, name, &["cpu", HUGE_PAGES_PREFIX, "memory"]);
    }
    errors
}

/// A resource name of a quota.
pub fn validate_for_quota(name: &str, path: &Path) -> ErrorList {
    let mut errors = validate(name, path);
    if !name.contains('/') && !is_standard_quota(name) {
        errors.invalid(path, name, "must be a standard resource for quota");
    }
    errors
}

/// An amount: not negative, and whole where only whole units exist.
pub fn validate_quantity(name: &str, quantity: &Quantity, path: &Path) -> ErrorList {
    let mut errors = validate_non_negative(quantity, path);
    if is_integer(name) && quantity.milli_value() % 1000 != 0 {
        errors.invalid(path, quantity, NOT_INTEGER);
    }
    errors
}

/// An amount that may not be negative.
pub fn validate_non_negative(quantity: &Quantity, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if quantity.sign() < 0 {
        errors.invalid(path, quantity, crate::report::NEGATIVE);
    }
    errors
}

/// An amount that must be more than nothing.
pub fn validate_positive(quantity: &Quantity, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if quantity.sign() <= 0 {
        errors.invalid(path, quantity, "must be greater than zero");
    }
    errors
}

/// Size of one page in `hugepages-<size>`, in bytes.
pub fn huge_page_bytes(name: &str) -> Option<i64> {
    let size = Quantity::parse(name.strip_prefix(HUGE_PAGES_PREFIX)?).ok()?;
    (size.sign() > 0 && size.milli_value() % 1000 == 0).then(|| size.value())
}

/// True when the amount is a whole number of pages.
pub fn is_whole_pages(name: &str, quantity: &Quantity) -> bool {
    huge_page_bytes(name).is_some_and(|bytes| quantity.value() % bytes == 0)
}
