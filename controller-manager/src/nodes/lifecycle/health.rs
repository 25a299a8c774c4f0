//! What is known of one node's signs of life, and when silence means that it is not known how it is.

use api_types::coordination::v1::Lease;
use api_types::core::v1::{Node, NodeCondition};
use jiff::{SignedDuration, Timestamp};
use machinery::{MicroTime, Time};

/// The conditions that become unknown when a kubelet falls silent.
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// The last signs of life, by this process' own clock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Health {
    /// When the last sign was seen.
    pub probe: Timestamp,
    /// Heartbeat of the Ready condition then; none when there was no such condition.
    heartbeat: Option<Time>,
    /// Renewal of the lease then.
    renewal: Option<MicroTime>,
}

/// How long silence is borne.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Of a node that has reported before.
    pub running: SignedDuration,
    /// Of one that has not.
    pub starting: SignedDuration,
}

/// What a look at one node has shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// To be remembered.
    pub health: Health,
    /// Status of the Ready condition as it was found (`Unknown` when there is none).
    pub found: String,
    /// The same after silence was judged; none when the node has not reported yet but still may.
    pub current: Option<String>,
    /// Conditions to write, because silence lasted too long.
    pub unknown: Vec<NodeCondition>,
}

/// Looks at one node.
pub(super) fn look(
    known: Option<&Health>,
    node: &Node,
    lease: Option<&Lease>,
    patience: Patience,
    now: Timestamp,
) -> Seen {
    let ready = condition(node, "Ready");
    let created = node.metadata.creation_timestamp.to_timestamp().unwrap_or(now);
    let heartbeat = ready.map(|ready| ready.last_heartbeat_time);
    let mut health = match known {
        // Nothing was reported yet: the wait counts from the node's creation.
        None if ready.is_none() => Health { probe: created, heartbeat, renewal: None },
        None => Health { probe: now, heartbeat, renewal: None },
        Some(known) if known.heartbeat != heartbeat => {
            Health { probe: now, heartbeat, renewal: known.renewal }
        }
        Some(known) => known.clone(),
    };
    let renewal = lease.and_then(|lease| lease.spec.renew_time);
    if let Some(renewal) = renewal
        && health.renewal.is_none_or(|known| (known.seconds, known.nanos) < (renewal.seconds, renewal.nanos))
    {
        health.renewal = Some(renewal);
        health.probe = now;
    }
    let grace = if ready.is_some() { patience.running } else { patience.starting };
    let found = ready.map_or("Unknown", |ready| ready.status.as_str()).to_owned();
    if now.duration_since(health.probe) <= grace {
        return Seen { health, found, current: ready.map(|ready| ready.status.clone()), unknown: Vec::new() };
    }
    let unknown: Vec<NodeCondition> =
        CONDITIONS.iter().filter_map(|kind| silenced(node, kind, now)).collect();
    // As upstream: nothing is written unless Ready itself changes.
    let changes_ready = unknown.iter().any(|condition| condition.type_ == "Ready");
    let unknown = if changes_ready { unknown } else { Vec::new() };
    Seen { health, found, current: Some("Unknown".to_owned()), unknown }
}

/// The condition as silence makes it, `None` when it is so already.
fn silenced(node: &Node, kind: &str, now: Timestamp) -> Option<NodeCondition> {
    let since = Time { nanos: 0, ..Time::from(now) };
    match condition(node, kind) {
        None => Some(NodeCondition {
            type_: kind.to_owned(),
            status: "Unknown".to_owned(),
            reason: "NodeStatusNeverUpdated".to_owned(),
            message: "Kubelet never posted node status.".to_owned(),
            last_heartbeat_time: node.metadata.creation_timestamp,
            last_transition_time: since,
        }),
        Some(known) if known.status != "Unknown" => Some(NodeCondition {
            status: "Unknown".to_owned(),
            reason: "NodeStatusUnknown".to_owned(),
            message: "Kubelet stopped posting node status.".to_owned(),
            last_transition_time: since,
            ..known.clone()
        }),
        Some(_) => None,
    }
}

pub(super) fn condition<'a>(node: &'a Node, kind: &str) -> Option<&'a NodeCondition> {
    node.status.conditions.iter().find(|condition| condition.type_ == kind)
}
