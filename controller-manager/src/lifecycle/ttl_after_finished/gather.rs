//! A Job.

use std::sync::Arc;

use api_types::batch::v1::Job;
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

/// The controller: its cache.
pub(super) struct TtlAfterFinished {
    pub jobs: Store<Job>,
}

impl Controller for TtlAfterFinished {
    type Inputs = Arc<Job>;

    fn gather(&self, key: &ObjectKey) -> Option<Arc<Job>> {
        self.jobs.get(key)
    }

    fn plan(job: &Arc<Job>, now: Timestamp) -> Plan {
        super::plan::plan(job, now)
    }
}
