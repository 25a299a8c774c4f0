//! What the status of a DaemonSet says.

use api_types::apps::v1::DaemonSetStatus;
use jiff::Timestamp;
use rules::core::v1::pod::meaning::{is_available, is_ready};
use runtime::Action;

use super::gather::Inputs;
use super::nodes::suits;
use super::plan::{by_node, claimed};
use crate::revisions;

/// The new status, when it differs.
pub(super) fn conclude(inputs: &Inputs, now: Timestamp) -> Vec<Action> {
    let set = inputs.set.as_ref();
    let Some(claim) = claimed(inputs) else { return Vec::new() };
    let data = revisions::revision_data(&set.spec.template);
    let current =
        revisions::equal(&inputs.revisions, &data).map(|revision| revisions::hash_of(revision).to_owned());
    let by_node = by_node(&claim.owned);
    let mut status = DaemonSetStatus {
        observed_generation: set.metadata.generation,
        collision_count: set.status.collision_count,
        conditions: set.status.conditions.clone(),
        ..DaemonSetStatus::default()
    };
    for node in &inputs.nodes {
        let daemons = by_node.get(&node.metadata.name).map(Vec::as_slice).unwrap_or_default();
        if !suits(set, node).run {
            status.number_misscheduled += i32::from(!daemons.is_empty());
            continue;
        }
        status.desired_number_scheduled += 1;
        // The oldest one that is not going speaks for the node.
        let mut daemons: Vec<_> = daemons.iter().collect();
        daemons
            .sort_by_key(|pod| (pod.metadata.deletion_timestamp.is_some(), pod.metadata.creation_timestamp));
        let Some(daemon) = daemons.first() else { continue };
        status.current_number_scheduled += 1;
        let going = daemon.metadata.deletion_timestamp.is_some();
        status.number_ready += i32::from(is_ready(daemon) && !going);
        status.number_available += i32::from(is_available(daemon, set.spec.min_ready_seconds, now) && !going);
        let hash = daemon.metadata.labels.get(revisions::REVISION_HASH);
        status.updated_number_scheduled += i32::from(current.is_some() && hash == current.as_ref());
    }
    status.number_unavailable = status.desired_number_scheduled - status.number_available;
    if status == set.status {
        return Vec::new();
    }
    let mut set = set.clone();
    set.status = status;
    vec![Action::replace_status(set)]
}
