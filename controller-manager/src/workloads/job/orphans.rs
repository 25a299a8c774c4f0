//! Releases pods that still wait for a Job that no longer counts them: it ended, is gone or was taken off.

use std::sync::Arc;

use api_types::batch::v1::Job;
use api_types::core::v1::Pod;
use jiff::Timestamp;
use machinery::Resource;
use rules::batch::v1::job::meaning::is_finished;
use rules::meta::controller_of;
use runtime::plan::{Kind, Target};
use runtime::{Controller, ObjectKey, Plan, Store};

use super::is_of_others;
use super::plan::{is_held, release};

/// The controller: its caches.
pub(super) struct Orphans {
    pub jobs: Store<Job>,
    pub pods: Store<Pod>,
}

/// A pod with the tracking finalizer, and the Job it names.
pub(super) struct Inputs {
    pub pod: Arc<Pod>,
    pub job: Option<Arc<Job>>,
}

impl Controller for Orphans {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let pod = self.pods.get(key).filter(|pod| is_held(pod))?;
        let owner = controller_of(&pod.metadata);
        if owner.is_some_and(|owner| owner.kind != Job::KIND || owner.api_version != Job::api_version()) {
            return None;
        }
        let named = owner.and_then(|owner| {
            let job = self.jobs.get_by(&pod.metadata.namespace, &owner.name)?;
            (job.metadata.uid == owner.uid).then_some(job)
        });
        Some(Inputs { pod, job: named })
    }

    fn plan(inputs: &Inputs, _: Timestamp) -> Plan {
        plan(inputs)
    }
}

/// Releases it, unless its Job still counts.
pub(super) fn plan(inputs: &Inputs) -> Plan {
    let pod = inputs.pod.as_ref();
    let action = match (&inputs.job, controller_of(&pod.metadata)) {
        (Some(job), _) if is_of_others(job) || !is_finished(job) => return Plan::nothing(),
        (Some(_), _) | (None, None) => release(pod),
        // The cache may not know the Job yet.
        (None, Some(owner)) => release(pod).only_if_gone(Target {
            kind: Kind::of::<Job>(),
            namespace: pod.metadata.namespace.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        }),
    };
    Plan::of(vec![action])
}
