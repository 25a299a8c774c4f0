//! Decides what is written into a node.

use std::time::Duration;

use client::Patch;
use runtime::{Action, Plan};
use serde_json::json;

use super::gather::Inputs;
use crate::nodes::status_note;

/// A full cluster is looked at again: a node may have gone.
const FULL_RETRY: Duration = Duration::from_secs(30);

pub(super) fn plan(inputs: &Inputs) -> Plan {
    let node = inputs.node.as_ref();
    if !node.spec.pod_cidrs.is_empty() {
        return Plan::nothing();
    }
    let Some(first) = inputs.reserved.as_ref().and_then(|ranges| ranges.first()) else {
        return Plan::nothing().note(status_note(node, "CIDRNotAvailable")).requeue_after(FULL_RETRY);
    };
    let all: Vec<String> = inputs.reserved.iter().flatten().map(ToString::to_string).collect();
    let patch = json!({
        "metadata": {"uid": node.metadata.uid},
        "spec": {"podCIDR": first.to_string(), "podCIDRs": all},
    });
    let failed = status_note(node, "CIDRAssignmentFailed");
    Plan::of(vec![Action::patch(node, Patch::Strategic(patch)).on_failure(failed)])
}
