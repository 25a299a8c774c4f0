//! What the status of a CronJob says: the Jobs at work, and when the last one was made and succeeded.

use api_types::batch::v1::{CronJobStatus, Job};
use jiff::Timestamp;
use machinery::Time;
use rules::batch::v1::job::meaning::{is_complete, is_finished};
use runtime::plan::{Outcome, reference_to};
use runtime::{Action, Note};

use super::gather::Inputs;
use super::plan::{active_jobs, due, moment_of};

fn is_listed(inputs: &Inputs, job: &Job) -> bool {
    inputs.cron.status.active.iter().any(|known| known.uid == job.metadata.uid)
}

/// What changed among the Jobs at work, in the words of events.
pub(super) fn notes(inputs: &Inputs) -> Vec<Note> {
    let cron = inputs.cron.as_ref();
    let about = || reference_to(cron);
    let mut notes = Vec::new();
    for job in &inputs.jobs {
        let (name, listed) = (&job.metadata.name, is_listed(inputs, job));
        if is_finished(job) && listed {
            let condition = if is_complete(job) { "Complete" } else { "Failed" };
            let message = format!("Saw completed job: {name}, condition: {condition}");
            notes.push(Note::normal(about(), "SawCompletedJob", message));
        } else if !is_finished(job) && !listed && moment_of(cron, job).is_none() {
            let message = format!("Saw a job that the controller did not create or forgot: {name}");
            notes.push(Note::warning(about(), "UnexpectedJob", message));
        }
    }
    for known in &cron.status.active {
        if !inputs.jobs.iter().any(|job| job.metadata.uid == known.uid) {
            let message = format!("Active job went missing: {}", known.name);
            notes.push(Note::normal(about(), "MissingJob", message));
        }
    }
    notes
}

/// The new status, when it differs. A Job made just now is listed as soon as the cache shows it.
pub(super) fn conclude(inputs: &Inputs, outcome: &Outcome, now: Timestamp) -> Vec<Action> {
    let cron = inputs.cron.as_ref();
    let old = &cron.status;
    let made = due(inputs, now).at.filter(|_| outcome.failed_stage.is_none()).map(Time::from);
    let seen = inputs.jobs.iter().filter_map(|job| moment_of(cron, job)).map(Time::from).max();
    let replaced = made.is_some() && cron.spec.concurrency_policy == "Replace";
    // In the order in which they were listed, new ones last.
    let mut working: Vec<_> = active_jobs(inputs).filter(|_| !replaced).collect();
    let place =
        |job: &Job| old.active.iter().position(|known| known.uid == job.metadata.uid).unwrap_or(usize::MAX);
    working.sort_by_key(|job| (place(job), moment_of(cron, job)));
    let active = working.into_iter().map(|job| {
        let listed = old.active.iter().find(|known| known.uid == job.metadata.uid);
        listed.cloned().unwrap_or_else(|| reference_to(job.as_ref()))
    });
    let succeeded = inputs.jobs.iter().filter(|job| is_complete(job));
    let status = CronJobStatus {
        active: active.collect(),
        last_schedule_time: old.last_schedule_time.max(seen).max(made),
        last_successful_time: succeeded
            .filter_map(|job| job.status.completion_time)
            .max()
            .max(old.last_successful_time),
    };
    if status == *old {
        return Vec::new();
    }
    let mut cron = cron.clone();
    cron.status = status;
    vec![Action::replace_status(cron)]
}
