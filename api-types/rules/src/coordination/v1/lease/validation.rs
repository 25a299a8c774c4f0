//! Validation of leases.

use crate::{meta, report::Report};
use api_types::coordination::v1::{Lease, LeaseSpec};
use machinery::{
    field::{ErrorList, Path},
    names,
};

fn validate_spec(spec: &LeaseSpec, path: &Path, errors: &mut ErrorList) {
    if let Some(seconds) = spec.lease_duration_seconds.filter(|seconds| *seconds <= 0) {
        errors.invalid(&path.child("leaseDurationSeconds"), seconds, "must be greater than 0");
    }
    if let Some(count) = spec.lease_transitions.filter(|count| *count < 0) {
        errors.invalid(&path.child("leaseTransitions"), count, "must be greater than or equal to 0");
    }
    if let Some(strategy) = &spec.strategy {
        let path = path.child("strategy");
        match strategy.split_once('/') {
            // Strategies of others are qualified by a domain of theirs.
            Some((domain, _)) => {
                if domain.ends_with(".kubernetes.io")
                    || domain.ends_with(".k8s.io")
                    || domain == "kubernetes.io"
                    || domain == "k8s.io"
                {
                    errors.not_supported(&path, strategy, &["OldestEmulationVersion"]);
                } else {
                    errors.invalid_each(&path, strategy, names::is_qualified_name(strategy));
                }
            }
            None if strategy == "OldestEmulationVersion" => {}
            None => errors.not_supported(&path, strategy, &["OldestEmulationVersion"]),
        }
    }
    let preferred = spec.preferred_holder.as_deref().unwrap_or_default();
    if !preferred.is_empty() && spec.strategy.as_deref().unwrap_or_default().is_empty() {
        errors.forbidden(&path.child("preferredHolder"), "may only be specified if `strategy` is defined");
    }
}

/// A lease.
pub fn validate(lease: &Lease) -> ErrorList {
    let mut errors =
        meta::validate(&lease.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec(&lease.spec, &Path::new("spec"), &mut errors);
    errors
}

/// A changed lease.
pub fn validate_update(new: &Lease, old: &Lease) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    validate_spec(&new.spec, &Path::new("spec"), &mut errors);
    errors
}
