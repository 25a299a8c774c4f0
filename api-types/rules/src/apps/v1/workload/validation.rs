//! Rules that the workloads of this group share: selectors that fit their template, counts and percentages.

use crate::{
    core::v1::pod::validation::{self as pod, PodRules},
    meta,
    report::Report,
    selector,
};
use api_types::core::v1::PodTemplateSpec;
use machinery::{
    IntOrString, Message,
    field::{BadValue, ErrorList, Path},
    meta::v1::LabelSelector,
    names,
};

fn shown(value: &IntOrString) -> BadValue {
    match value {
        IntOrString::Int(number) => (*number).into(),
        IntOrString::String(text) => text.into(),
    }
}

/// A count or a percentage, neither negative.
pub fn validate_count(value: &IntOrString, path: &Path, errors: &mut ErrorList) {
    match value {
        IntOrString::Int(number) => errors.non_negative(path, i64::from(*number)),
        IntOrString::String(text) => errors.invalid_each(path, text, names::is_percent(text)),
    }
}

fn percent(value: &IntOrString) -> Option<i64> {
    match value {
        IntOrString::String(text) if names::is_percent(text).is_empty() => {
            text.trim_end_matches('%').parse().ok()
        }
        _ => None,
    }
}

/// No more than all of them.
pub fn validate_at_most_all(value: &IntOrString, path: &Path, errors: &mut ErrorList) {
    if percent(value).is_some_and(|percent| percent > 100) {
        errors.invalid(path, shown(value), "must not be greater than 100%");
    }
}

/// True for `0`, `0%` and values that are neither.
pub fn is_none(value: &IntOrString) -> bool {
    match value {
        IntOrString::Int(number) => *number == 0,
        text => percent(text).unwrap_or(0) == 0,
    }
}

/// The value as messages show it.
pub fn shown_count(value: &IntOrString) -> BadValue {
    shown(value)
}

/// A selector that must be there, be well-formed and select something. `kind` names the workload in the message.
pub fn validate_selector(selector: Option<&LabelSelector>, kind: &str, path: &Path, errors: &mut ErrorList) {
    let Some(selector) = selector else {
        errors.required(path, "");
        return;
    };
    errors.extend(meta::validate_label_selector(selector, false, path));
    if meta::is_empty_selector(selector) {
        errors.invalid(path, selector.to_value(), format!("empty selector is invalid for {kind}"));
    }
}

/// True when the selector can be evaluated; unknown operators and wrong numbers of values cannot.
pub fn is_evaluable(selector: Option<&LabelSelector>) -> bool {
    selector.is_none_or(|selector| {
        selector.match_expressions.iter().all(|requirement| {
            let count = requirement.values.len();
            match requirement.operator.as_str() {
                "In" | "NotIn" => count > 0,
                "Exists" | "DoesNotExist" => count == 0,
                _ => false,
            }
        })
    })
}

/// Labels of the template that its workload would not find again.
pub fn validate_labels_selected(
    selector: Option<&LabelSelector>,
    template: &PodTemplateSpec,
    path: &Path,
    errors: &mut ErrorList,
) {
    let selects_something = selector.is_some_and(|selector| !meta::is_empty_selector(selector));
    if selects_something && !selector::matches(selector, &template.metadata.labels) {
        errors.invalid(
            &path.child("metadata").child("labels"),
            &template.metadata.labels,
            "`selector` does not match template `labels`",
        );
    }
}

/// Pods of a workload run for ever. `kind` names the workload in the message.
pub fn validate_runs_forever(template: &PodTemplateSpec, kind: &str, path: &Path, errors: &mut ErrorList) {
    let path = path.child("spec");
    if template.spec.restart_policy != "Always" {
        errors.not_supported_in_order(
            &path.child("restartPolicy"),
            &template.spec.restart_policy,
            &["Always"],
        );
    }
    if template.spec.active_deadline_seconds.is_some() {
        errors.forbidden(
            &path.child("activeDeadlineSeconds"),
            format!("activeDeadlineSeconds in {kind} is not Supported"),
        );
    }
}

/// The template of a deployment or replica set.
pub fn validate_replicated_template(
    selector: Option<&LabelSelector>,
    template: &PodTemplateSpec,
    rules: &PodRules,
    path: &Path,
    errors: &mut ErrorList,
) {
    validate_labels_selected(selector, template, path, errors);
    pod::validate_template(template, path, rules, errors);
    validate_runs_forever(template, "ReplicaSet", path, errors);
}

/// A count that only grows.
pub fn validate_not_decremented(new: Option<i32>, old: Option<i32>, path: &Path, errors: &mut ErrorList) {
    if let Some(old) = old
        && new.is_none_or(|new| new < old)
    {
        errors.invalid(path, new.unwrap_or(0), "cannot be decremented");
    }
}

/// Counts of a status that none may be negative.
pub fn validate_counts(counts: &[(&'static str, i64)], path: &Path, errors: &mut ErrorList) {
    for (field, count) in counts {
        errors.non_negative(&path.child(*field), *count);
    }
}

/// Counts of a status that none may exceed `limit`.
pub fn validate_within(
    counts: &[(&'static str, i32)],
    limit: i32,
    message: &str,
    path: &Path,
    errors: &mut ErrorList,
) {
    for (field, count) in counts {
        if *count > limit {
            errors.invalid(&path.child(*field), *count, message);
        }
    }
}
