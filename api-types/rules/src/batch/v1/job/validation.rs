//! Validation of jobs.
//!
//! Source: `pkg/apis/batch/validation/validation.go`.

use super::{
    meaning::{
        CONTROLLER_UID, JOB_NAME, LEGACY_CONTROLLER_UID, LEGACY_JOB_NAME, has_condition, is_indexed,
        is_suspended,
    },
    policies,
};
use crate::{
    apps::v1::workload::validation::is_evaluable,
    core::v1::pod::validation::{self as pod, PodRules},
    meta,
    report::Report,
    selector,
};
use api_types::{
    batch::v1::{Job, JobSpec},
    core::v1::PodTemplateSpec,
};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};
use std::collections::BTreeMap;

const MOST_PARALLEL_INDEXES: i32 = 100_000;
const MOST_FAILED_INDEXES: i32 = 100_000;
const MANY_COMPLETIONS: i32 = 100_000;
const MOST_PARALLEL_WITH_MANY: i32 = 10_000;
const MOST_FAILED_WITH_MANY: i32 = 10_000;
const MANAGED_BY_SIZE: usize = 63;

fn validate_managed_by(name: &str, path: &Path, errors: &mut ErrorList) {
    meta::validate_domain_prefixed_path(name, path, errors);
    if name.len() > MANAGED_BY_SIZE {
        errors.too_long(path, MANAGED_BY_SIZE);
    }
}

fn at_most(value: i32, limit: i32, why: String, path: &Path, errors: &mut ErrorList) {
    if value > limit {
        errors.invalid(path, value, why);
    }
}

fn validate_indexed(spec: &JobSpec, path: &Path, errors: &mut ErrorList) {
    let (parallel, failed) = (path.child("parallelism"), path.child("maxFailedIndexes"));
    if spec.completions.is_none() {
        errors.required(&path.child("completions"), "when completion mode is Indexed");
    }
    if let Some(count) = spec.parallelism {
        let why =
            format!("must be less than or equal to {MOST_PARALLEL_INDEXES} when completion mode is Indexed");
        at_most(count, MOST_PARALLEL_INDEXES, why, &parallel, errors);
    }
    if let (Some(completions), Some(most)) = (spec.completions, spec.max_failed_indexes) {
        at_most(most, completions, "must be less than or equal to completions".to_owned(), &failed, errors);
    }
    if let Some(most) = spec.max_failed_indexes {
        at_most(
            most,
            MOST_FAILED_INDEXES,
            format!("must be less than or equal to {MOST_FAILED_INDEXES}"),
            &failed,
            errors,
        );
    }
    let many = spec.completions.is_some_and(|completions| completions > MANY_COMPLETIONS);
    if !many || spec.backoff_limit_per_index.is_none() {
        return;
    }
    let why = |limit: i32| {
        format!(
            "must be less than or equal to {limit} when completions are above {MANY_COMPLETIONS} and used with backoff limit per index"
        )
    };
    if spec.max_failed_indexes.is_none() {
        errors.required(&failed, format!("must be specified when completions is above {MANY_COMPLETIONS}"));
    }
    at_most(
        spec.parallelism.unwrap_or(0),
        MOST_PARALLEL_WITH_MANY,
        why(MOST_PARALLEL_WITH_MANY),
        &parallel,
        errors,
    );
    at_most(
        spec.max_failed_indexes.unwrap_or(0),
        MOST_FAILED_WITH_MANY,
        why(MOST_FAILED_WITH_MANY),
        &failed,
        errors,
    );
}

fn validate_mode(spec: &JobSpec, path: &Path, errors: &mut ErrorList) {
    match spec.completion_mode.as_deref() {
        None | Some("NonIndexed") => {
            for (field, value) in [
                ("backoffLimitPerIndex", spec.backoff_limit_per_index),
                ("maxFailedIndexes", spec.max_failed_indexes),
            ] {
                if let Some(value) = value {
                    errors.invalid(&path.child(field), value, "requires indexed completion mode");
                }
            }
        }
        Some("Indexed") => validate_indexed(spec, path, errors),
        Some(other) => {
            errors.not_supported_in_order(&path.child("completionMode"), other, &["NonIndexed", "Indexed"])
        }
    }
}

fn validate_restart_policy(spec: &JobSpec, path: &Path, errors: &mut ErrorList) {
    let path = path.child("template").child("spec").child("restartPolicy");
    match spec.template.spec.restart_policy.as_str() {
        "" | "Always" => errors.required(&path, "valid values: \"OnFailure\", \"Never\""),
        policy @ ("OnFailure" | "Never") => {
            if spec.pod_failure_policy.is_some() && policy != "Never" {
                errors.invalid(
                    &path,
                    policy,
                    "only \"Never\" is supported when podFailurePolicy is specified",
                );
            }
        }
        other => errors.not_supported_in_order(&path, other, &["OnFailure", "Never"]),
    }
}

/// A job spec as far as jobs and cron jobs share it.
pub fn validate_shared_spec(spec: &JobSpec, path: &Path, rules: &PodRules, errors: &mut ErrorList) {
    let counts = [
        ("parallelism", spec.parallelism.map(i64::from)),
        ("completions", spec.completions.map(i64::from)),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit.map(i64::from)),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished.map(i64::from)),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index.map(i64::from)),
        ("maxFailedIndexes", spec.max_failed_indexes.map(i64::from)),
    ];
    for (field, value) in counts.iter().filter_map(|(field, value)| value.map(|value| (*field, value))) {
        errors.non_negative(&path.child(field), value);
    }
    if spec.max_failed_indexes.is_some() && spec.backoff_limit_per_index.is_none() {
        errors.required(&path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if let Some(name) = &spec.managed_by {
        validate_managed_by(name, &path.child("managedBy"), errors);
    }
    validate_mode(spec, path, errors);
    policies::validate_failure(spec, &path.child("podFailurePolicy"), errors);
    if let Some(policy) = &spec.success_policy {
        let path = path.child("successPolicy");
        if is_indexed(spec) {
            policies::validate_success(spec, &path, errors);
        } else {
            errors.invalid(&path, policy.to_value(), "requires indexed completion mode");
        }
    }
    if let Some(policy) = spec.pod_replacement_policy.as_deref() {
        let accepted: &[&str] =
            if spec.pod_failure_policy.is_some() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
        if !accepted.contains(&policy) {
            errors.not_supported(&path.child("podReplacementPolicy"), policy, accepted);
        }
    }
    pod::validate_template(&spec.template, &path.child("template"), rules, errors);
    validate_restart_policy(spec, path, errors);
}

fn validate_spec(
    spec: &JobSpec,
    path: &Path,
    rules: &PodRules,
    allow_bad_values: bool,
    errors: &mut ErrorList,
) {
    validate_shared_spec(spec, path, rules, errors);
    match &spec.selector {
        None => errors.required(&path.child("selector"), ""),
        Some(given) => {
            errors.extend(meta::validate_label_selector(given, allow_bad_values, &path.child("selector")))
        }
    }
    let labels = &spec.template.metadata.labels;
    if is_evaluable(spec.selector.as_deref()) && !selector::matches(spec.selector.as_deref(), labels) {
        let path = path.child("template").child("metadata").child("labels");
        errors.invalid(&path, labels, "`selector` does not match template `labels`");
    }
}

fn validate_label(labels: &BTreeMap<String, String>, key: &str, expected: &str, errors: &mut ErrorList) {
    let path = Path::of(&["spec", "template", "metadata", "labels"]);
    match labels.get(key) {
        None => errors.required(&path.key(key), format!("must be '{expected}'")),
        Some(value) if value != expected => {
            errors.invalid(&path.key(key), labels, format!("must be '{expected}'"))
        }
        Some(_) => {}
    }
}

fn validate_generated_selector(job: &Job, prefixed: bool, errors: &mut ErrorList) {
    let Some(given) = job.spec.selector.as_deref().filter(|_| !job.spec.manual_selector.unwrap_or(false))
    else {
        return;
    };
    let (name, uid) = (&job.metadata.name, &job.metadata.uid);
    if uid.is_empty() {
        errors.required(&Path::of(&["metadata", "uid"]), "");
    }
    let mut expected = vec![(LEGACY_CONTROLLER_UID, uid), (LEGACY_JOB_NAME, name)];
    if prefixed {
        expected.extend([(CONTROLLER_UID, uid), (JOB_NAME, name)]);
    }
    for (key, value) in &expected {
        validate_label(&job.spec.template.metadata.labels, key, value, errors);
    }
    let labels = expected.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    if is_evaluable(Some(given)) && !selector::matches(Some(given), &labels) {
        errors.invalid(&Path::of(&["spec", "selector"]), given.to_value(), "`selector` not auto-generated");
    }
}

fn validate_with(job: &Job, rules: &PodRules, prefixed: bool, allow_bad_values: bool) -> ErrorList {
    let mut errors =
        meta::validate(&job.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_generated_selector(job, prefixed, &mut errors);
    validate_spec(&job.spec, &Path::new("spec"), rules, allow_bad_values, &mut errors);
    if let Some(completions) = job.spec.completions.filter(|count| *count > 0 && is_indexed(&job.spec)) {
        let name = &job.metadata.name;
        let longest = format!("{name}-{}", completions - 1);
        if !names::is_dns1123_label(&longest).is_empty() {
            let why = format!("will not able to create pod with invalid DNS label: {longest}");
            errors.invalid(&Path::of(&["metadata", "name"]), name, why);
        }
    }
    errors
}

/// A new job, its selector generated.
pub fn validate(job: &Job) -> ErrorList {
    validate_with(job, &PodRules::for_template(), true, false)
}

fn validate_completions(new: &JobSpec, old: &JobSpec, errors: &mut ErrorList) {
    let path = Path::of(&["spec", "completions"]);
    if !is_indexed(new) {
        return errors.unchanged(&path, &new.completions, &old.completions, new.completions);
    }
    if let Some(completions) = new.completions
        && new.completions != old.completions
        && new.completions != new.parallelism
    {
        errors.invalid(&path, completions, "can only be modified in tandem with spec.parallelism");
    }
}

/// Takes over from the new template what may change while the job waits: where its pods may run.
fn allow_scheduling(old: &mut PodTemplateSpec, new: &PodTemplateSpec) {
    let affinity = new.spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.clone());
    match (&new.spec.affinity, &mut old.spec.affinity) {
        (None, Some(before)) => {
            before.node_affinity = None;
            if **before == Default::default() {
                old.spec.affinity = None;
            }
        }
        (Some(_), before) => before.get_or_insert_default().node_affinity = affinity,
        (None, None) => {}
    }
    old.spec.node_selector.clone_from(&new.spec.node_selector);
    old.spec.tolerations.clone_from(&new.spec.tolerations);
    old.spec.scheduling_gates.clone_from(&new.spec.scheduling_gates);
    old.metadata.annotations.clone_from(&new.metadata.annotations);
    old.metadata.labels.clone_from(&new.metadata.labels);
}

/// Takes over the resources of containers that keep their name and place.
fn allow_resources(old: &mut PodTemplateSpec, new: &PodTemplateSpec) {
    let (before, now) = (&mut old.spec, &new.spec);
    for (before, now) in
        [(&mut before.containers, &now.containers), (&mut before.init_containers, &now.init_containers)]
    {
        if before.len() == now.len() {
            for (before, now) in before.iter_mut().zip(now).filter(|(before, now)| before.name == now.name) {
                before.resources = now.resources.clone();
            }
        }
    }
}

fn validate_template_update(new: &Job, old: &Job, errors: &mut ErrorList) {
    let path = Path::of(&["spec", "template"]);
    let suspended = is_suspended(&old.spec);
    let waits = old.status.start_time.is_none() || has_condition(old, "Suspended");
    let (now, mut before) = (&new.spec.template, old.spec.template.clone());
    if suspended && waits && old.status.active == 0 {
        allow_scheduling(&mut before, now);
        allow_resources(&mut before, now);
        errors.unchanged(&Path::of(&["spec", "template.spec"]), &now.spec, &before.spec, now.spec.to_value());
    } else {
        errors.unchanged(&path, now, &before, now.to_value());
    }
}

/// A changed job.
pub fn validate_update(new: &Job, old: &Job) -> ErrorList {
    let rules = PodRules::for_template_update(Some(&old.spec.template.spec));
    let labels = &old.spec.template.metadata.labels;
    let prefixed = labels.contains_key(JOB_NAME) && labels.contains_key(CONTROLLER_UID);
    let allow_bad_values =
        rules.bad_selector_values || meta::has_bad_selector_value(old.spec.selector.as_deref());
    let mut errors = validate_with(new, &rules, prefixed, allow_bad_values);
    errors.extend(meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata")));
    let (now, before, path) = (&new.spec, &old.spec, Path::new("spec"));
    validate_spec(now, &path, &rules, allow_bad_values, &mut errors);
    validate_completions(now, before, &mut errors);
    let shown = now.selector.as_ref().map(|selector| selector.to_value());
    errors.unchanged(&path.child("selector"), &now.selector, &before.selector, shown);
    validate_template_update(new, old, &mut errors);
    errors.unchanged(
        &path.child("completionMode"),
        &now.completion_mode,
        &before.completion_mode,
        now.completion_mode.clone(),
    );
    let shown = now.pod_failure_policy.as_ref().map(|policy| policy.to_value());
    errors.unchanged(
        &path.child("podFailurePolicy"),
        &now.pod_failure_policy,
        &before.pod_failure_policy,
        shown,
    );
    let limit = now.backoff_limit_per_index;
    errors.unchanged(&path.child("backoffLimitPerIndex"), &limit, &before.backoff_limit_per_index, limit);
    errors.unchanged(&path.child("managedBy"), &now.managed_by, &before.managed_by, now.managed_by.clone());
    let shown = now.success_policy.as_ref().map(|policy| policy.to_value());
    errors.unchanged(&path.child("successPolicy"), &now.success_policy, &before.success_policy, shown);
    errors
}

/// What a client should know about a job spec that is accepted.
pub fn warnings(path: &Path, spec: &JobSpec) -> Vec<String> {
    let mut warnings = Vec::new();
    let many = spec.completions.unwrap_or(0) > MANY_COMPLETIONS
        && spec.parallelism.unwrap_or(0) > MOST_PARALLEL_WITH_MANY;
    if is_indexed(spec) && many {
        warnings.push(format!("{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"));
    }
    warnings.extend(crate::core::v1::pod::warnings::of_template(&path.child("template"), &spec.template));
    warnings
}
