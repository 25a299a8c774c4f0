//! Validation of the policies by which a job fails or succeeds early.

use super::indexes;
use crate::report::Report;
use api_types::batch::v1::{
    JobSpec, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule, SuccessPolicyRule,
};
use machinery::{
    field::{BadValue, Error, ErrorList, Path},
    names,
};
use std::collections::BTreeSet;

const MOST_RULES: usize = 20;
const MOST_EXIT_CODES: usize = 255;
const MOST_CONDITIONS: usize = 20;
const MOST_INDEXES_TEXT: usize = 64 * 1024;
const ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: &[&str] = &["In", "NotIn"];
const STATUSES: &[&str] = &["False", "True", "Unknown"];

fn choice(value: &str, accepted: &[&str], path: &Path, errors: &mut ErrorList) {
    if value.is_empty() {
        let list = accepted.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" ");
        errors.required(path, format!("valid values: [{list}]"));
    } else if !accepted.contains(&value) {
        errors.not_supported(path, value, accepted);
    }
}

fn validate_exit_codes(
    codes: &PodFailurePolicyOnExitCodesRequirement,
    containers: &BTreeSet<&str>,
    path: &Path,
    errors: &mut ErrorList,
) {
    choice(&codes.operator, OPERATORS, &path.child("operator"), errors);
    if let Some(name) = codes.container_name.as_deref().filter(|name| !containers.contains(name)) {
        let why = "must be one of the container or initContainer names in the pod template";
        errors.invalid(&path.child("containerName"), name, why);
    }
    let path = path.child("values");
    let shown = || BadValue::Json(codes.values.clone().into());
    if codes.values.is_empty() {
        errors.invalid(&path, shown(), "at least one value is required");
    } else if codes.values.len() > MOST_EXIT_CODES {
        errors.push(Error::too_many(&path, Some(codes.values.len()), MOST_EXIT_CODES));
    }
    let mut seen = BTreeSet::new();
    for (index, code) in codes.values.iter().enumerate() {
        if codes.operator == "In" && *code == 0 {
            errors.invalid(&path.index(index), *code, "must not be 0 for the In operator");
        }
        if !seen.insert(code) {
            errors.duplicate(&path.index(index), *code);
        }
    }
    if !codes.values.is_sorted() {
        errors.invalid(&path, shown(), "must be ordered");
    }
}

fn validate_conditions(
    patterns: &[PodFailurePolicyOnPodConditionsPattern],
    path: &Path,
    errors: &mut ErrorList,
) {
    if patterns.len() > MOST_CONDITIONS {
        errors.push(Error::too_many(path, Some(patterns.len()), MOST_CONDITIONS));
    }
    for (index, pattern) in patterns.iter().enumerate() {
        let path = path.index(index);
        errors.invalid_each(&path.child("type"), &pattern.type_, names::is_qualified_name(&pattern.type_));
        choice(&pattern.status, STATUSES, &path.child("status"), errors);
    }
}

fn validate_failure_rule(
    rule: &PodFailurePolicyRule,
    spec: &JobSpec,
    containers: &BTreeSet<&str>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let action = path.child("action");
    if rule.action == "FailIndex" {
        if spec.backoff_limit_per_index.is_none() {
            errors.invalid(&action, &rule.action, "requires the backoffLimitPerIndex to be set");
        }
    } else {
        choice(&rule.action, ACTIONS, &action, errors);
    }
    if let Some(codes) = &rule.on_exit_codes {
        validate_exit_codes(codes, containers, &path.child("onExitCodes"), errors);
    }
    validate_conditions(&rule.on_pod_conditions, &path.child("onPodConditions"), errors);
    match (rule.on_exit_codes.is_some(), !rule.on_pod_conditions.is_empty()) {
        (true, true) => errors.invalid(
            path,
            BadValue::Omitted,
            "specifying both OnExitCodes and OnPodConditions is not supported",
        ),
        (false, false) => errors.invalid(
            path,
            BadValue::Omitted,
            "specifying one of OnExitCodes and OnPodConditions is required",
        ),
        _ => {}
    }
}

/// Which failures of pods count.
pub fn validate_failure(spec: &JobSpec, path: &Path, errors: &mut ErrorList) {
    let Some(policy) = &spec.pod_failure_policy else { return };
    let path = path.child("rules");
    if policy.rules.len() > MOST_RULES {
        errors.push(Error::too_many(&path, Some(policy.rules.len()), MOST_RULES));
    }
    let pod = &spec.template.spec;
    let containers =
        pod.containers.iter().chain(&pod.init_containers).map(|container| container.name.as_str()).collect();
    for (index, rule) in policy.rules.iter().enumerate() {
        validate_failure_rule(rule, spec, &containers, &path.index(index), errors);
    }
}

fn validate_success_rule(rule: &SuccessPolicyRule, completions: i32, path: &Path, errors: &mut ErrorList) {
    if rule.succeeded_count.is_none() && rule.succeeded_indexes.is_none() {
        errors.required(path, "at least one of succeededCount or succeededIndexes must be specified");
    }
    let mut total = 0;
    if let Some(text) = &rule.succeeded_indexes {
        let path = path.child("succeededIndexes");
        if text.len() > MOST_INDEXES_TEXT {
            errors.too_long(&path, MOST_INDEXES_TEXT);
        }
        match indexes::count(text, completions) {
            Ok(count) => total = count,
            Err(error) => errors.invalid(&path, text, format!("error parsing succeededIndexes: {error}")),
        }
    }
    if let Some(count) = rule.succeeded_count {
        let path = path.child("succeededCount");
        errors.non_negative(&path, i64::from(count));
        if count > completions {
            let why =
                format!("must be less than or equal to {completions} (the number of specified completions)");
            errors.invalid(&path, count, why);
        }
        if rule.succeeded_indexes.is_some() && i64::from(count) > total {
            let why = format!(
                "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            );
            errors.invalid(&path, count, why);
        }
    }
}

/// Which indexes are enough.
pub fn validate_success(spec: &JobSpec, path: &Path, errors: &mut ErrorList) {
    let Some(policy) = &spec.success_policy else { return };
    let path = path.child("rules");
    if policy.rules.is_empty() {
        errors.required(&path, "at least one rules must be specified when the successPolicy is specified");
    }
    if policy.rules.len() > MOST_RULES {
        errors.push(Error::too_many(&path, Some(policy.rules.len()), MOST_RULES));
    }
    for (index, rule) in policy.rules.iter().enumerate() {
        validate_success_rule(rule, spec.completions.unwrap_or(0), &path.index(index), errors);
    }
}
