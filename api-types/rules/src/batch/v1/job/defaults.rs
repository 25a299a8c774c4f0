//! Defaults of jobs.

use crate::core::v1::pod;
use api_types::batch::v1::{Job, JobSpec};

/// Defaults of a job.
pub fn set(job: &mut Job) {
    let spec = &mut job.spec;
    if spec.completions.is_none() && spec.parallelism.is_none() {
        spec.completions = Some(1);
    }
    spec.parallelism.get_or_insert(1);
    // With a limit per index the indexes alone decide when the job fails.
    let backoff = if spec.backoff_limit_per_index.is_some() { i32::MAX } else { 6 };
    spec.backoff_limit.get_or_insert(backoff);
    if job.metadata.labels.is_empty() {
        job.metadata.labels = spec.template.metadata.labels.clone();
    }
    spec.completion_mode.get_or_insert_with(|| "NonIndexed".to_owned());
    spec.suspend.get_or_insert(false);
    let replacement = if spec.pod_failure_policy.is_some() { "Failed" } else { "TerminatingOrFailed" };
    spec.pod_replacement_policy.get_or_insert_with(|| replacement.to_owned());
    spec.manual_selector.get_or_insert(false);
    set_nested(spec);
}

/// Defaults of a job spec inside a cron job, where the job itself is defaulted later.
pub fn set_nested(spec: &mut JobSpec) {
    for rule in spec.pod_failure_policy.iter_mut().flat_map(|policy| &mut policy.rules) {
        for pattern in &mut rule.on_pod_conditions {
            if pattern.status.is_empty() {
                pattern.status = "True".to_owned();
            }
        }
    }
    pod::defaults::set_template(&mut spec.template);
}
