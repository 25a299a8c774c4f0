//! Decides what the status of a quota says.

use api_types::core::v1::{ResourceQuota, ResourceQuotaStatus};
use jiff::Timestamp;
use machinery::Quantity;
use rules::core::v1::resource_list::{ResourceList, add};
use rules::core::v1::resource_quota::usage::{
    of_claim, of_pod, of_service, scopes, scopes_match_claim, scopes_match_pod,
};
use runtime::{Action, Plan};

use super::counts::is_counted;
use super::gather::Inputs;

pub(super) fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
    let quota = inputs.quota.as_ref();
    let status = ResourceQuotaStatus { hard: quota.spec.hard.clone(), used: used(inputs, now) };
    let plan = if same(&status, &quota.status) {
        Plan::nothing()
    } else {
        let written = ResourceQuota { status, ..quota.clone() };
        Plan::of(vec![Action::replace_status(written)])
    };
    plan.requeue_after(inputs.period)
}

/// What is used of each name the quota limits. A name whose count is not known yet keeps what was said of
/// it before.
fn used(inputs: &Inputs, now: Timestamp) -> ResourceList {
    let quota = inputs.quota.as_ref();
    let mut total = ResourceList::new();
    for pod in inputs.pods.iter().filter(|pod| scopes_match_pod(quota, pod)) {
        add(&mut total, &of_pod(pod, now));
    }
    for claim in inputs.claims.iter().filter(|claim| scopes_match_claim(quota, claim)) {
        add(&mut total, &of_claim(claim));
    }
    // Nothing else has a scope: a quota with scopes does not count it.
    if scopes(quota).is_empty() {
        for service in &inputs.services {
            add(&mut total, &of_service(service));
        }
        for (name, count) in &inputs.counts {
            total.insert(name.clone(), Quantity(count.to_string()));
        }
    }
    let names = quota.spec.hard.keys();
    names
        .filter_map(|name| {
            let known = total.remove(name);
            let unknown = is_counted(name) && !inputs.counts.contains_key(name);
            let used = match known {
                Some(used) => used,
                None if unknown => quota.status.used.get(name)?.clone(),
                None => Quantity("0".to_owned()),
            };
            Some((name.clone(), used))
        })
        .collect()
}

/// Quantities are compared by amount: `1` and `1000m` are the same.
fn same(left: &ResourceQuotaStatus, right: &ResourceQuotaStatus) -> bool {
    let equal = |left: &ResourceList, right: &ResourceList| {
        left.len() == right.len()
            && left
                .iter()
                .all(|(name, quantity)| right.get(name).is_some_and(|other| quantity.compare(other).is_eq()))
    };
    equal(&left.hard, &right.hard) && equal(&left.used, &right.used)
}
