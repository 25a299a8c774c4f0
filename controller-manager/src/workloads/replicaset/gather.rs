//! What the caches know about a ReplicaSet.

use std::sync::Arc;

use api_types::apps::v1::ReplicaSet;
use api_types::core::v1::Pod;
use jiff::Timestamp;
use rules::meta::controller_of;
use runtime::plan::Outcome;
use runtime::{Action, Controller, ObjectKey, Plan, Store};

use super::plan;
use crate::ownership::{BY_OWNER_OR_ORPHAN, candidates};

/// The controller: its caches.
pub(super) struct ReplicaSets {
    pub sets: Store<ReplicaSet>,
    pub pods: Store<Pod>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub set: Arc<ReplicaSet>,
    /// Pods it owns or might adopt.
    pub candidates: Vec<Arc<Pod>>,
    /// Pods of all ReplicaSets with the same owner, its own included: the pods of one Deployment.
    pub related: Vec<Arc<Pod>>,
}

impl Controller for ReplicaSets {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let set = self.sets.get(key)?;
        let candidates = candidates(set.as_ref(), &self.pods);
        let related = match controller_of(&set.metadata) {
            None => self.pods.by_index(BY_OWNER_OR_ORPHAN, &set.metadata.uid),
            Some(owner) => {
                let siblings = self.sets.by_index(BY_OWNER_OR_ORPHAN, &owner.uid);
                siblings
                    .iter()
                    .flat_map(|set| self.pods.by_index(BY_OWNER_OR_ORPHAN, &set.metadata.uid))
                    .collect()
            }
        };
        Some(Inputs { set, candidates, related })
    }

    fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
        plan::plan(inputs, now)
    }

    fn conclude(inputs: &Inputs, outcome: &Outcome, now: Timestamp) -> Vec<Action> {
        plan::conclude(inputs, outcome, now)
    }
}
