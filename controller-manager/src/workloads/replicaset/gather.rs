//! What the caches know about a ReplicaSet or a kind like it.

use std::sync::Arc;

use api_types::core::v1::Pod;
use jiff::Timestamp;
use rules::meta::controller_of;
use runtime::plan::Outcome;
use runtime::{Action, Controller, ObjectKey, Plan, Store};

use super::kinds::Replicator;
use super::plan;
use crate::ownership::{BY_OWNER_OR_ORPHAN, candidates};

/// The controller: its caches.
pub(super) struct Replicators<K: Replicator> {
    pub sets: Store<K>,
    pub pods: Store<Pod>,
}

/// Everything a decision is made from.
pub(super) struct Inputs<K> {
    pub set: Arc<K>,
    /// Pods it owns or might adopt.
    pub candidates: Vec<Arc<Pod>>,
    /// Pods of all ReplicaSets with the same owner, its own included: the pods of one Deployment.
    pub related: Vec<Arc<Pod>>,
}

impl<K: Replicator> Controller for Replicators<K> {
    type Inputs = Inputs<K>;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs<K>> {
        let set = self.sets.get(key)?;
        let candidates = candidates(set.as_ref(), &self.pods);
        let related = match controller_of(set.metadata()) {
            None => self.pods.by_index(BY_OWNER_OR_ORPHAN, &set.metadata().uid),
            Some(owner) => {
                let siblings = self.sets.by_index(BY_OWNER_OR_ORPHAN, &owner.uid);
                siblings
                    .iter()
                    .flat_map(|set| self.pods.by_index(BY_OWNER_OR_ORPHAN, &set.metadata().uid))
                    .collect()
            }
        };
        Some(Inputs { set, candidates, related })
    }

    fn plan(inputs: &Inputs<K>, now: Timestamp) -> Plan {
        plan::plan(inputs, now)
    }

    fn conclude(inputs: &Inputs<K>, outcome: &Outcome, now: Timestamp) -> Vec<Action> {
        plan::conclude(inputs, outcome, now)
    }
}
