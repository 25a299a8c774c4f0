//! What the status of a Job says: counters, indexes, and that it is over.

use std::collections::HashSet;
use std::sync::Arc;

use api_types::batch::v1::{JobCondition, JobStatus, UncountedTerminatedPods};
use api_types::core::v1::Pod;
use jiff::Timestamp;
use machinery::Time;
use rules::batch::v1::job::meaning::is_suspended;
use rules::core::v1::pod::meaning::is_ready;
use runtime::plan::{Outcome, reference_to};
use runtime::{Action, Note};

use super::count::{FAILURE_TARGET, Finish, SUCCESS_CRITERIA_MET, View, condition};
use super::gather::Inputs;
use super::indexes::{Indexes, index_of};
use super::plan::{Decision, decide, is_held};
use super::policy::verdict;

/// Ends that are not counted yet at most, so that the status stays small.
const MOST_UNCOUNTED: usize = 500;
const COMPLETE: &str = "Complete";
const FAILED: &str = "Failed";
const SUSPENDED: &str = "Suspended";

/// A status, and what may happen once it is written.
pub(super) struct Settled {
    pub status: JobStatus,
    /// Pods that the status accounts for.
    pub released: Vec<Arc<Pod>>,
    /// Said when the status was written.
    pub note: Option<Note>,
    /// More pods succeeded than were asked for.
    pub too_many: bool,
}

/// True when more than the numbers of pods at work changed.
pub(super) fn counts_differ(new: &JobStatus, old: &JobStatus) -> bool {
    let counted = |status: &JobStatus| JobStatus {
        active: 0,
        ready: None,
        terminating: None,
        start_time: None,
        uncounted_terminated_pods: Some(status.uncounted_terminated_pods.clone().unwrap_or_default()),
        ..status.clone()
    };
    counted(new) != counted(old)
}

/// The new status, when it differs.
pub(super) fn conclude(inputs: &Inputs, outcome: &Outcome, now: Timestamp) -> Vec<Action> {
    let mode = inputs.job.spec.completion_mode.as_deref().unwrap_or("NonIndexed");
    let decision = decide(inputs, now).filter(|_| matches!(mode, "NonIndexed" | "Indexed"));
    let Some(decision) = decision else { return Vec::new() };
    let settled = settle(&decision, outcome.failed_stage.is_none(), now);
    if settled.status == inputs.job.status {
        return Vec::new();
    }
    let mut job = inputs.job.as_ref().clone();
    job.status = settled.status;
    let action = Action::replace_status(job);
    vec![match settled.note {
        Some(note) => action.announcing(note),
        None => action,
    }]
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The status after the decision, when what it does to pods went well (`acted`) or did not.
pub(super) fn settle(decision: &Decision<'_>, acted: bool, now: Timestamp) -> Settled {
    let Decision { view, managed, .. } = decision;
    let job = view.job;
    let mut status = job.status.clone();
    let mut note = None;
    if status.start_time.is_none() && !is_suspended(&job.spec) {
        status.start_time = Some(Time::from(now));
    }
    let (made, deleted, deleted_ready) =
        if acted { (managed.made, managed.deleted, managed.deleted_ready) } else { (0, 0, 0) };
    let active = (view.active.len() + made).saturating_sub(deleted);
    let ready = view.active.iter().filter(|pod| is_ready(pod)).count().saturating_sub(deleted_ready);
    let terminating = view.terminating.len() + deleted;
    let mut finish = decision.finish.clone();
    if finish.is_some() {
        // It is not over while pods that could not be deleted run.
        finish = finish.filter(|_| active == 0);
    } else if is_complete(view, active) {
        let message = "Reached expected number of succeeded pods";
        finish = Some(Finish::new(SUCCESS_CRITERIA_MET, "CompletionsReached", message));
    } else if job.metadata.deletion_timestamp.is_none() {
        note = suspension(view, &mut status, now);
    }
    status.active = number(active);
    status.ready = Some(number(ready));
    status.terminating = Some(number(terminating));
    let (released, reached_most) = account(view, finish.as_ref(), &mut status);
    let mut settled = Settled { status, released, note, too_many: false };
    if let Some(finish) = finish {
        end(view, &finish, reached_most, &mut settled, now);
    }
    settled
}

fn is_complete(view: &View<'_>, active: usize) -> bool {
    active == 0 && view.succeeded >= view.completions.unwrap_or(1)
}

/// The condition about suspension, and the start that comes with it.
fn suspension(view: &View<'_>, status: &mut JobStatus, now: Timestamp) -> Option<Note> {
    let about = reference_to(view.job);
    if is_suspended(&view.job.spec) {
        let new = condition(SUSPENDED, true, "JobSuspended", "Job suspended", now);
        ensure(&mut status.conditions, new).then(|| {
            status.start_time = None;
            Note::normal(about, "Suspended", "Job suspended")
        })
    } else {
        let new = condition(SUSPENDED, false, "JobResumed", "Job resumed", now);
        ensure(&mut status.conditions, new).then(|| {
            status.start_time = Some(Time::from(now));
            Note::normal(about, "Resumed", "Job resumed")
        })
    }
}

/// Sets a condition; one that never stood is not set to false. True when anything changed.
fn ensure(conditions: &mut Vec<JobCondition>, new: JobCondition) -> bool {
    match conditions.iter_mut().find(|known| known.type_ == new.type_) {
        Some(known) => {
            let said = |c: &JobCondition| (c.status.clone(), c.reason.clone(), c.message.clone());
            let changed = said(known) != said(&new);
            if changed {
                *known = new;
            }
            changed
        }
        None if new.status == "False" => false,
        None => {
            conditions.push(new);
            true
        }
    }
}

/// Counts pods that were let go, and lists those that may be; true when there were too many for one pass.
fn account(view: &View<'_>, finish: Option<&Finish>, status: &mut JobStatus) -> (Vec<Arc<Pod>>, bool) {
    let job = view.job;
    let held: HashSet<&str> =
        view.pods.iter().filter(|pod| is_held(pod)).map(|pod| pod.metadata.uid.as_str()).collect();
    let mut uncounted: UncountedTerminatedPods =
        status.uncounted_terminated_pods.take().map(|uncounted| *uncounted).unwrap_or_default();
    let count = |list: &mut Vec<String>, counter: &mut i32| {
        let before = list.len();
        list.retain(|uid| held.contains(uid.as_str()));
        *counter = counter.saturating_add(number(before - list.len()));
    };
    count(&mut uncounted.succeeded, &mut status.succeeded);
    count(&mut uncounted.failed, &mut status.failed);
    let failing = finish.is_some_and(|finish| finish.kind != SUCCESS_CRITERIA_MET);
    let known = Indexes::parse(&job.status.completed_indexes, view.completions.unwrap_or(0));
    let (mut released, mut new_indexes) = (Vec::new(), 0);
    let mut reached_most = false;
    for pod in view.pods.iter().filter(|pod| is_held(pod)) {
        let failed = view.has_failed(pod);
        if !may_go(view, finish, pod, failed) {
            continue;
        }
        let uid = &pod.metadata.uid;
        let full = new_indexes + uncounted.succeeded.len() + uncounted.failed.len() >= MOST_UNCOUNTED;
        if pod.status.phase == "Succeeded" && !uncounted.failed.contains(uid) {
            // The index tells whether it was counted.
            let is_new = if view.is_indexed() {
                view.has_place(pod) && index_of(pod).is_some_and(|index| !known.has(index))
            } else {
                !uncounted.succeeded.contains(uid)
            };
            if is_new && full {
                reached_most = true;
                continue;
            }
            if is_new && view.is_indexed() {
                new_indexes += 1;
            } else if is_new {
                uncounted.succeeded.push(uid.clone());
            }
        } else if (failed || failing)
            && !uncounted.failed.contains(uid)
            && view.has_place(pod)
            && verdict(job, pod).counts()
        {
            if full {
                reached_most = true;
                continue;
            }
            uncounted.failed.push(uid.clone());
        }
        released.push(Arc::clone(pod));
    }
    status.uncounted_terminated_pods = Some(Box::new(uncounted));
    if view.is_indexed() {
        status.succeeded = view.succeeded_indexes.total();
        status.completed_indexes = view.succeeded_indexes.to_string();
        status.failed_indexes = view.failed_indexes.as_ref().map(Indexes::to_string);
    }
    (released, reached_most)
}

fn may_go(view: &View<'_>, finish: Option<&Finish>, pod: &Pod, failed: bool) -> bool {
    if view.job.metadata.deletion_timestamp.is_some() || finish.is_some() || pod.status.phase == "Succeeded" {
        return true;
    }
    let awaits = || {
        let awaiting = index_of(pod).and_then(|index| view.awaiting.get(&index));
        awaiting.is_some_and(|awaiting| awaiting.metadata.uid == pod.metadata.uid)
    };
    failed && !awaits()
}

/// First the condition that says how it will end; when every end is counted and all pods are gone, the end.
fn end(view: &View<'_>, finish: &Finish, reached_most: bool, settled: &mut Settled, now: Timestamp) {
    let (job, status) = (view.job, &mut settled.status);
    let says = |conditions: &[JobCondition], type_: &str| {
        conditions.iter().any(|known| known.type_ == type_ && known.status == "True")
    };
    let (target, last) = match finish.kind {
        SUCCESS_CRITERIA_MET => (SUCCESS_CRITERIA_MET, COMPLETE),
        _ => (FAILURE_TARGET, FAILED),
    };
    if !says(&status.conditions, target) {
        let new = Finish { kind: target, ..finish.clone() };
        status.conditions.push(new.condition(now));
    }
    let uncounted = status.uncounted_terminated_pods.as_deref();
    let counted = uncounted.is_none_or(|left| left.succeeded.is_empty() && left.failed.is_empty());
    let waits = !says(&job.status.conditions, target)
        || reached_most
        || !counted
        || !settled.released.is_empty()
        || status.terminating != Some(0);
    if waits {
        return;
    }
    let new = Finish { kind: last, ..finish.clone() }.condition(now);
    if last == COMPLETE {
        status.completion_time = Some(new.last_transition_time);
        settled.too_many = view.completions.is_some_and(|completions| status.succeeded > completions);
        settled.note = Some(Note::normal(reference_to(job), "Completed", "Job completed"));
    } else {
        settled.note = Some(Note::warning(reference_to(job), &finish.reason, finish.message.clone()));
    }
    ensure(&mut status.conditions, new);
}
