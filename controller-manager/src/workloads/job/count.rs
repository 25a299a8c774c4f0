//! Counts a Job's pods, and judges from the counts whether it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api_types::batch::v1::{Job, JobCondition};
use api_types::core::v1::Pod;
use jiff::{SignedDuration, Timestamp};
use machinery::Time;
use rules::batch::v1::job::meaning::{has_condition, is_indexed, is_suspended};
use rules::core::v1::pod::meaning::{is_active, is_terminal};

use super::backoff::finished;
use super::gather::Inputs;
use super::indexes::{Indexes, failures_before, index_of};
use super::plan::{is_failed, is_held};
use super::policy::{self, Verdict, verdict};
use super::replaces_failed_only;

pub(super) const FAILURE_TARGET: &str = "FailureTarget";
pub(super) const SUCCESS_CRITERIA_MET: &str = "SuccessCriteriaMet";

/// That a Job is over: the condition to set, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finish {
    pub kind: &'static str,
    pub reason: String,
    pub message: String,
}

impl Finish {
    pub(super) fn new(kind: &'static str, reason: &str, message: impl Into<String>) -> Finish {
        Finish { kind, reason: reason.to_owned(), message: message.into() }
    }

    pub(super) fn condition(&self, now: Timestamp) -> JobCondition {
        condition(self.kind, true, &self.reason, &self.message, now)
    }
}

/// A new condition.
pub(super) fn condition(
    type_: &str,
    status: bool,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> JobCondition {
    JobCondition {
        type_: type_.to_owned(),
        status: if status { "True" } else { "False" }.to_owned(),
        last_probe_time: Time::from(now),
        last_transition_time: Time::from(now),
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

/// A Job with its pods counted.
pub(super) struct View<'a> {
    pub job: &'a Job,
    /// The pods that are the Job's; by index when they have one.
    pub pods: Vec<Arc<Pod>>,
    pub active: Vec<Arc<Pod>>,
    /// Going, but not ended.
    pub terminating: Vec<Arc<Pod>>,
    pub completions: Option<i32>,
    /// The status says already how it will end.
    pub is_over: bool,
    /// Ends well, counted or not.
    pub succeeded: i32,
    /// Failures that count, counted or not yet.
    pub failed: i32,
    pub succeeded_indexes: Indexes,
    /// Only with a limit per index.
    pub failed_indexes: Option<Indexes>,
    /// By index the failed pod that stays until its replacement has taken over its count of failures.
    pub awaiting: BTreeMap<i32, Arc<Pod>>,
}

impl View<'_> {
    pub(super) fn is_indexed(&self) -> bool {
        is_indexed(&self.job.spec)
    }

    /// False for pods of Indexed Jobs without an index that the Job has.
    pub(super) fn has_place(&self, pod: &Pod) -> bool {
        let below = |index| self.completions.is_some_and(|completions| index < completions);
        !self.is_indexed() || index_of(pod).is_some_and(below)
    }

    pub(super) fn is_failed(&self, pod: &Pod) -> bool {
        is_failed(pod, replaces_failed_only(self.job))
    }

    /// The same, without the pods that were stopped because the Job is over.
    pub(super) fn has_failed(&self, pod: &Pod) -> bool {
        let stopped = self.is_over && pod.metadata.deletion_timestamp.is_some();
        self.is_failed(pod) && !stopped
    }
}

/// Counts the pods that were claimed.
pub(super) fn view<'a>(job: &'a Job, mut pods: Vec<Arc<Pod>>) -> View<'a> {
    pods.sort_by(|a, b| (index_of(a), &a.metadata.name).cmp(&(index_of(b), &b.metadata.name)));
    let select = |wanted: &dyn Fn(&Pod) -> bool| pods.iter().filter(|pod| wanted(pod)).cloned().collect();
    let going = |pod: &Pod| pod.metadata.deletion_timestamp.is_some() && !is_terminal(pod);
    let (active, terminating) = (select(&|pod| is_active(pod)), select(&going));
    let mut view = View {
        job,
        active,
        terminating,
        pods,
        completions: job.spec.completions,
        is_over: has_condition(job, FAILURE_TARGET) || has_condition(job, SUCCESS_CRITERIA_MET),
        succeeded: 0,
        failed: 0,
        succeeded_indexes: Indexes::default(),
        failed_indexes: None,
        awaiting: BTreeMap::new(),
    };
    let uncounted = job.status.uncounted_terminated_pods.as_deref().cloned().unwrap_or_default();
    let new = |known: &[String], wanted: &dyn Fn(&Pod) -> bool| {
        let new = |pod: &Pod| {
            is_held(pod) && !known.contains(&pod.metadata.uid) && view.has_place(pod) && wanted(pod)
        };
        let count = view.pods.iter().filter(|pod| new(pod)).count() + known.len();
        i32::try_from(count).unwrap_or(i32::MAX)
    };
    let succeeded = new(&uncounted.succeeded, &|pod| pod.status.phase == "Succeeded");
    let failed = new(&uncounted.failed, &|pod| view.is_failed(pod) && verdict(job, pod).counts());
    view.succeeded = job.status.succeeded.saturating_add(succeeded);
    view.failed = job.status.failed.saturating_add(failed);
    if view.is_indexed() {
        count_indexes(&mut view);
    }
    view
}

fn count_indexes(view: &mut View<'_>) {
    let (job, completions) = (view.job, view.completions.unwrap_or(0));
    let newly = |view: &View<'_>, wanted: &dyn Fn(&Pod) -> bool| -> Indexes {
        let held = view.pods.iter().filter(|pod| is_held(pod) && view.has_place(pod) && wanted(pod));
        held.filter_map(|pod| index_of(pod)).collect()
    };
    let before = Indexes::parse(&job.status.completed_indexes, completions);
    view.succeeded_indexes = before.and(&newly(view, &|pod| pod.status.phase == "Succeeded"));
    view.succeeded = view.succeeded_indexes.total();
    let Some(limit) = job.spec.backoff_limit_per_index else { return };
    let before = Indexes::parse(job.status.failed_indexes.as_deref().unwrap_or_default(), completions);
    let index_failed = |pod: &Pod| {
        view.has_failed(pod)
            && match verdict(job, pod) {
                Verdict::FailsIndex => true,
                verdict => verdict.counts() && failures_before(pod).0 >= limit,
            }
    };
    let failed = before.and(&newly(view, &index_failed));
    let active: BTreeSet<i32> = view.active.iter().filter_map(|pod| index_of(pod)).collect();
    let mut awaiting: BTreeMap<i32, Arc<Pod>> = BTreeMap::new();
    for pod in &view.pods {
        let Some(index) = index_of(pod).filter(|_| is_held(pod) && view.has_place(pod)) else { continue };
        let settled = view.succeeded_indexes.has(index) || failed.has(index) || active.contains(&index);
        if settled || !view.is_failed(pod) {
            continue;
        }
        let order = |pod: &Pod| {
            let (counted, ignored) = failures_before(pod);
            (counted.saturating_add(ignored), finished(pod))
        };
        let later = awaiting.get(&index).is_none_or(|known| order(known) <= order(pod));
        if later {
            awaiting.insert(index, Arc::clone(pod));
        }
    }
    view.awaiting = awaiting;
    view.failed_indexes = Some(failed);
}

/// Whether the Job is over: what its status says already, then failures, then success by a policy.
pub(super) fn evaluate(view: &View<'_>, now: Timestamp) -> Option<Finish> {
    let (job, spec) = (view.job, &view.job.spec);
    let known = |type_: &str| {
        job.status.conditions.iter().find(|known| known.type_ == type_ && known.status == "True")
    };
    let failure = |reason: &str, message: &str| Some(Finish::new(FAILURE_TARGET, reason, message));
    if let Some(known) = known(SUCCESS_CRITERIA_MET) {
        return Some(Finish::new(SUCCESS_CRITERIA_MET, &known.reason, known.message.clone()));
    }
    if let Some(known) = known(FAILURE_TARGET) {
        return Some(Finish::new("Failed", &known.reason, known.message.clone()));
    }
    if spec.pod_failure_policy.is_some() {
        let judged = view.pods.iter().filter(|pod| view.is_failed(pod)).map(|pod| verdict(job, pod));
        let fatal = judged.into_iter().find_map(|verdict| match verdict {
            Verdict::FailsJob(message) => Some(message),
            _ => None,
        });
        if let Some(message) = fatal {
            return failure("PodFailurePolicy", &message);
        }
    }
    if view.failed > backoff_limit(job) || restarts_exceed(view) {
        return failure("BackoffLimitExceeded", "Job has reached the specified backoff limit");
    }
    if deadline_left(job, now).is_some_and(|left| !left.is_positive()) {
        return failure("DeadlineExceeded", "Job was active longer than specified deadline");
    }
    let completions = view.completions.unwrap_or(0);
    if let Some(failed) = view.failed_indexes.as_ref().map(Indexes::total) {
        if spec.max_failed_indexes.is_some_and(|most| failed > most) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return failure("MaxFailedIndexesExceeded", message);
        }
        if failed > 0 && failed + view.succeeded_indexes.total() >= completions {
            return failure("FailedIndexes", "Job has failed indexes");
        }
    }
    let message = policy::success(spec.success_policy.as_deref(), completions, &view.succeeded_indexes)?;
    view.is_indexed().then(|| Finish::new(SUCCESS_CRITERIA_MET, "SuccessPolicy", message))
}

fn backoff_limit(job: &Job) -> i32 {
    let default = if job.spec.backoff_limit_per_index.is_some() { i32::MAX } else { 6 };
    job.spec.backoff_limit.unwrap_or(default)
}

/// With restarts in place, it is the restarts of all containers that count.
fn restarts_exceed(view: &View<'_>) -> bool {
    if view.job.spec.template.spec.restart_policy != "OnFailure" {
        return false;
    }
    let alive = view.pods.iter().filter(|pod| matches!(pod.status.phase.as_str(), "Running" | "Pending"));
    let restarts: i32 = alive
        .flat_map(|pod| pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses))
        .fold(0, |sum, status| sum.saturating_add(status.restart_count));
    restarts >= backoff_limit(view.job).max(1)
}

/// What is left of `activeDeadlineSeconds`; none when there is none or it stands still.
pub(super) fn deadline_left(job: &Job, now: Timestamp) -> Option<SignedDuration> {
    let allowed = job.spec.active_deadline_seconds.filter(|_| !is_suspended(&job.spec))?;
    let started = job.status.start_time.and_then(|start| start.to_timestamp()).unwrap_or(now);
    Some(SignedDuration::from_secs(allowed) - now.duration_since(started))
}

/// The Job's own pods, or what must be written first.
pub(super) fn claimed(inputs: &Inputs) -> Option<crate::ownership::Claim<Pod>> {
    let job = inputs.job.as_ref();
    let selector = machinery::selectors::labels::Selector::from_label_selector(job.spec.selector.as_deref());
    let selector = selector.ok()?;
    Some(crate::ownership::claim_holding(job, &selector, &inputs.candidates, super::plan::TRACKING))
}
