//! Validation of disruption budgets.

use crate::{apps::v1::workload::validation as workload, meta, report::Report};
use api_types::policy::v1::PodDisruptionBudget;
use machinery::{
    Message,
    field::{ErrorList, Path},
};

fn validate_with(budget: &PodDisruptionBudget, allow_bad_values: bool) -> ErrorList {
    let mut errors = ErrorList::new();
    let (spec, path) = (&budget.spec, Path::new("spec"));
    if spec.min_available.is_some() && spec.max_unavailable.is_some() {
        errors.invalid(&path, spec.to_value(), "minAvailable and maxUnavailable cannot be both set");
    }
    for (field, value) in [("minAvailable", &spec.min_available), ("maxUnavailable", &spec.max_unavailable)] {
        if let Some(value) = value {
            workload::validate_count(value, &path.child(field), &mut errors);
            workload::validate_at_most_all(value, &path.child(field), &mut errors);
        }
    }
    if let Some(selector) = &spec.selector {
        errors.extend(meta::validate_label_selector(selector, allow_bad_values, &path.child("selector")));
    }
    if let Some(policy) = &spec.unhealthy_pod_eviction_policy
        && !matches!(policy.as_str(), "IfHealthyBudget" | "AlwaysAllow")
    {
        errors.not_supported(
            &path.child("unhealthyPodEvictionPolicy"),
            policy,
            &["AlwaysAllow", "IfHealthyBudget"],
        );
    }
    errors
}

/// A budget.
pub fn validate(budget: &PodDisruptionBudget) -> ErrorList {
    validate_with(budget, false)
}

/// A changed budget.
pub fn validate_update(new: &PodDisruptionBudget, old: &PodDisruptionBudget) -> ErrorList {
    validate_with(new, meta::has_bad_selector_value(old.spec.selector.as_deref()))
}

/// A changed status.
pub fn validate_status_update(new: &PodDisruptionBudget, _old: &PodDisruptionBudget) -> ErrorList {
    let (status, path) = (&new.status, Path::new("status"));
    let mut errors = meta::validate_conditions(&status.conditions, &path.child("conditions"));
    let counts = [
        ("disruptionsAllowed", i64::from(status.disruptions_allowed)),
        ("currentHealthy", i64::from(status.current_healthy)),
        ("desiredHealthy", i64::from(status.desired_healthy)),
        ("expectedPods", i64::from(status.expected_pods)),
    ];
    workload::validate_counts(&counts, &path, &mut errors);
    errors
}
