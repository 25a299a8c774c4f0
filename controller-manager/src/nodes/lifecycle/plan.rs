//! Decides the NoSchedule taints and the legacy labels of a node.

use api_types::core::v1::{Node, Taint};
use client::Patch;
use jiff::Timestamp;
use machinery::Time;
use runtime::{Action, Plan};
use serde_json::{Value, json};

pub(super) const NOT_READY: &str = "node.kubernetes.io/not-ready";
pub(super) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Condition, status, taint key.
const CONDITION_TAINTS: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];

/// Labels of old releases that follow today's.
const LEGACY_LABELS: [(&str, &str); 2] =
    [("kubernetes.io/os", "beta.kubernetes.io/os"), ("kubernetes.io/arch", "beta.kubernetes.io/arch")];

pub(super) fn plan(node: &Node, now: Timestamp) -> Plan {
    if node.metadata.deletion_timestamp.is_some() {
        return Plan::nothing();
    }
    let taints = no_schedule(node, now).map(|taints| taint_patch(node, &taints));
    let labels = legacy_labels(node);
    // The second would fail on the version the first has made, so they follow one another.
    match (taints, labels) {
        (Some(taints), _) => Plan::of(vec![taints]),
        (None, Some(labels)) => Plan::of(vec![labels]),
        (None, None) => Plan::nothing(),
    }
}

/// The taints with those for NoSchedule as the conditions ask, `None` when they are so already.
fn no_schedule(node: &Node, now: Timestamp) -> Option<Vec<Taint>> {
    let has = |kind: &str, status: &str| {
        node.status.conditions.iter().any(|condition| condition.type_ == kind && condition.status == status)
    };
    let mut wanted: Vec<&str> = CONDITION_TAINTS
        .iter()
        .filter(|(kind, status, _)| has(kind, status))
        .map(|(_, _, key)| *key)
        .collect();
    if node.spec.unschedulable {
        wanted.push(UNSCHEDULABLE);
    }
    let ours = |taint: &Taint| {
        taint.effect == "NoSchedule"
            && (taint.key == UNSCHEDULABLE || CONDITION_TAINTS.iter().any(|(_, _, key)| *key == taint.key))
    };
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|key| !node.spec.taints.iter().any(|taint| ours(taint) && taint.key == **key))
        .copied()
        .collect();
    let surplus = node.spec.taints.iter().any(|taint| ours(taint) && !wanted.contains(&taint.key.as_str()));
    if missing.is_empty() && !surplus {
        return None;
    }
    let kept = node.spec.taints.iter().filter(|taint| !ours(taint) || wanted.contains(&taint.key.as_str()));
    let mut taints: Vec<Taint> = kept.cloned().collect();
    taints.extend(missing.into_iter().map(|key| new_taint(key, "NoSchedule", now)));
    Some(taints)
}

pub(super) fn new_taint(key: &str, effect: &str, now: Timestamp) -> Taint {
    let added = Time { nanos: 0, ..Time::from(now) };
    Taint { key: key.to_owned(), effect: effect.to_owned(), time_added: Some(added), ..Taint::default() }
}

/// Replaces all taints, provided the node is still as the cache shows it.
pub(super) fn taint_patch(node: &Node, taints: &[Taint]) -> Action {
    let texts: Vec<Value> = taints
        .iter()
        .map(|taint| {
            let mut text = json!({"key": taint.key, "effect": taint.effect});
            if !taint.value.is_empty() {
                text["value"] = taint.value.as_str().into();
            }
            if let Some(added) = taint.time_added {
                text["timeAdded"] = added.to_string().into();
            }
            text
        })
        .collect();
    let taints = if texts.is_empty() { Value::Null } else { Value::Array(texts) };
    let metadata = json!({"uid": node.metadata.uid, "resourceVersion": node.metadata.resource_version});
    Action::patch(node, Patch::Merge(json!({"metadata": metadata, "spec": {"taints": taints}})))
}

fn legacy_labels(node: &Node) -> Option<Action> {
    let labels = &node.metadata.labels;
    let missing: serde_json::Map<String, Value> = LEGACY_LABELS
        .iter()
        .filter_map(|(today, legacy)| Some((*legacy, labels.get(*today)?)))
        .filter(|(legacy, value)| labels.get(*legacy) != Some(*value))
        .map(|(legacy, value)| (legacy.to_owned(), value.as_str().into()))
        .collect();
    let patch = json!({"metadata": {"uid": node.metadata.uid, "labels": missing}});
    (!missing.is_empty()).then(|| Action::patch(node, Patch::Strategic(patch)))
}
