//! What the caches know about a Job.

use std::collections::HashMap;
use std::sync::Arc;

use api_types::batch::v1::Job;
use api_types::core::v1::Pod;
use jiff::Timestamp;
use parking_lot::Mutex;
use rules::batch::v1::job::meaning::is_finished;
use runtime::plan::Outcome;
use runtime::{Action, Controller, ObjectKey, Plan, Store};

use super::backoff::{Failures, History};
use super::{is_of_others, plan, replaces_failed_only, status};
use crate::ownership::{BY_OWNER_OR_ORPHAN, candidates};

/// The controller: its caches, and the ends of pods that it saw.
pub(super) struct Jobs {
    pub jobs: Store<Job>,
    pub pods: Store<Pod>,
    pub histories: Mutex<HashMap<ObjectKey, (String, History)>>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub job: Arc<Job>,
    /// Pods it owns or might adopt, by name.
    pub candidates: Vec<Arc<Pod>>,
    /// Its pods' failures since the last success.
    pub failures: Failures,
}

impl Jobs {
    fn failures(&self, key: &ObjectKey, job: &Job) -> Failures {
        let owned = self.pods.by_index(BY_OWNER_OR_ORPHAN, &job.metadata.uid);
        let mut histories = self.histories.lock();
        let (uid, history) = histories.entry(key.clone()).or_default();
        if *uid != job.metadata.uid {
            (*uid, *history) = (job.metadata.uid.clone(), History::default());
        }
        history.observe(replaces_failed_only(job), &owned);
        history.failures()
    }
}

impl Controller for Jobs {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let job = self.jobs.get(key).filter(|job| !is_finished(job) && !is_of_others(job));
        let Some(job) = job else {
            self.histories.lock().remove(key);
            return None;
        };
        let failures = self.failures(key, &job);
        let mut candidates = candidates(job.as_ref(), &self.pods);
        candidates.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        Some(Inputs { job, candidates, failures })
    }

    fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
        plan::plan(inputs, now)
    }

    fn conclude(inputs: &Inputs, outcome: &Outcome, now: Timestamp) -> Vec<Action> {
        status::conclude(inputs, outcome, now)
    }
}
