//! Decides what the annotation of a node says.

use api_types::core::v1::Node;
use client::Patch;
use runtime::{Action, Plan};
use serde_json::json;

const TTL: &str = "node.alpha.kubernetes.io/ttl";
/// Fewest and most nodes of each step, and its seconds. They overlap, so that a node more or less does not
/// change the step to and fro.
const STEPS: [(usize, usize, u32); 5] =
    [(0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, usize::MAX, 300)];

/// Writes the annotation when it differs. What it says is also the memory of the step.
pub(super) fn plan(node: &Node, count: usize) -> Plan {
    if node.metadata.deletion_timestamp.is_some() {
        return Plan::nothing();
    }
    let known = node.metadata.annotations.get(TTL);
    let wanted = seconds(known.and_then(|text| text.parse().ok()), count).to_string();
    if known == Some(&wanted) {
        return Plan::nothing();
    }
    let patch = json!({"metadata": {"uid": node.metadata.uid, "annotations": {TTL: wanted}}});
    Plan::of(vec![Action::patch(node, Patch::Strategic(patch))])
}

/// Stays with the step of `known` while the number of nodes allows.
fn seconds(known: Option<u32>, count: usize) -> u32 {
    let fits = |(least, most, _): &&(usize, usize, u32)| (*least..=*most).contains(&count);
    let stays = STEPS.iter().filter(fits).find(|(_, _, seconds)| known == Some(*seconds));
    stays.or_else(|| STEPS.iter().find(fits)).map_or(0, |(_, _, seconds)| *seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(known: Option<&str>, count: usize, expected: Option<&str>) {
        let mut node = Node::default();
        if let Some(known) = known {
            node.metadata.annotations.insert(TTL.into(), known.into());
        }
        let plan = plan(&node, count);
        let action = plan.actions().next();
        let said = action.and_then(|action| action.patched()).map(|(_, _, patch)| {
            patch.value()["metadata"]["annotations"][TTL].as_str().unwrap_or_default().to_owned()
        });
        assert_eq!(said.as_deref(), expected, "{known:?} {count}");
    }

    #[test]
    fn the_time_grows_with_the_cluster() {
        check(None, 1, Some("0"));
        check(Some("0"), 100, None);
        check(Some("0"), 101, Some("15"));
        check(Some("15"), 95, None);
        check(Some("15"), 89, Some("0"));
        check(Some("nonsense"), 95, Some("0"));
        check(Some("300"), 5000, None);
        check(Some("0"), 1500, Some("60"));
    }

    #[test]
    fn a_going_node_is_left_alone() {
        let mut node = Node::default();
        node.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".parse().unwrap());
        assert!(plan(&node, 5).is_empty());
    }
}
