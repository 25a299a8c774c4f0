//! Validation of CSI drivers.

use crate::{meta, report::Report};
use api_types::storage::v1::{CSIDriver, CSIDriverSpec, TokenRequest};
use machinery::{
    field::{ErrorList, Path},
    names,
};
use std::collections::BTreeSet;

const SHORTEST_TOKEN_SECONDS: i64 = 600;
const SECRETS_RECOMMENDED: &str = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes";

fn validate_tokens(requests: &[TokenRequest], path: &Path, errors: &mut ErrorList) {
    let mut audiences = BTreeSet::new();
    for (index, request) in requests.iter().enumerate() {
        let path = path.index(index);
        if !audiences.insert(&request.audience) {
            errors.duplicate(&path.child("audience"), &request.audience);
            continue;
        }
        let Some(seconds) = request.expiration_seconds else { continue };
        let path = path.child("expirationSeconds");
        if seconds < SHORTEST_TOKEN_SECONDS {
            errors.invalid(&path, seconds, "may not specify a duration less than 10 minutes");
        }
        if seconds > 1 << 32 {
            errors.invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds");
        }
    }
}

fn validate_spec(spec: &CSIDriverSpec, path: &Path, errors: &mut ErrorList) {
    let needed = [
        ("attachedRequired", spec.attach_required),
        ("podInfoOnMount", spec.pod_info_on_mount),
        ("storageCapacity", spec.storage_capacity),
    ];
    for (field, _) in needed.iter().filter(|(_, value)| value.is_none()) {
        errors.required(&path.child(*field), "");
    }
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    if let Some(policy) = spec.fs_group_policy.as_deref().filter(|policy| !policies.contains(policy)) {
        errors.not_supported(&path.child("fsGroupPolicy"), policy, &policies);
    }
    validate_tokens(&spec.token_requests, &path.child("tokenRequests"), errors);
    for mode in
        spec.volume_lifecycle_modes.iter().filter(|mode| !matches!(mode.as_str(), "Persistent" | "Ephemeral"))
    {
        errors.not_supported_in_order(
            &path.child("volumeLifecycleModes"),
            mode,
            &["Persistent", "Ephemeral"],
        );
    }
    if spec.se_linux_mount.is_none() {
        errors.required(&path.child("seLinuxMount"), "");
    }
    if let Some(period) = spec.node_allocatable_update_period_seconds.filter(|period| *period < 10) {
        errors.invalid(
            &path.child("nodeAllocatableUpdatePeriodSeconds"),
            period,
            "must be greater than or equal to 10 seconds",
        );
    }
    if let Some(in_secrets) = spec.service_account_token_in_secrets.filter(|_| spec.token_requests.is_empty())
    {
        let why = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        errors.invalid(&path.child("serviceAccountTokenInSecrets"), in_secrets, why);
    }
}

/// A new driver.
pub fn validate(driver: &CSIDriver) -> ErrorList {
    let mut errors =
        meta::validate(&driver.metadata, false, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec(&driver.spec, &Path::new("spec"), &mut errors);
    errors
}

/// A changed driver.
pub fn validate_update(new: &CSIDriver, old: &CSIDriver) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let path = Path::new("spec");
    validate_spec(&new.spec, &path, &mut errors);
    let attach = new.spec.attach_required;
    errors.unchanged(&path.child("attachedRequired"), &attach, &old.spec.attach_required, attach);
    let modes = &new.spec.volume_lifecycle_modes;
    errors.unchanged(&path.child("volumeLifecycleModes"), modes, &old.spec.volume_lifecycle_modes, modes);
    errors
}

/// A word about tokens that appear where logs could show them.
pub fn warnings(new: &CSIDriver, old: Option<&CSIDriver>) -> Vec<String> {
    let spec = &new.spec;
    let changed = old.is_none_or(|old| old.spec.token_requests != spec.token_requests);
    if changed && !spec.token_requests.is_empty() && spec.service_account_token_in_secrets.is_none() {
        vec![SECRETS_RECOMMENDED.to_owned()]
    } else {
        Vec::new()
    }
}
