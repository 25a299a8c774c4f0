//! Decides whether a request fits into the quotas of its namespace, and what they say afterwards.
//!
//! Source: `CheckRequest` in `k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go`.

use std::collections::BTreeSet;

use api_types::core::v1::{ResourceQuota, ScopedResourceSelectorRequirement};
use machinery::GroupResource;
use machinery::object::Object;
use rules::core::v1::resource_list::{ResourceList, add};
use rules::core::v1::resource_quota::evaluator::Evaluator;
use rules::core::v1::resource_quota::usage::{attributes_classes, scopes};

use super::configuration::LimitedResource;
use crate::attributes::{Attributes, Operation};

/// What is asked for, as far as quotas care.
pub(super) struct Request<'a> {
    pub evaluator: &'a Evaluator,
    pub resource: GroupResource,
    pub operation: Operation,
    pub subresource: &'a str,
    pub object: &'a dyn Object,
    pub old: Option<&'a dyn Object>,
    pub now: jiff::Timestamp,
}

/// Why a request is not let through.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    /// 403 with this explanation.
    Forbidden(String),
    /// Upstream answers this one with 500.
    Failed(String),
}

fn forbidden<T>(text: String) -> Result<T, Refusal> {
    Err(Refusal::Forbidden(text))
}

/// Whether a request of this kind may change what is used at all.
pub(super) fn handles(evaluator: &Evaluator, attributes: &Attributes) -> bool {
    let (create, update) =
        (attributes.operation == Operation::Create, attributes.operation == Operation::Update);
    let subresource = attributes.subresource.as_str();
    match evaluator {
        Evaluator::Pods if subresource == "resize" => update,
        Evaluator::Pods if subresource.is_empty() => create || update && ends_otherwise(attributes),
        Evaluator::Claims if subresource == "status" => update && claim_moved(attributes),
        Evaluator::Services | Evaluator::Claims | Evaluator::DeviceClaims => {
            subresource.is_empty() && (create || update)
        }
        _ => subresource.is_empty() && create,
    }
}

/// A pod that gets a deadline goes from one scope to the other.
fn ends_otherwise(attributes: &Attributes) -> bool {
    let ends = |object: &Option<Box<dyn Object>>| {
        let pod = object.as_deref()?.downcast_ref::<api_types::core::v1::Pod>()?;
        Some(pod.spec.active_deadline_seconds.is_some_and(|seconds| seconds >= 0))
    };
    matches!((ends(&attributes.object), ends(&attributes.old_object)), (Some(new), Some(old)) if new != old)
}

/// A claim whose status says something new of its size or its class.
fn claim_moved(attributes: &Attributes) -> bool {
    let claim = |object: &'_ Option<Box<dyn Object>>| -> Option<api_types::core::v1::PersistentVolumeClaim> {
        object.as_deref()?.downcast_ref().cloned()
    };
    let (Some(new), Some(old)) = (claim(&attributes.object), claim(&attributes.old_object)) else {
        return false;
    };
    new.status.allocated_resources.get("storage") != old.status.allocated_resources.get("storage")
        || attributes_classes(&new) != attributes_classes(&old)
}

/// What each quota says is used afterwards, by its place in `quotas`; those that stay as they are are missing.
pub(super) fn check(
    quotas: &[ResourceQuota],
    request: &Request<'_>,
    limited: &[LimitedResource],
) -> Result<Vec<(usize, ResourceList)>, Refusal> {
    let evaluator = request.evaluator;
    let object = request.object;
    let used = evaluator.usage(object, request.now);
    let limited_scopes =
        matching(evaluator, object, limited.iter().flat_map(|limited| &limited.match_scopes));
    let limited_names = limited_by_default(&used, limited, &request.resource);

    let mut pertinent = Vec::new();
    let mut covered_names = BTreeSet::new();
    let mut covered_scopes = Vec::new();
    for (index, quota) in quotas.iter().enumerate() {
        let scopes = scopes(quota);
        covered_scopes.extend(matching(evaluator, object, &scopes));
        let names: Vec<&str> = tracked(evaluator, quota).collect();
        if names.is_empty() || !scopes.iter().all(|scope| evaluator.scope_matches(scope, object)) {
            continue;
        }
        let name = &quota.metadata.name;
        if let Some(unstated) = evaluator.unstated(names.iter().copied(), object) {
            return forbidden(format!("failed quota: {name}: {unstated}"));
        }
        if !names.iter().all(|name| quota.status.used.contains_key(*name)) {
            return forbidden(format!("status unknown for quota: {name}, resources: {}", names.join(",")));
        }
        covered_names.extend(names);
        pertinent.push(index);
    }

    let negative: Vec<&str> =
        used.iter().filter(|(_, quantity)| quantity.sign() < 0).map(|(name, _)| name.as_str()).collect();
    if !negative.is_empty() {
        return forbidden(format!("quota usage is negative for resource(s): {}", negative.join(",")));
    }
    let charges = charges(quotas, &pertinent, request, &used)?;
    if charges.is_empty() {
        return Ok(Vec::new());
    }

    let uncovered: Vec<&str> = limited_names.difference(&covered_names).copied().collect();
    if !uncovered.is_empty() {
        return forbidden(format!("insufficient quota to consume: {}", uncovered.join(",")));
    }
    let uncovered: Vec<String> = limited_scopes
        .iter()
        .filter(|limited| !covered_scopes.iter().any(|covered| covered.scope_name == limited.scope_name))
        .map(|scope| format!("{{{} {} [{}]}}", scope.scope_name, scope.operator, scope.values.join(" ")))
        .collect();
    if !uncovered.is_empty() {
        let scopes = uncovered.join(" ");
        return Err(Refusal::Failed(format!("insufficient quota to match these scopes: [{scopes}]")));
    }
    let charged = charges.into_iter().filter_map(|(index, charge)| Some((index?, charge)));
    let mut after = Vec::new();
    for (index, charge) in charged {
        if let Some(quota) = quotas.get(index) {
            after.push((index, charged_to(quota, charge, request)?));
        }
    }
    Ok(after)
}

/// Names a quota limits that objects of this resource use.
fn tracked<'a>(evaluator: &Evaluator, quota: &'a ResourceQuota) -> impl Iterator<Item = &'a str> {
    quota.status.hard.keys().map(String::as_str).filter(|name| evaluator.tracks(name))
}

fn matching<'a>(
    evaluator: &Evaluator,
    object: &dyn Object,
    scopes: impl IntoIterator<Item = &'a ScopedResourceSelectorRequirement>,
) -> Vec<ScopedResourceSelectorRequirement> {
    let scopes = scopes.into_iter().filter(|_| evaluator.has_scopes());
    scopes.filter(|scope| evaluator.scope_matches(scope, object)).cloned().collect()
}

/// Names of what is used that some quota must cover.
fn limited_by_default<'a>(
    used: &'a ResourceList,
    limited: &[LimitedResource],
    resource: &GroupResource,
) -> BTreeSet<&'a str> {
    let of_resource: Vec<&LimitedResource> = limited
        .iter()
        .filter(|limited| {
            resource.group == limited.api_group.as_str() && resource.resource == limited.resource.as_str()
        })
        .collect();
    let names = used.iter().filter(|(_, quantity)| quantity.sign() == 1).map(|(name, _)| name.as_str());
    names
        .filter(|name| {
            of_resource
                .iter()
                .flat_map(|limited| &limited.match_contains)
                .any(|part| name.contains(part.as_str()))
        })
        .collect()
}

/// What is added to each pertinent quota, without zeros; under `None` when no quota is pertinent but
/// something is used.
fn charges(
    quotas: &[ResourceQuota],
    pertinent: &[usize],
    request: &Request<'_>,
    used: &ResourceList,
) -> Result<Vec<(Option<usize>, ResourceList)>, Refusal> {
    let evaluator = request.evaluator;
    // What was used before, when that was charged before.
    let before = match (request.operation, request.old) {
        (Operation::Update, None) => {
            return forbidden(
                "unable to get previous usage since prior version of object was not found".to_owned(),
            );
        }
        (Operation::Update, Some(old)) if !old.meta().resource_version.is_empty() => Some(old),
        _ => None,
    };
    let delta = before.map(|old| more(used, &evaluator.usage(old, request.now)));
    let charge = |index: &usize| {
        let old = before.zip(quotas.get(*index)).filter(|(old, quota)| {
            tracked(evaluator, quota).next().is_some()
                && scopes(quota).iter().all(|scope| evaluator.scope_matches(scope, *old))
        });
        let charge = delta.as_ref().filter(|_| old.is_some()).unwrap_or(used);
        (Some(*index), without_zeros(charge))
    };
    let charges: Vec<_> = if pertinent.is_empty() {
        vec![(None, without_zeros(delta.as_ref().unwrap_or(used)))]
    } else {
        pertinent.iter().map(charge).collect()
    };
    Ok(charges.into_iter().filter(|(_, charge)| !charge.is_empty()).collect())
}

/// What `new` is above `old`; what became less counts as nothing.
fn more(new: &ResourceList, old: &ResourceList) -> ResourceList {
    new.iter()
        .filter_map(|(name, quantity)| {
            let difference = match old.get(name) {
                Some(old) => quantity.sub(old).ok()?,
                None => quantity.clone(),
            };
            (difference.sign() == 1).then(|| (name.clone(), difference))
        })
        .collect()
}

fn without_zeros(list: &ResourceList) -> ResourceList {
    let kept = list.iter().filter(|(_, quantity)| !quantity.is_zero());
    kept.map(|(name, quantity)| (name.clone(), quantity.clone())).collect()
}

/// What the quota says is used with `charge` on top, unless that is more than it allows.
fn charged_to(
    quota: &ResourceQuota,
    mut charge: ResourceList,
    request: &Request<'_>,
) -> Result<ResourceList, Refusal> {
    let (hard, used) = (&quota.status.hard, &quota.status.used);
    charge.retain(|name, _| hard.contains_key(name));
    let mut after = used.clone();
    add(&mut after, &charge);
    if request.subresource != "status" {
        let exceeds = |name: &String| {
            after.get(name).zip(hard.get(name)).is_some_and(|(after, hard)| after.compare(hard).is_gt())
        };
        let exceeded: Vec<&String> = charge.keys().filter(|name| exceeds(name)).collect();
        if !exceeded.is_empty() {
            let shown = |list: &ResourceList| {
                let parts: Vec<String> =
                    exceeded.iter().filter_map(|name| Some(format!("{name}={}", list.get(*name)?))).collect();
                parts.join(",")
            };
            return forbidden(format!(
                "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                quota.metadata.name,
                shown(&charge),
                shown(used),
                shown(hard)
            ));
        }
    }
    Ok(after)
}
