//! What the caches know about a CronJob.

use std::sync::Arc;

use api_types::batch::v1::{CronJob, Job};
use jiff::Timestamp;
use runtime::plan::Outcome;
use runtime::{Action, Controller, ObjectKey, Plan, Store};

use super::{plan, status};
use crate::ownership::BY_OWNER_OR_ORPHAN;

/// The controller: its caches.
pub(super) struct CronJobs {
    pub crons: Store<CronJob>,
    pub jobs: Store<Job>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub cron: Arc<CronJob>,
    /// Jobs that it owns, by name.
    pub jobs: Vec<Arc<Job>>,
}

impl Controller for CronJobs {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let cron = self.crons.get(key)?;
        let mut jobs = self.jobs.by_index(BY_OWNER_OR_ORPHAN, &cron.metadata.uid);
        jobs.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        Some(Inputs { cron, jobs })
    }

    fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
        plan::plan(inputs, now)
    }

    fn conclude(inputs: &Inputs, outcome: &Outcome, now: Timestamp) -> Vec<Action> {
        status::conclude(inputs, outcome, now)
    }
}
