//! Whether what a pod or a claim asks for is within minimum, maximum and ratio.

use api_types::core::v1::{LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod};
use machinery::Quantity;
use rules::core::v1::pod::resources::{Accounting, container_limits, container_requests};
use rules::core::v1::resource_list::ResourceList;

use super::{CLAIM, CONTAINER, POD};

/// Above this a number of thousandths does not fit into 64 bits.
const MAX_MILLI: i64 = i64::MAX / 1000;

/// What is wrong with the pod; empty when nothing is.
pub(super) fn of_pod(range: &LimitRange, pod: &Pod) -> Vec<String> {
    let mut errors = Vec::new();
    for item in &range.spec.limits {
        match item.type_.as_str() {
            CONTAINER => {
                for container in pod.spec.containers.iter().chain(&pod.spec.init_containers) {
                    let resources = &container.resources;
                    check(item, &resources.requests, &resources.limits, &mut errors);
                }
            }
            POD => check(item, &pod_requests(pod), &pod_limits(pod), &mut errors),
            _ => {}
        }
    }
    errors
}

/// What is wrong with the claim; empty when nothing is. Claims have requests only.
pub(super) fn of_claim(range: &LimitRange, claim: &PersistentVolumeClaim) -> Vec<String> {
    let requests = &claim.spec.resources.requests;
    let mut errors = Vec::new();
    for item in range.spec.limits.iter().filter(|item| item.type_ == CLAIM) {
        let (kind, none) = (item.type_.as_str(), ResourceList::new());
        errors.extend(item.min.iter().filter_map(|(name, bound)| below(kind, name, bound, requests, &none)));
        errors.extend(item.max.iter().filter_map(|(name, bound)| above_request(kind, name, bound, requests)));
    }
    errors
}

fn check(item: &LimitRangeItem, requests: &ResourceList, limits: &ResourceList, errors: &mut Vec<String>) {
    let kind = item.type_.as_str();
    errors.extend(item.min.iter().filter_map(|(name, bound)| below(kind, name, bound, requests, limits)));
    errors.extend(item.max.iter().filter_map(|(name, bound)| above(kind, name, bound, requests, limits)));
    let ratios = item.max_limit_request_ratio.iter();
    errors.extend(ratios.filter_map(|(name, bound)| apart(kind, name, bound, requests, limits)));
}

/// The sum of a pod; what the pod as a whole says of CPU and memory replaces what its containers say.
fn pod_requests(pod: &Pod) -> ResourceList {
    let stated = pod.spec.resources.as_deref().map(|resources| &resources.requests);
    with_pod_level(container_requests(pod, Accounting::default()), stated)
}

fn pod_limits(pod: &Pod) -> ResourceList {
    let stated = pod.spec.resources.as_deref().map(|resources| &resources.limits);
    with_pod_level(container_limits(pod, Accounting::default()), stated)
}

fn with_pod_level(mut sum: ResourceList, stated: Option<&ResourceList>) -> ResourceList {
    let replaced = stated.into_iter().flatten().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory"));
    sum.extend(replaced.map(|(name, quantity)| (name.clone(), quantity.clone())));
    sum
}

/// Request, limit and bound at one precision: thousandths where all of them fit, else units.
fn at_one_precision(request: Option<&Quantity>, limit: Option<&Quantity>, bound: &Quantity) -> [i64; 3] {
    let zero = Quantity::default();
    let all = [request.unwrap_or(&zero), limit.unwrap_or(&zero), bound];
    let units = all.map(Quantity::value);
    if units.iter().all(|value| *value <= MAX_MILLI) { all.map(Quantity::milli_value) } else { units }
}

fn below(
    kind: &str,
    name: &str,
    bound: &Quantity,
    requests: &ResourceList,
    limits: &ResourceList,
) -> Option<String> {
    let (request, limit) = (requests.get(name), limits.get(name));
    let [request_value, limit_value, bound_value] = at_one_precision(request, limit, bound);
    let rule = format!("minimum {name} usage per {kind} is {bound}");
    match (request, limit) {
        (None, _) => Some(format!("{rule}.  No request is specified")),
        (Some(request), _) if request_value < bound_value => {
            Some(format!("{rule}, but request is {request}"))
        }
        (_, Some(limit)) if limit_value < bound_value => Some(format!("{rule}, but limit is {limit}")),
        _ => None,
    }
}

fn above_request(kind: &str, name: &str, bound: &Quantity, requests: &ResourceList) -> Option<String> {
    let request = requests.get(name);
    let [value, _, bound_value] = at_one_precision(request, None, bound);
    let rule = format!("maximum {name} usage per {kind} is {bound}");
    match request {
        None => Some(format!("{rule}.  No request is specified")),
        Some(request) if value > bound_value => Some(format!("{rule}, but request is {request}")),
        _ => None,
    }
}

fn above(
    kind: &str,
    name: &str,
    bound: &Quantity,
    requests: &ResourceList,
    limits: &ResourceList,
) -> Option<String> {
    let (request, limit) = (requests.get(name), limits.get(name));
    let [request_value, limit_value, bound_value] = at_one_precision(request, limit, bound);
    let rule = format!("maximum {name} usage per {kind} is {bound}");
    match (request, limit) {
        (_, None) => Some(format!("{rule}.  No limit is specified")),
        (_, Some(limit)) if limit_value > bound_value => Some(format!("{rule}, but limit is {limit}")),
        (Some(request), _) if request_value > bound_value => {
            Some(format!("{rule}, but request is {request}"))
        }
        _ => None,
    }
}

fn apart(
    kind: &str,
    name: &str,
    bound: &Quantity,
    requests: &ResourceList,
    limits: &ResourceList,
) -> Option<String> {
    let (request, limit) = (requests.get(name), limits.get(name));
    let [request_value, limit_value, _] = at_one_precision(request, limit, bound);
    let rule = format!("{name} max limit to request ratio per {kind} is {bound}");
    if request.is_none() || request_value == 0 {
        return Some(format!("{rule}, but no request is specified or request is 0"));
    }
    if limit.is_none() || limit_value == 0 {
        return Some(format!("{rule}, but no limit is specified or limit is 0"));
    }
    let ratio = float(limit_value) / float(request_value);
    let bound_value = bound.value();
    let too_far = if bound_value <= MAX_MILLI {
        ratio * 1000.0 > float(bound.milli_value())
    } else {
        ratio > float(bound_value)
    };
    too_far.then(|| format!("{rule}, but provided ratio is {ratio:.6}"))
}

/// Ratios are compared as upstream compares them: in floating point.
#[allow(clippy::cast_precision_loss)]
fn float(value: i64) -> f64 {
    value as f64
}
