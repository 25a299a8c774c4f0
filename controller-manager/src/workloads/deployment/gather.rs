//! What the caches know about a Deployment.

use std::sync::Arc;

use api_types::apps::v1::{Deployment, ReplicaSet};
use api_types::core::v1::Pod;
use jiff::Timestamp;
use runtime::plan::Outcome;
use runtime::{Action, Controller, ObjectKey, Plan, Store};

use super::{plan, progress};
use crate::ownership::{BY_OWNER_OR_ORPHAN, candidates};

/// The controller: its caches.
pub(super) struct Deployments {
    pub deployments: Store<Deployment>,
    pub sets: Store<ReplicaSet>,
    pub pods: Store<Pod>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub deployment: Arc<Deployment>,
    /// ReplicaSets it owns or might adopt.
    pub candidates: Vec<Arc<ReplicaSet>>,
    /// Pods of those sets.
    pub pods: Vec<Arc<Pod>>,
}

impl Controller for Deployments {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let deployment = self.deployments.get(key)?;
        let mut candidates = candidates(deployment.as_ref(), &self.sets);
        candidates.sort_by(|a, b| {
            let age = |set: &ReplicaSet| (set.metadata.creation_timestamp, set.metadata.name.clone());
            age(a).cmp(&age(b))
        });
        let pods = candidates
            .iter()
            .flat_map(|set| self.pods.by_index(BY_OWNER_OR_ORPHAN, &set.metadata.uid))
            .collect();
        Some(Inputs { deployment, candidates, pods })
    }

    fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
        plan::plan(inputs, now)
    }

    fn conclude(inputs: &Inputs, _: &Outcome, now: Timestamp) -> Vec<Action> {
        progress::conclude(inputs, now)
    }
}
