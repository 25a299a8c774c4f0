//! Validation of daemon sets.

use crate::{
    apps::v1::workload::validation as workload,
    core::v1::pod::validation::{self as pod, PodRules},
    meta,
    report::Report,
    selector,
};
use api_types::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy};
use machinery::{
    IntOrString, Message,
    field::{Error, ErrorList, Path},
    names,
};

/// Annotation that carries the deprecated count of template changes.
pub const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

fn validate_strategy(strategy: &DaemonSetUpdateStrategy, path: &Path, errors: &mut ErrorList) {
    match (strategy.type_.as_str(), &strategy.rolling_update) {
        ("OnDelete", _) => {}
        ("RollingUpdate", None) => errors.required(&path.child("rollingUpdate"), ""),
        ("RollingUpdate", Some(rolling)) => {
            let path = path.child("rollingUpdate");
            let zero = IntOrString::Int(0);
            let unavailable = rolling.max_unavailable.as_ref().unwrap_or(&zero);
            let surge = rolling.max_surge.as_ref().unwrap_or(&zero);
            for check in [workload::validate_count, workload::validate_at_most_all] {
                check(unavailable, &path.child("maxUnavailable"), errors);
                check(surge, &path.child("maxSurge"), errors);
            }
            match (workload::is_none(unavailable), workload::is_none(surge)) {
                (false, false) => errors.invalid(
                    &path.child("maxSurge"),
                    workload::shown_count(surge),
                    "may not be set when maxUnavailable is non-zero",
                ),
                (true, true) => {
                    errors.required(&path.child("maxUnavailable"), "cannot be 0 when maxSurge is 0")
                }
                _ => {}
            }
        }
        _ => errors.push(Error::not_supported(path, strategy.to_value(), ["RollingUpdate", "OnDelete"])),
    }
}

fn validate_spec(
    spec: &DaemonSetSpec,
    rules: &PodRules,
    allow_bad_values: bool,
    path: &Path,
    errors: &mut ErrorList,
) {
    let template_path = path.child("template");
    if let Some(given) = &spec.selector {
        errors.extend(meta::validate_label_selector(given, allow_bad_values, &path.child("selector")));
    }
    let given = spec.selector.as_deref();
    if workload::is_evaluable(given) && !selector::matches(given, &spec.template.metadata.labels) {
        let path = template_path.child("metadata").child("labels");
        errors.invalid(&path, &spec.template.metadata.labels, "`selector` does not match template `labels`");
    }
    if given.is_some_and(meta::is_empty_selector) {
        errors.invalid(
            &path.child("selector"),
            given.map(|selector| selector.to_value()),
            "empty selector is invalid for daemonset",
        );
    }
    pod::validate_template(&spec.template, &template_path, rules, errors);
    workload::validate_runs_forever(&spec.template, "DaemonSet", &template_path, errors);
    errors.non_negative(&path.child("minReadySeconds"), i64::from(spec.min_ready_seconds));
    validate_strategy(&spec.update_strategy, &path.child("updateStrategy"), errors);
    if let Some(limit) = spec.revision_history_limit {
        errors.non_negative(&path.child("revisionHistoryLimit"), i64::from(limit));
    }
}

/// A daemon set.
pub fn validate(daemon_set: &DaemonSet) -> ErrorList {
    let mut errors =
        meta::validate(&daemon_set.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec(&daemon_set.spec, &PodRules::for_template(), false, &Path::new("spec"), &mut errors);
    errors
}

/// A changed daemon set: its selector stays.
pub fn validate_update(new: &DaemonSet, old: &DaemonSet) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let shown = new.spec.selector.as_ref().map(|selector| selector.to_value());
    errors.unchanged(&Path::of(&["spec", "selector"]), &new.spec.selector, &old.spec.selector, shown);
    let rules = PodRules::for_template_update(Some(&old.spec.template.spec));
    let allow_bad_values =
        rules.bad_selector_values || meta::has_bad_selector_value(old.spec.selector.as_deref());
    validate_spec(&new.spec, &rules, allow_bad_values, &Path::new("spec"), &mut errors);
    errors
}

/// A changed status.
pub fn validate_status_update(new: &DaemonSet, old: &DaemonSet) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let path = Path::new("status");
    let status = &new.status;
    let counts = [
        ("currentNumberScheduled", i64::from(status.current_number_scheduled)),
        ("numberMisscheduled", i64::from(status.number_misscheduled)),
        ("desiredNumberScheduled", i64::from(status.desired_number_scheduled)),
        ("numberReady", i64::from(status.number_ready)),
        ("observedGeneration", status.observed_generation),
        ("updatedNumberScheduled", i64::from(status.updated_number_scheduled)),
        ("numberAvailable", i64::from(status.number_available)),
        ("numberUnavailable", i64::from(status.number_unavailable)),
        ("collisionCount", i64::from(status.collision_count.unwrap_or(0))),
    ];
    workload::validate_counts(&counts, &path, &mut errors);
    workload::validate_not_decremented(
        status.collision_count,
        old.status.collision_count,
        &path.child("collisionCount"),
        &mut errors,
    );
    errors
}
