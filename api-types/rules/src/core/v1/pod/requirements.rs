//! Validation of requests, limits and resource claims.

use super::{
    options::PodRules,
    resources::{self, Accounting},
};
use crate::{
    core::v1::{
        resource_list::{is_huge_page, overcommit_allowed},
        resource_names,
    },
    report::Report,
};
use api_types::core::v1::{Pod, PodResourceClaim, PodSpec, ResourceClaim, ResourceRequirements};
use machinery::{
    Message,
    field::{Error, ErrorList, Path},
    meta::v1::ObjectMeta,
    names,
};
use std::{cmp::Ordering, collections::BTreeSet};

/// Names of the claims of a pod.
pub type ClaimNames<'a> = BTreeSet<&'a str>;

/// Requirements of a container.
pub fn validate_for_container(
    requirements: &ResourceRequirements,
    claims: &ClaimNames<'_>,
    rules: &PodRules,
    path: &Path,
    errors: &mut ErrorList,
) {
    validate(requirements, resource_names::validate_for_container, claims, rules, path, errors);
}

fn validate(
    requirements: &ResourceRequirements,
    name_rule: fn(&str, &Path) -> ErrorList,
    claims: &ClaimNames<'_>,
    rules: &PodRules,
    path: &Path,
    errors: &mut ErrorList,
) {
    let (limits, requests) = (path.child("limits"), path.child("requests"));
    let (mut compute, mut huge_pages) = (false, false);
    let lists = [(&requirements.limits, &limits, true), (&requirements.requests, &requests, false)];
    for (list, list_path, is_limits) in lists {
        for (name, quantity) in list {
            let path = list_path.key(name);
            errors.extend(name_rule(name, &path));
            errors.extend(resource_names::validate_quantity(name, quantity, &path));
            if !is_limits {
                match requirements.limits.get(name) {
                    Some(limit)
                        if !overcommit_allowed(name) && quantity.compare(limit) != Ordering::Equal =>
                    {
                        errors.invalid(
                            &requests,
                            quantity,
                            format!("must be equal to {name} limit of {limit}"),
                        );
                    }
                    Some(limit) if quantity.compare(limit) == Ordering::Greater => {
                        errors.invalid(
                            &requests,
                            quantity,
                            format!("must be less than or equal to {name} limit of {limit}"),
                        );
                    }
                    None if !overcommit_allowed(name) => {
                        errors.required(&limits, "Limit must be set for non overcommitable resources");
                    }
                    _ => {}
                }
            }
            if is_huge_page(name) {
                huge_pages = true;
                if !rules.indivisible_huge_pages && !resource_names::is_whole_pages(name, quantity) {
                    errors.invalid(
                        &path,
                        quantity,
                        format!("{quantity} is not positive integer multiple of {name}"),
                    );
                }
            }
            compute |= matches!(name.as_str(), "cpu" | "memory");
        }
    }
    if huge_pages && !compute {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
    validate_claim_uses(&requirements.claims, claims, &path.child("claims"), errors);
}

fn validate_claim_uses(uses: &[ResourceClaim], claims: &ClaimNames<'_>, path: &Path, errors: &mut ErrorList) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (index, claim) in uses.iter().enumerate() {
        let path = path.index(index);
        let name = claim.name.as_str();
        if name.is_empty() {
            errors.required(&path, "");
            continue;
        }
        if seen.contains(name) {
            errors.duplicate(&path, name);
        } else {
            let mut key = name.to_owned();
            if !claim.request.is_empty() {
                errors.invalid_each(
                    &path.child("request"),
                    &claim.request,
                    names::is_dns1123_label(&claim.request),
                );
                key = format!("{name}/{}", claim.request);
            }
            if seen.contains(&key) {
                errors.duplicate(&path, key.as_str());
            } else if claim.request.is_empty() {
                // All of a claim contains each part of it that is already taken.
                for _ in
                    seen.iter().filter(|other| other.split_once('/').is_some_and(|(claim, _)| claim == name))
                {
                    errors.duplicate(&path, name);
                }
            }
            seen.insert(key);
        }
        if !claims.contains(name) {
            let mut error = Error::not_found(&path, name);
            error.detail = "must be one of the names in pod.spec.resourceClaims".to_owned();
            if claims.is_empty() {
                error.detail.push_str(" which is empty");
            } else {
                error.detail =
                    format!("{}: {}", error.detail, claims.iter().copied().collect::<Vec<_>>().join(", "));
            }
            errors.push(error);
        }
    }
}

/// Claims of a pod.
pub fn validate_claims(
    claims: &[PodResourceClaim],
    pod: Option<&ObjectMeta>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let mut seen = BTreeSet::new();
    let mirror = pod.is_some_and(|pod| pod.annotations.contains_key("kubernetes.io/config.mirror"));
    for (index, claim) in claims.iter().enumerate() {
        let path = path.index(index);
        if mirror {
            errors.forbidden(&Path::new(""), "static pods do not support resource claims");
            continue;
        }
        if claim.name.is_empty() {
            errors.required(&path.child("name"), "");
        } else if !seen.insert(&claim.name) {
            errors.duplicate(&path.child("name"), &claim.name);
        } else {
            errors.invalid_each(&path.child("name"), &claim.name, names::is_dns1123_label(&claim.name));
        }
        match (&claim.resource_claim_name, &claim.resource_claim_template_name) {
            (Some(_), Some(_)) => {
                errors.invalid(
                    &path,
                    claim.to_value(),
                    "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
                );
            }
            (None, None) => errors.invalid(
                &path,
                claim.to_value(),
                "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            ),
            _ => {}
        }
        for (field, name) in [
            ("resourceClaimName", &claim.resource_claim_name),
            ("resourceClaimTemplateName", &claim.resource_claim_template_name),
        ] {
            if let Some(name) = name {
                errors.invalid_each(&path.child(field), name, names::name_is_dns_subdomain(name, false));
            }
        }
    }
}

/// Requirements of the pod as a whole, which bound those of its containers.
pub fn validate_for_pod(
    spec: &PodSpec,
    claims: &ClaimNames<'_>,
    rules: &PodRules,
    path: &Path,
    errors: &mut ErrorList,
) {
    let Some(requirements) = &spec.resources else { return };
    let path = path.child("resources");
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        errors.forbidden(&path, "may not be set for a windows pod");
        return;
    }
    if !requirements.claims.is_empty() {
        errors.forbidden(&path.child("claims"), "claims may not be set for Resources at pod-level");
    }
    validate(requirements, resource_names::validate_for_pod, claims, rules, &path, errors);
    let pod = Pod { spec: spec.clone(), ..Pod::default() };
    for (name, total) in resources::container_requests(&pod, Accounting::default()) {
        if let Some(given) = requirements.requests.get(&name)
            && total.compare(given) == Ordering::Greater
        {
            let message = format!("must be greater than or equal to aggregate container requests of {total}");
            errors.invalid(&path.child("requests").key(name), given, message);
        }
    }
    for (name, total) in resources::container_limits(&pod, Accounting::default()) {
        if let Some(given) = requirements.limits.get(&name).filter(|_| is_huge_page(&name))
            && total.compare(given) == Ordering::Greater
        {
            let message = format!("must be greater than or equal to aggregate container limits of {total}");
            errors.invalid(&path.child("limits").key(name), given, message);
        }
    }
    for (index, container) in spec.containers.iter().enumerate() {
        for (name, limit) in &container.resources.limits {
            if let Some(given) = requirements.limits.get(name)
                && limit.compare(given) == Ordering::Greater
            {
                let path = path.child("containers").index(index).key(name).child("limits");
                errors.invalid(&path, limit, format!("must be less than or equal to pod limits of {given}"));
            }
        }
    }
}
