//! What the fields of a job mean.

use api_types::batch::v1::{Job, JobCondition, JobSpec};

/// Label with the name of the job, on its pods.
pub const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// Label with the uid of the job, on its pods.
pub const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
/// Older name of [`JOB_NAME`].
pub const LEGACY_JOB_NAME: &str = "job-name";
/// Older name of [`CONTROLLER_UID`].
pub const LEGACY_CONTROLLER_UID: &str = "controller-uid";

/// True when the condition stands at `status`.
pub fn condition_is(conditions: &[JobCondition], kind: &str, status: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == kind && condition.status == status)
}

/// True when the condition stands at `True`.
pub fn has_condition(job: &Job, kind: &str) -> bool {
    condition_is(&job.status.conditions, kind, "True")
}

/// True for jobs that ended well.
pub fn is_complete(job: &Job) -> bool {
    has_condition(job, "Complete")
}

/// True for jobs that ended badly.
pub fn is_failed(job: &Job) -> bool {
    has_condition(job, "Failed")
}

/// True for jobs that ended.
pub fn is_finished(job: &Job) -> bool {
    is_complete(job) || is_failed(job)
}

/// True when each pod has an index of its own.
pub fn is_indexed(spec: &JobSpec) -> bool {
    spec.completion_mode.as_deref() == Some("Indexed")
}

/// True when no pods should run for now.
pub fn is_suspended(spec: &JobSpec) -> bool {
    spec.suspend.unwrap_or(false)
}

/// Gives a new job a selector of its own and its template the labels for it, unless its author took care of that.
pub fn generate_selector(job: &mut Job) {
    if job.spec.manual_selector.unwrap_or(false) {
        return;
    }
    let (name, uid) = (job.metadata.name.clone(), job.metadata.uid.clone());
    let labels = &mut job.spec.template.metadata.labels;
    for (key, value) in
        [(LEGACY_JOB_NAME, &name), (JOB_NAME, &name), (LEGACY_CONTROLLER_UID, &uid), (CONTROLLER_UID, &uid)]
    {
        labels.entry(key.to_owned()).or_insert_with(|| value.clone());
    }
    let selector = job.spec.selector.get_or_insert_default();
    selector.match_labels.entry(CONTROLLER_UID.to_owned()).or_insert(uid);
}
