//! What the caches know about a DaemonSet.

use std::sync::Arc;

use api_types::apps::v1::{ControllerRevision, DaemonSet};
use api_types::core::v1::{Node, Pod};
use jiff::Timestamp;
use runtime::plan::Outcome;
use runtime::{Action, Controller, ObjectKey, Plan, Store};

use super::{plan, status};
use crate::ownership::{BY_OWNER_OR_ORPHAN, candidates};

/// The controller: its caches.
pub(super) struct DaemonSets {
    pub sets: Store<DaemonSet>,
    pub revisions: Store<ControllerRevision>,
    pub nodes: Store<Node>,
    pub pods: Store<Pod>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub set: Arc<DaemonSet>,
    /// Pods it owns or might adopt.
    pub candidates: Vec<Arc<Pod>>,
    /// Revisions it owns.
    pub revisions: Vec<Arc<ControllerRevision>>,
    pub nodes: Vec<Arc<Node>>,
}

impl Controller for DaemonSets {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let set = self.sets.get(key)?;
        let candidates = candidates(set.as_ref(), &self.pods);
        let mut revisions = self.revisions.by_index(BY_OWNER_OR_ORPHAN, &set.metadata.uid);
        revisions.sort_by_key(|revision| revision.revision);
        let mut nodes = self.nodes.list();
        nodes.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        Some(Inputs { set, candidates, revisions, nodes })
    }

    fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
        plan::plan(inputs, now)
    }

    fn conclude(inputs: &Inputs, _: &Outcome, now: Timestamp) -> Vec<Action> {
        status::conclude(inputs, now)
    }
}
