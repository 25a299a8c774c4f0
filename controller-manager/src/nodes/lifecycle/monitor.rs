//! The look at all nodes: what must be written about silent and bad ones. Free of I/O; the caller writes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api_types::coordination::v1::Lease;
use api_types::core::v1::{Node, NodeCondition, Pod, Taint};
use client::Patch;
use jiff::{SignedDuration, Timestamp};
use machinery::Time;
use rules::core::v1::pod::meaning::is_ready;
use runtime::plan::reference_to;
use runtime::{Action, Note, Plan, Store};
use serde_json::json;

use super::LEASE_NAMESPACE;
use super::health::{self, Health, Patience};
use super::plan::{NOT_READY, UNREACHABLE, new_taint, taint_patch};
use super::zones::{Change, Zones, zone_of};
use crate::context::BY_NODE;
use crate::nodes::{about, status_note};
use crate::options::NodeOptions;

/// Nodes with this label do not count for how a zone fares.
const EXCLUDE_DISRUPTION: &str = "node.kubernetes.io/exclude-disruption";

/// The caches the monitor reads.
pub(super) struct World {
    pub nodes: Store<Node>,
    pub leases: Store<Lease>,
    pub pods: Store<Pod>,
}

/// What the monitor remembers between looks.
pub(super) struct Monitor {
    patience: Patience,
    health: HashMap<String, Health>,
    known: BTreeMap<String, Arc<Node>>,
    zones: Zones,
}

impl Monitor {
    pub(super) fn new(options: &NodeOptions) -> Monitor {
        let signed =
            |duration: std::time::Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        let patience = Patience {
            running: signed(options.node_monitor_grace_period),
            starting: signed(options.node_startup_grace_period),
        };
        Monitor { patience, health: HashMap::new(), known: BTreeMap::new(), zones: Zones::new(options) }
    }

    /// Looks at everything: signs of life, zones, taints, pods of bad nodes.
    pub(super) fn look(&mut self, world: &World, now: Timestamp) -> Plan {
        let mut nodes = world.nodes.list();
        nodes.sort_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
        let mut notes = self.come_and_gone(&nodes);
        let mut actions = Vec::new();
        let mut ready: BTreeMap<String, Vec<bool>> = BTreeMap::new();
        for node in &nodes {
            let name = node.metadata.name.as_str();
            let lease = world.leases.get_by(LEASE_NAMESPACE, name);
            let seen = health::look(self.health.get(name), node, lease.as_deref(), self.patience, now);
            self.health.insert(name.to_owned(), seen.health);
            let is_ready_now = seen.current.as_deref() == Some("True");
            if !node.metadata.labels.contains_key(EXCLUDE_DISRUPTION) {
                ready.entry(zone_of(node)).or_default().push(is_ready_now);
            }
            if !seen.unknown.is_empty() {
                actions.push(condition_patch(node, &seen.unknown));
            }
            if seen.current.is_none() || is_ready_now {
                continue;
            }
            if seen.found == "True" {
                notes.push(status_note(node, "NodeNotReady"));
            }
            for pod in world.pods.by_index(BY_NODE, name).iter().filter(|pod| is_ready(pod)) {
                actions.push(not_ready_patch(pod, now));
                notes.push(Note::warning(reference_to(pod.as_ref()), "NodeNotReady", "Node is not ready"));
            }
        }
        if self.zones.update(&ready, now) == Change::Recovered {
            for health in self.health.values_mut() {
                health.probe = now;
            }
        }
        let mut plan = Plan::of(actions);
        // Taints name a version of the node: they follow when the conditions have reached the cache.
        let settled: Vec<Arc<Node>> = nodes.into_iter().filter(|node| !writes(&plan, node)).collect();
        let taints = self.taint(&settled, now);
        plan.stages.extend(taints.stages);
        plan.notes = notes;
        plan
    }

    /// Events about nodes that are new or gone.
    fn come_and_gone(&mut self, nodes: &[Arc<Node>]) -> Vec<Note> {
        let mut notes = Vec::new();
        let current: BTreeMap<String, Arc<Node>> =
            nodes.iter().map(|node| (node.metadata.name.clone(), Arc::clone(node))).collect();
        for (name, node) in current.iter().filter(|(name, _)| !self.known.contains_key(*name)) {
            let message = format!("Node {name} event: Registered Node {name} in Controller");
            notes.push(Note::normal(about(node), "RegisteredNode", message));
        }
        for (name, node) in self.known.iter().filter(|(name, _)| !current.contains_key(*name)) {
            let message = format!("Node {name} event: Removing Node {name} from Controller");
            notes.push(Note::normal(about(node), "RemovingNode", message));
            self.health.remove(name);
        }
        self.known = current;
        notes
    }

    /// Keeps the NoExecute taints equal to the Ready conditions: wrong ones go at once, new ones come at
    /// the rate of the zone.
    pub(super) fn taint(&mut self, nodes: &[Arc<Node>], now: Timestamp) -> Plan {
        let mut actions = Vec::new();
        for node in nodes {
            let status = health::condition(node, "Ready").map(|ready| ready.status.as_str());
            let wanted = match status {
                _ if self.zones.all_failed() => None,
                Some("False") => Some(NOT_READY),
                Some("Unknown") => Some(UNREACHABLE),
                Some(_) => None,
                None => continue,
            };
            let ours = |taint: &Taint| {
                taint.effect == "NoExecute" && (taint.key == NOT_READY || taint.key == UNREACHABLE)
            };
            let present: Vec<&str> =
                node.spec.taints.iter().filter(|taint| ours(taint)).map(|taint| taint.key.as_str()).collect();
            if present.iter().copied().eq(wanted) {
                continue;
            }
            // Exchanging one for the other evicts nobody who would have stayed.
            let is_new = wanted.is_some() && present.is_empty();
            if is_new && !self.zones.take(&zone_of(node), now) {
                continue;
            }
            let mut taints: Vec<Taint> =
                node.spec.taints.iter().filter(|taint| !ours(taint)).cloned().collect();
            taints.extend(wanted.map(|key| new_taint(key, "NoExecute", now)));
            actions.push(taint_patch(node, &taints));
        }
        Plan::of(actions)
    }
}

fn writes(plan: &Plan, node: &Node) -> bool {
    let mut targets = plan.actions().filter_map(Action::patched);
    targets.any(|(target, _, _)| target.kind.kind == "Node" && target.name == node.metadata.name)
}

fn condition_patch(node: &Node, conditions: &[NodeCondition]) -> Action {
    let conditions: Vec<_> = conditions
        .iter()
        .map(|condition| {
            json!({
                "type": condition.type_, "status": condition.status, "reason": condition.reason,
                "message": condition.message, "lastHeartbeatTime": condition.last_heartbeat_time.to_string(),
                "lastTransitionTime": condition.last_transition_time.to_string(),
            })
        })
        .collect();
    let patch = json!({"metadata": {"uid": node.metadata.uid}, "status": {"conditions": conditions}});
    Action::patch_status(node, Patch::Strategic(patch))
}

fn not_ready_patch(pod: &Pod, now: Timestamp) -> Action {
    let since = Time { nanos: 0, ..Time::from(now) };
    let condition = json!({"type": "Ready", "status": "False", "lastTransitionTime": since.to_string()});
    let patch = json!({"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}});
    Action::patch_status(pod, Patch::Strategic(patch))
}
