//! Validation of a job's status. Rules about a part of it hold only when that part changed, so that a status that is
//! already wrong can still be written.

use super::{
    indexes,
    meaning::{condition_is, has_condition, is_complete, is_failed, is_finished, is_indexed, is_suspended},
};
use crate::{
    meta,
    report::{IMMUTABLE, Report},
};
use api_types::batch::v1::{Job, UncountedTerminatedPods};
use machinery::{
    Message, Time,
    field::{BadValue, ErrorList, Path},
};
use std::collections::BTreeSet;

/// Which parts of the status changed.
struct Changed {
    finished: bool,
    complete: bool,
    failed: bool,
    failure_target: bool,
    success_criteria: bool,
    completed_indexes: bool,
    failed_indexes: bool,
    active: bool,
    start: bool,
    completion: bool,
    uncounted: bool,
    ready: bool,
    terminating: bool,
}

impl Changed {
    fn between(new: &Job, old: &Job) -> Changed {
        let condition = |kind: &str| has_condition(new, kind) != has_condition(old, kind);
        let (now, before) = (&new.status, &old.status);
        Changed {
            finished: is_finished(new) != is_finished(old),
            complete: condition("Complete"),
            failed: condition("Failed"),
            failure_target: condition("FailureTarget"),
            success_criteria: condition("SuccessCriteriaMet"),
            completed_indexes: now.completed_indexes != before.completed_indexes,
            failed_indexes: now.failed_indexes != before.failed_indexes,
            active: now.active != before.active,
            start: now.start_time != before.start_time,
            completion: now.completion_time != before.completion_time,
            uncounted: now.uncounted_terminated_pods != before.uncounted_terminated_pods,
            ready: now.ready != before.ready,
            terminating: now.terminating != before.terminating,
        }
    }
}

fn shown(time: Option<Time>) -> Option<String> {
    time.map(|time| time.to_string())
}

fn validate_uncounted(pods: &UncountedTerminatedPods, path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (field, uids) in [("succeeded", &pods.succeeded), ("failed", &pods.failed)] {
        for (index, uid) in uids.iter().enumerate() {
            let path = path.child(field).index(index);
            if uid.is_empty() {
                errors.invalid(&path, "", "must not be empty");
            } else if !seen.insert(uid) {
                errors.duplicate(&path, uid);
            }
        }
    }
}

fn validate_conditions(new: &Job, changed: &Changed, path: &Path, errors: &mut ErrorList) {
    let path = path.child("conditions");
    let (complete, failed) = (is_complete(new), is_failed(new));
    let (target, criteria) = (has_condition(new, "FailureTarget"), has_condition(new, "SuccessCriteriaMet"));
    let rules = [
        (
            (changed.complete || changed.failed) && complete && failed,
            "cannot set Complete=True and Failed=true conditions",
        ),
        (
            (changed.complete || changed.failure_target) && complete && target,
            "cannot set Complete=True and FailureTarget=true conditions",
        ),
        (
            (changed.failed || changed.failed_indexes) && failed && !target,
            "cannot set Failed=True condition without the FailureTarget=true condition",
        ),
        (
            (changed.complete || changed.success_criteria) && complete && !criteria,
            "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
        ),
        (criteria && failed, "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
        (criteria && target, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"),
        (
            new.spec.success_policy.is_some() && !criteria && complete,
            "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True",
        ),
    ];
    for (_, why) in rules.iter().filter(|(broken, _)| *broken) {
        errors.invalid(&path, BadValue::Omitted, *why);
    }
}

fn validate_times(new: &Job, changed: &Changed, path: &Path, errors: &mut ErrorList) {
    let status = &new.status;
    let (start, completion) = (path.child("startTime"), path.child("completionTime"));
    if changed.complete || changed.completion {
        match status.completion_time {
            Some(_) if !is_complete(new) => {
                errors.invalid(
                    &completion,
                    shown(status.completion_time),
                    "cannot set completionTime when there is no Complete=True condition",
                );
            }
            None if is_complete(new) => {
                errors.required(&completion, "completionTime is required for Complete jobs")
            }
            _ => {}
        }
    }
    if let (Some(began), Some(ended)) = (status.start_time, status.completion_time)
        && (changed.start || changed.completion)
        && ended.seconds < began.seconds
    {
        errors.invalid(&completion, shown(status.completion_time), "must be equal to or after `startTime`");
    }
    let never_ran = is_suspended(&new.spec) && new.spec.completions == Some(0);
    if (changed.finished || changed.start) && !never_ran && is_finished(new) && status.start_time.is_none() {
        errors.required(&start, "startTime is required for finished job");
    }
}

fn validate_indexes(new: &Job, changed: &Changed, path: &Path, errors: &mut ErrorList) {
    let (status, spec) = (&new.status, &new.spec);
    let (completed_path, failed_path) = (path.child("completedIndexes"), path.child("failedIndexes"));
    let completed = &status.completed_indexes;
    if let Some(completions) = spec.completions {
        if changed.completed_indexes
            && let Err(error) = indexes::count(completed, completions)
        {
            errors.invalid(&completed_path, completed, format!("error parsing completedIndexes: {error}"));
        }
        if let Some(failed) = &status.failed_indexes
            && changed.failed_indexes
            && spec.backoff_limit_per_index.is_some()
            && let Err(error) = indexes::count(failed, completions)
        {
            errors.invalid(&failed_path, failed, format!("error parsing failedIndexes: {error}"));
        }
    }
    if changed.completed_indexes && !completed.is_empty() && !is_indexed(spec) {
        errors.invalid(
            &completed_path,
            completed,
            "cannot set non-empty completedIndexes when non-indexed completion mode",
        );
    }
    let Some(failed) = &status.failed_indexes else { return };
    if changed.failed_indexes && spec.backoff_limit_per_index.is_none() {
        errors.invalid(
            &failed_path,
            failed,
            "cannot set non-null failedIndexes when backoffLimitPerIndex is null",
        );
    }
    if let Some(completions) = spec.completions
        && (changed.failed_indexes || changed.completed_indexes)
        && let Some(index) = indexes::overlap(completed, failed, completions)
    {
        errors.invalid(
            &failed_path,
            failed,
            format!("failedIndexes and completedIndexes overlap at index: {index}"),
        );
    }
}

fn validate_counts(new: &Job, changed: &Changed, path: &Path, errors: &mut ErrorList) {
    let status = &new.status;
    let finished = is_finished(new);
    if (changed.finished || changed.active) && finished && status.active > 0 {
        errors.invalid(&path.child("active"), status.active, "active>0 is invalid for finished job");
    }
    if let Some(pods) = &status.uncounted_terminated_pods
        && (changed.finished || changed.uncounted)
        && finished
        && !(pods.failed.is_empty() && pods.succeeded.is_empty())
    {
        errors.invalid(
            &path.child("uncountedTerminatedPods"),
            pods.to_value(),
            "must be empty for finished job",
        );
    }
    if let Some(count) =
        status.terminating.filter(|count| *count > 0 && finished && (changed.finished || changed.terminating))
    {
        errors.invalid(&path.child("terminating"), count, "terminating>0 is invalid for finished job");
    }
    if let Some(ready) =
        status.ready.filter(|ready| *ready > status.active && (changed.ready || changed.active))
    {
        errors.invalid(&path.child("ready"), ready, "cannot set more ready pods than active");
    }
}

fn validate_transition(new: &Job, old: &Job, changed: &Changed, path: &Path, errors: &mut ErrorList) {
    let (now, before) = (&new.status, &old.status);
    let conditions = path.child("conditions");
    for kind in ["Failed", "Complete", "FailureTarget"] {
        if has_condition(old, kind) && !has_condition(new, kind) {
            errors.invalid(
                &conditions,
                BadValue::Omitted,
                format!("cannot disable the terminal {kind}=True condition"),
            );
        }
    }
    if now.failed < before.failed {
        errors.invalid(&path.child("failed"), now.failed, "cannot decrease the failed counter");
    }
    // Indexed jobs whose parallelism is their completions can shrink.
    let elastic = is_indexed(&new.spec) && new.spec.completions == new.spec.parallelism;
    if !elastic && now.succeeded < before.succeeded {
        errors.invalid(&path.child("succeeded"), now.succeeded, "cannot decrease the succeeded counter");
    }
    if now.completion_time.is_some() && before.completion_time.is_some() && changed.completion {
        errors.invalid(&path.child("completionTime"), shown(now.completion_time), IMMUTABLE);
    }
    let resumes = condition_is(&before.conditions, "Suspended", "True")
        && condition_is(&now.conditions, "Suspended", "False");
    if changed.start && !resumes && before.start_time.is_some() && !is_suspended(&new.spec) {
        errors.invalid(
            &path.child("startTime"),
            shown(now.start_time),
            "field is immutable for unsuspended job once set",
        );
    }
    let (met, was_met) = (has_condition(new, "SuccessCriteriaMet"), has_condition(old, "SuccessCriteriaMet"));
    if was_met && !met {
        errors.invalid(
            &conditions,
            BadValue::Omitted,
            "cannot disable the SuccessCriteriaMet=True condition",
        );
    }
    if is_complete(old) && !was_met && met {
        let why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
        errors.invalid(&conditions, BadValue::Omitted, why);
    }
}

/// A changed status.
pub fn validate_update(new: &Job, old: &Job) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let (status, path) = (&new.status, Path::new("status"));
    let counts = [
        ("active", Some(status.active)),
        ("succeeded", Some(status.succeeded)),
        ("failed", Some(status.failed)),
        ("ready", status.ready),
        ("terminating", status.terminating),
    ];
    for (field, value) in counts {
        errors.non_negative(&path.child(field), i64::from(value.unwrap_or(0)));
    }
    if let Some(pods) = &status.uncounted_terminated_pods {
        validate_uncounted(pods, &path.child("uncountedTerminatedPods"), &mut errors);
    }
    let changed = Changed::between(new, old);
    validate_conditions(new, &changed, &path, &mut errors);
    validate_times(new, &changed, &path, &mut errors);
    validate_counts(new, &changed, &path, &mut errors);
    validate_indexes(new, &changed, &path, &mut errors);
    validate_transition(new, old, &changed, &path, &mut errors);
    errors
}
