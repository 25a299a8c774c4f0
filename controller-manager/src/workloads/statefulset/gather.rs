//! What the caches know about a StatefulSet.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::apps::v1::{ControllerRevision, StatefulSet};
use api_types::core::v1::{PersistentVolumeClaim, Pod};
use jiff::Timestamp;
use runtime::plan::Outcome;
use runtime::{Action, Controller, ObjectKey, Plan, Store};

use super::identity::{claim_name, ordinal_of, ordinals};
use super::{plan, status};
use crate::ownership::{BY_OWNER_OR_ORPHAN, candidates};

/// The controller: its caches.
pub(super) struct StatefulSets {
    pub sets: Store<StatefulSet>,
    pub revisions: Store<ControllerRevision>,
    pub claims: Store<PersistentVolumeClaim>,
    pub pods: Store<Pod>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub set: Arc<StatefulSet>,
    /// Pods with names of the set that it owns or might adopt.
    pub candidates: Vec<Arc<Pod>>,
    /// Revisions it owns, oldest first.
    pub revisions: Vec<Arc<ControllerRevision>>,
    /// Claims of its pods, those that are and those that shall be.
    pub claims: BTreeMap<String, Arc<PersistentVolumeClaim>>,
}

impl Controller for StatefulSets {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let set = self.sets.get(key)?;
        let mut candidates = candidates(set.as_ref(), &self.pods);
        candidates.retain(|pod| ordinal_of(&set, pod).is_some());
        let mut revisions = self.revisions.by_index(BY_OWNER_OR_ORPHAN, &set.metadata.uid);
        revisions.sort_by(|a, b| (a.revision, &a.metadata.name).cmp(&(b.revision, &b.metadata.name)));
        let mut claims = BTreeMap::new();
        for template in &set.spec.volume_claim_templates {
            let existing = candidates.iter().filter_map(|pod| ordinal_of(&set, pod));
            for ordinal in ordinals(&set).chain(existing) {
                let name = claim_name(&set, template, ordinal);
                if let Some(claim) = self.claims.get_by(&set.metadata.namespace, &name) {
                    claims.insert(name, claim);
                }
            }
        }
        Some(Inputs { set, candidates, revisions, claims })
    }

    fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
        plan::plan(inputs, now)
    }

    fn conclude(inputs: &Inputs, outcome: &Outcome, now: Timestamp) -> Vec<Action> {
        status::conclude(inputs, outcome, now)
    }
}
