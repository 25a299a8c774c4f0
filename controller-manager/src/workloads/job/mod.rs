//! Runs pods until enough of them have succeeded (`pkg/controller/job`).
//!
//! Ends of pods are counted once each: a pod is held by a finalizer until its UID is in the status
//! (`uncountedTerminatedPods`), then it is released, then the counter moves. Each of these is a pass of its
//! own, planned when the caches show the one before.

mod backoff;
mod count;
mod gather;
mod indexes;
mod orphans;
mod plan;
mod policy;
mod status;
#[cfg(test)]
mod tests;

use api_types::batch::v1::Job;
use api_types::core::v1::Pod;
use machinery::selectors::labels::Selector;
use rules::batch::v1::job::meaning::is_finished;
use rules::meta::controller_of;
use runtime::controller::{controller_keys, enqueue, enqueue_self};
use runtime::plan::Kind;
use runtime::store::BY_NAMESPACE;
use runtime::{Event, ObjectKey, Store};

use crate::context::{Context, Task};
use crate::controllers::Entry;
use crate::ownership::BY_OWNER_OR_ORPHAN;

use gather::Jobs;
use orphans::Orphans;

/// `spec.managedBy` of the Jobs that are this controller's.
const MANAGER: &str = "kubernetes.io/job-controller";

/// Subscribes to Jobs and pods.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let jobs = context.informers.store::<Job>();
    let pods = context.pods();
    let workers = context.options.concurrency.concurrent_job_syncs;
    let (queue, orphaned) = (context.queue("job"), context.queue("job_orphan_pod"));
    enqueue_self(&jobs, &queue);
    let known = jobs.clone();
    enqueue(&pods, &queue, move |event| keys_of_pod(event, &known));
    enqueue(&pods, &orphaned, |event| {
        let pod = event.object();
        if plan::is_held(pod) { vec![ObjectKey::of(&pod.metadata)] } else { Vec::new() }
    });
    let known = pods.clone();
    enqueue(&jobs, &orphaned, move |event| {
        let job = event.object();
        let over = matches!(event, Event::Deleted(_)) || is_finished(job);
        let owned = || known.by_index(BY_OWNER_OR_ORPHAN, &job.metadata.uid).into_iter();
        let held = || owned().filter(|pod| plan::is_held(pod)).map(|pod| ObjectKey::of(&pod.metadata));
        if over { held().collect() } else { Vec::new() }
    });
    let controller = Jobs { jobs: jobs.clone(), pods: pods.clone(), histories: Default::default() };
    let driver = context.driver(entry, controller, queue)?.workers(workers).waits_for(&jobs).waits_for(&pods);
    let orphans = Orphans { jobs, pods: pods.clone() };
    let orphans = context.driver(entry, orphans, orphaned)?.workers(workers).waits_for(&pods);
    let tasks = (context.task(driver), context.task(orphans));
    Ok(Some(Box::pin(async move {
        futures_util::future::join(tasks.0, tasks.1).await;
    })))
}

/// The owner, before and after; for an orphan every Job that might adopt it.
fn keys_of_pod(event: &Event<Pod>, jobs: &Store<Job>) -> Vec<ObjectKey> {
    let mut keys = controller_keys(event, Kind::of::<Job>());
    let metadata = &event.object().metadata;
    let is_gone = matches!(event, Event::Deleted(_)) || metadata.deletion_timestamp.is_some();
    if controller_of(metadata).is_none() && !is_gone {
        let adopters = jobs.by_index(BY_NAMESPACE, &metadata.namespace).into_iter().filter(|job| {
            Selector::from_label_selector(job.spec.selector.as_deref())
                .is_ok_and(|selector| !selector.is_empty() && selector.matches(&metadata.labels))
        });
        keys.extend(adopters.map(|job| ObjectKey::of(&job.metadata)));
    }
    keys
}

/// True for Jobs that another controller looks after.
fn is_of_others(job: &Job) -> bool {
    job.spec.managed_by.as_deref().is_some_and(|manager| manager != MANAGER)
}

/// True when a pod is replaced only after it has ended, not while it is ending.
fn replaces_failed_only(job: &Job) -> bool {
    job.spec.pod_replacement_policy.as_deref() == Some("Failed") || job.spec.pod_failure_policy.is_some()
}
