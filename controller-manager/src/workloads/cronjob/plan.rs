//! Decides which Jobs to make and which old ones to delete.

use std::sync::Arc;

use api_types::batch::v1::{CronJob, Job};
use client::DeleteParams;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use machinery::meta::v1::ObjectMeta;
use rules::batch::v1::job::meaning::{is_complete, is_failed, is_finished};
use runtime::plan::reference_to;
use runtime::{Action, Note, Plan};

use super::gather::Inputs;
use super::schedule::{Unusable, read};
use super::status;
use crate::ownership::reference;

/// Annotation of Jobs with the moment they are for.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// What the schedule asks for now.
pub(super) struct Due {
    /// The moment that a Job is to be made for.
    pub at: Option<Timestamp>,
    pub notes: Vec<Note>,
    pub again: Option<std::time::Duration>,
}

/// Old Jobs go; those in the way go before the new one is made.
pub(super) fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
    let cron = inputs.cron.as_ref();
    let mut due = due(inputs, now);
    let mut notes = status::notes(inputs);
    notes.append(&mut due.notes);
    let mut deletes = surplus(inputs);
    let mut creates = Vec::new();
    if let Some(at) = due.at {
        if cron.spec.concurrency_policy == "Replace" {
            deletes.extend(active_jobs(inputs).map(|job| delete(cron, job)));
        }
        let about = reference_to(cron);
        let action = Action::create(new_job(cron, at)).existing_is_done();
        let action = action.on_success(Note::normal(about.clone(), "SuccessfulCreate", "Created job "));
        creates.push(action.on_failure(Note::warning(about, "FailedCreate", "Error creating job: ")));
    }
    let mut plan = Plan::of(deletes).then(creates);
    plan.notes = notes;
    match due.again {
        Some(delay) => plan.requeue_after(delay),
        None => plan,
    }
}

/// The name of the Job for a moment: the same however often it is made.
pub(super) fn job_name(cron: &CronJob, at: Timestamp) -> String {
    format!("{}-{}", cron.metadata.name, at.as_second().div_euclid(60))
}

/// The moment a Job was made for by this controller; none for those that users made.
pub(super) fn moment_of(cron: &CronJob, job: &Job) -> Option<Timestamp> {
    let at: Timestamp = job.metadata.annotations.get(SCHEDULED)?.parse().ok()?;
    (job.metadata.name == job_name(cron, at)).then_some(at)
}

/// Jobs at work that the controller made.
pub(super) fn active_jobs(inputs: &Inputs) -> impl Iterator<Item = &Arc<Job>> {
    let listed = |job: &Job| inputs.cron.status.active.iter().any(|known| known.uid == job.metadata.uid);
    inputs
        .jobs
        .iter()
        .filter(move |job| !is_finished(job) && (listed(job) || moment_of(&inputs.cron, job).is_some()))
}

/// Asks the schedule, and whether a Job may be made.
pub(super) fn due(inputs: &Inputs, now: Timestamp) -> Due {
    let cron = inputs.cron.as_ref();
    let mut due = Due { at: None, notes: Vec::new(), again: None };
    if cron.metadata.deletion_timestamp.is_some() {
        return due;
    }
    let warn = |reason, message: String| Note::warning(reference_to(cron), reason, message);
    let times = match read(cron) {
        Ok(times) => times,
        Err(Unusable::Zone(message)) => {
            due.notes.push(warn("UnknownTimeZone", message));
            return due;
        }
        Err(Unusable::Schedule(message)) => {
            if !cron.spec.suspend.unwrap_or(false) {
                due.notes.push(warn("UnparseableSchedule", message));
            }
            return due;
        }
    };
    if cron.spec.suspend.unwrap_or(false) {
        return due;
    }
    let schedule = &cron.spec.schedule;
    if schedule.contains("TZ") {
        due.notes.push(warn("UnsupportedSchedule", format!(
            "CRON_TZ or TZ used in schedule {schedule:?} is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
        )));
    }
    let missed = match times.missed(cron, now, true) {
        Ok(missed) => missed,
        Err(error) => {
            due.notes.push(warn("InvalidSchedule", format!("invalid schedule: {schedule} : {error}")));
            return due;
        }
    };
    due.again = times.delay(cron, now);
    let Some(at) = missed.latest else { return due };
    if missed.many {
        let message =
            "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
        due.notes.push(warn("TooManyMissedTimes", message.to_owned()));
    }
    let deadline = cron.spec.starting_deadline_seconds.map(jiff::SignedDuration::from_secs);
    if deadline.is_some_and(|deadline| now.duration_since(at) > deadline) {
        let when = at.strftime("%a, %d %b %Y %H:%M:%S +0000");
        due.notes.push(warn("MissSchedule", format!("Missed scheduled time to start a job: {when}")));
        return due;
    }
    let name = job_name(cron, at);
    let made = cron.status.last_schedule_time.and_then(|last| last.to_timestamp()) == Some(at)
        || inputs.jobs.iter().any(|job| job.metadata.name == name);
    if made {
        return due;
    }
    if cron.spec.concurrency_policy == "Forbid" && active_jobs(inputs).next().is_some() {
        let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
        due.notes.push(Note::normal(reference_to(cron), "JobAlreadyActive", message));
        return due;
    }
    due.at = Some(at);
    // Counted from the Job that is made now.
    let mut later = cron.clone();
    later.status.last_schedule_time = Some(at.into());
    due.again = times.delay(&later, now);
    due
}

fn new_job(cron: &CronJob, at: Timestamp) -> Job {
    let template = &cron.spec.job_template;
    let zone = cron.spec.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok());
    let zoned = at.to_zoned(zone.unwrap_or(TimeZone::UTC));
    let offset =
        if zoned.offset().seconds() == 0 { "Z".to_owned() } else { zoned.strftime("%:z").to_string() };
    let mut annotations = template.metadata.annotations.clone();
    annotations.insert(SCHEDULED.to_owned(), format!("{}{offset}", zoned.strftime("%Y-%m-%dT%H:%M:%S")));
    Job {
        metadata: ObjectMeta {
            name: job_name(cron, at),
            namespace: cron.metadata.namespace.clone(),
            labels: template.metadata.labels.clone(),
            annotations,
            owner_references: vec![reference(cron)],
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        ..Job::default()
    }
}

fn delete(cron: &CronJob, job: &Job) -> Action {
    let about = reference_to(cron);
    Action::delete_with(job, DeleteParams::background())
        .on_success(Note::normal(about.clone(), "SuccessfulDelete", "Deleted job "))
        .on_failure(Note::warning(about, "FailedDelete", "Deleted job: "))
}

/// Finished Jobs beyond the limits, those that started first.
fn surplus(inputs: &Inputs) -> Vec<Action> {
    let spec = &inputs.cron.spec;
    let oldest = |limit: Option<i32>, wanted: fn(&Job) -> bool| -> Vec<Action> {
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return Vec::new() };
        let mut jobs: Vec<_> = inputs.jobs.iter().filter(|job| wanted(job)).collect();
        jobs.sort_by_key(|job| {
            (job.status.start_time.is_none(), job.status.start_time, job.metadata.name.clone())
        });
        jobs.truncate(jobs.len().saturating_sub(limit));
        let jobs = jobs.into_iter().filter(|job| job.metadata.deletion_timestamp.is_none());
        jobs.map(|job| delete(&inputs.cron, job)).collect()
    };
    let mut surplus = oldest(spec.successful_jobs_history_limit, is_complete);
    surplus.extend(oldest(spec.failed_jobs_history_limit, |job| is_failed(job) && !is_complete(job)));
    surplus
}
