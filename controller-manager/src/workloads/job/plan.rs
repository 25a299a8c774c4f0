//! Decides which pods to make, delete and release.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api_types::batch::v1::Job;
use api_types::core::v1::{Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod};
use client::Patch;
use jiff::Timestamp;
use rules::batch::v1::job::meaning::is_suspended;
use rules::core::v1::pod::meaning::is_ready;
use runtime::plan::reference_to;
use runtime::{Action, Note, Plan};
use serde_json::json;

use super::backoff::{time_left, time_left_of_index};
use super::count::{Finish, View, claimed, deadline_left, evaluate, view};
use super::gather::Inputs;
use super::indexes::{COMPLETION_INDEX, FAILURES, IGNORED_FAILURES, Indexes, failures_before, index_of};
use super::policy::verdict;
use super::{replaces_failed_only, status};
use crate::ownership::reference;
use crate::pods::{Ranked, create, delete, from_template, sort_for_deletion};

/// Holds a pod until its end is counted.
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// Pods made or deleted in one go at most.
const BURST: usize = 500;
/// Names are completed with five letters and have 63.
const LONGEST_PREFIX: usize = 58;
/// Pods are not replaced sooner than this.
const SOONEST: Duration = Duration::from_secs(1);

/// Whether the end of the pod is still to be counted.
pub(super) fn is_held(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().any(|finalizer| finalizer == TRACKING)
}

/// Whether the pod counts as failed: one that is deleted may never come to say so.
pub(super) fn is_failed(pod: &Pod, replaces_failed_only: bool) -> bool {
    let going = pod.metadata.deletion_timestamp.is_some();
    pod.status.phase == "Failed" || !replaces_failed_only && going && pod.status.phase != "Succeeded"
}

/// Lets go of a pod.
pub(super) fn release(pod: &Pod) -> Action {
    let list = "$deleteFromPrimitiveList/finalizers";
    let patch = json!({"metadata": {"uid": pod.metadata.uid, list: [TRACKING]}});
    Action::patch(pod, Patch::Strategic(patch))
}

/// What one pass does to pods.
#[derive(Default)]
pub(super) struct Managed {
    pub stages: Vec<Vec<Action>>,
    pub made: usize,
    pub deleted: usize,
    pub deleted_ready: usize,
    pub again: Option<Duration>,
}

impl Managed {
    fn deleting(stages: Vec<Vec<Action>>, pods: &[Arc<Pod>]) -> Managed {
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        Managed { stages, deleted: pods.len(), deleted_ready: ready, ..Managed::default() }
    }
}

/// All that a pass decides.
pub(super) struct Decision<'a> {
    pub view: View<'a>,
    pub finish: Option<Finish>,
    pub managed: Managed,
}

/// Counts, judges, and chooses pods; none while pods are yet to be claimed.
pub(super) fn decide(inputs: &Inputs, now: Timestamp) -> Option<Decision<'_>> {
    let claim = claimed(inputs).filter(|claim| claim.actions.is_empty())?;
    let view = view(inputs.job.as_ref(), claim.owned);
    let finish = evaluate(&view, now);
    let managed = if finish.is_some() {
        let about = reference_to(view.job);
        let deletes = view.active.iter().map(|pod| delete(pod, &about)).collect();
        Managed::deleting(vec![deletes], &view.active)
    } else if view.job.metadata.deletion_timestamp.is_none() {
        manage(&view, inputs, now)
    } else {
        Managed::default()
    };
    Some(Decision { view, finish, managed })
}

/// Claims first; then what is counted is released, and pods are made or deleted.
pub(super) fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
    let mode = inputs.job.spec.completion_mode.as_deref().unwrap_or("NonIndexed");
    if !matches!(mode, "NonIndexed" | "Indexed") {
        let message = "Skipped Job sync because completion mode is unknown";
        let about = reference_to(inputs.job.as_ref());
        return Plan::nothing().note(Note::warning(about, "UnknownCompletionMode", message));
    }
    let Some(decision) = decide(inputs, now) else {
        return claimed(inputs).map_or_else(Plan::nothing, |claim| Plan::of(claim.actions));
    };
    let settled = status::settle(&decision, true, now);
    let ending = decision.finish.is_some() && decision.managed.deleted > 0;
    let mut plan = Plan::nothing();
    // What the status does not hold yet must not be let go.
    if !ending && !status::counts_differ(&settled.status, &inputs.job.status) {
        plan = plan.then(settled.released.iter().map(|pod| release(pod)).collect());
    }
    if settled.too_many {
        let message = "Too many succeeded pods running after completion count reached";
        plan = plan.note(Note::warning(reference_to(inputs.job.as_ref()), "TooManySucceededPods", message));
    }
    let deadline = deadline_left(&inputs.job, now).filter(|_| decision.finish.is_none());
    for stage in decision.managed.stages {
        plan = plan.then(stage);
    }
    if let Some(left) = deadline.and_then(|left| Duration::try_from(left).ok()) {
        plan = plan.requeue_after(left);
    }
    match decision.managed.again {
        Some(delay) => plan.requeue_after(delay.max(SOONEST)),
        None => plan,
    }
}

fn manage(view: &View<'_>, inputs: &Inputs, now: Timestamp) -> Managed {
    let (spec, active) = (&view.job.spec, view.active.len());
    let parallelism = usize::try_from(spec.parallelism.unwrap_or(1)).unwrap_or(0);
    if is_suspended(spec) {
        return let_go(view, &view.active);
    }
    let wanted = match view.completions {
        None if view.succeeded > 0 => active,
        None => parallelism,
        Some(completions) => {
            usize::try_from(completions.saturating_sub(view.succeeded)).unwrap_or(0).min(parallelism)
        }
    };
    let mut surplus = surplus(view, active.saturating_sub(wanted), now);
    surplus.truncate(BURST);
    if !surplus.is_empty() {
        return let_go(view, &surplus);
    }
    let terminating = if replaces_failed_only(view.job) { view.terminating.len() } else { 0 };
    let missing = wanted.saturating_sub(terminating + active);
    if missing == 0 {
        return Managed::default();
    }
    if spec.backoff_limit_per_index.is_none()
        && let Some(left) = time_left(inputs.failures, now)
    {
        return Managed { again: Some(left), ..Managed::default() };
    }
    make(view, missing.min(BURST), now)
}

/// Pods that are one too many are not failures: they are let go before they are deleted.
fn let_go(view: &View<'_>, pods: &[Arc<Pod>]) -> Managed {
    let about = reference_to(view.job);
    let releases = pods.iter().filter(|pod| is_held(pod)).map(|pod| release(pod)).collect();
    let deletes = pods.iter().map(|pod| delete(pod, &about)).collect();
    Managed::deleting(vec![releases, deletes], pods)
}

/// Active pods to delete: those without a place and doubles of one index, then the least useful.
fn surplus(view: &View<'_>, at_least: usize, now: Timestamp) -> Vec<Arc<Pod>> {
    let mut ranked: Vec<Ranked> =
        view.active.iter().map(|pod| Ranked { pod: Arc::clone(pod), rank: 0 }).collect();
    sort_for_deletion(&mut ranked, now);
    let sorted: Vec<Arc<Pod>> = ranked.into_iter().map(|ranked| ranked.pod).collect();
    let (mut surplus, mut left) = (Vec::new(), Vec::new());
    if view.is_indexed() {
        let mut taken = BTreeSet::new();
        // The most useful pod of an index stays.
        for pod in sorted.iter().rev() {
            let stays = view.has_place(pod) && index_of(pod).is_some_and(|index| taken.insert(index));
            if stays { left.push(Arc::clone(pod)) } else { surplus.push(Arc::clone(pod)) }
        }
        left.reverse();
    } else {
        left = sorted;
    }
    let more = at_least.saturating_sub(surplus.len());
    surplus.extend(left.into_iter().take(more));
    surplus
}

fn make(view: &View<'_>, count: usize, now: Timestamp) -> Managed {
    let (job, about) = (view.job, reference_to(view.job));
    if !view.is_indexed() {
        let stage: Vec<_> = (0..count).map(|_| create(pod_for(job, None), &about)).collect();
        return Managed { made: stage.len(), stages: vec![stage], ..Managed::default() };
    }
    let of = |pods: &[Arc<Pod>]| -> Indexes { pods.iter().filter_map(|pod| index_of(pod)).collect() };
    let mut taken = view.succeeded_indexes.and(&of(&view.active));
    if replaces_failed_only(job) {
        taken = taken.and(&of(&view.terminating));
    }
    if let Some(failed) = &view.failed_indexes {
        taken = taken.and(failed);
    }
    let (mut stage, mut again) = (Vec::new(), None::<Duration>);
    for index in taken.missing(count, view.completions.unwrap_or(0)) {
        let before = view.awaiting.get(&index);
        if let Some(left) = time_left_of_index(before, now) {
            again = Some(again.map_or(left, |again| again.min(left)));
            continue;
        }
        let mut pod = pod_for(job, Some(index));
        if job.spec.backoff_limit_per_index.is_some() {
            count_failures(job, &mut pod, before);
        }
        stage.push(create(pod, &about));
    }
    Managed { made: stage.len(), stages: vec![stage], again, ..Managed::default() }
}

/// The failures of the pod before it, and that pod's own.
fn count_failures(job: &Job, pod: &mut Pod, before: Option<&Arc<Pod>>) {
    let (mut counted, mut ignored) = before.map_or((0, 0), |before| failures_before(before));
    if let Some(before) = before {
        let count = if verdict(job, before).counts() { &mut counted } else { &mut ignored };
        *count = count.saturating_add(1);
    }
    let annotations = &mut pod.metadata.annotations;
    annotations.insert(FAILURES.to_owned(), counted.to_string());
    if ignored > 0 {
        annotations.insert(IGNORED_FAILURES.to_owned(), ignored.to_string());
    }
}

fn pod_for(job: &Job, index: Option<i32>) -> Pod {
    let mut pod = from_template(&job.spec.template, job, reference(job));
    if !is_held(&pod) {
        pod.metadata.finalizers.push(TRACKING.to_owned());
    }
    let Some(index) = index else { return pod };
    pod.metadata.annotations.insert(COMPLETION_INDEX.to_owned(), index.to_string());
    pod.metadata.labels.insert(COMPLETION_INDEX.to_owned(), index.to_string());
    pod.spec.hostname = format!("{}-{index}", job.metadata.name);
    let suffix = format!("-{index}-");
    let room = LONGEST_PREFIX.saturating_sub(suffix.len());
    let name: String = job.metadata.name.chars().take(room).collect();
    pod.metadata.generate_name = format!("{name}{suffix}");
    pod.spec.init_containers.iter_mut().chain(&mut pod.spec.containers).for_each(tell_index);
    pod
}

/// The container learns its index from the environment.
fn tell_index(container: &mut Container) {
    const NAME: &str = "JOB_COMPLETION_INDEX";
    if container.env.iter().any(|variable| variable.name == NAME) {
        return;
    }
    let field = ObjectFieldSelector {
        field_path: format!("metadata.labels['{COMPLETION_INDEX}']"),
        ..ObjectFieldSelector::default()
    };
    let source = EnvVarSource { field_ref: Some(Box::new(field)), ..EnvVarSource::default() };
    let variable = EnvVar { name: NAME.to_owned(), value_from: Some(Box::new(source)), ..EnvVar::default() };
    container.env.push(variable);
}
