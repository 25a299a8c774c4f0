//! Decides when a finished Job goes.

use api_types::batch::v1::Job;
use client::DeleteParams;
use jiff::{SignedDuration, Timestamp};
use runtime::{Action, Plan};

pub(super) fn plan(job: &Job, now: Timestamp) -> Plan {
    let Some(end) = end_of_life(job) else { return Plan::nothing() };
    let left = end.duration_since(now);
    if left.is_positive() {
        return match left.try_into() {
            Ok(left) => Plan::nothing().requeue_after(left),
            Err(_) => Plan::nothing(),
        };
    }
    // Somebody may have lengthened its life meanwhile: only the version the decision is about goes.
    let version = Some(job.metadata.resource_version.clone()).filter(|version| !version.is_empty());
    let params = DeleteParams { resource_version: version, ..DeleteParams::foreground() };
    Plan::of(vec![Action::delete_with(job, params)])
}

fn end_of_life(job: &Job) -> Option<Timestamp> {
    let seconds = job.spec.ttl_seconds_after_finished?;
    if job.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let finished = job.status.conditions.iter().find(|condition| {
        matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True"
    })?;
    let at = Some(finished.last_transition_time).filter(|time| !time.is_zero())?.to_timestamp()?;
    Some(at + SignedDuration::from_secs(i64::from(seconds)))
}
