//! What a kubelet may make of nodes: its own, without what steers pods to it.

use std::collections::{BTreeMap, BTreeSet};

use api_types::core::v1::Node;

use super::{object_of, old_object_of};
use crate::attributes::{Attributes, Operation};

/// Labels with this namespace are for administrators.
const RESTRICTED: &str = "node-restriction.kubernetes.io";
/// Labels of `kubernetes.io` and `k8s.io` that kubelets may set.
const OF_KUBELETS: [&str; 11] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];
/// Namespaces of such labels in which kubelets may set all.
const NAMESPACES_OF_KUBELETS: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

/// Judges a request about a node or its status.
pub fn judge(node: &str, attributes: &Attributes) -> Result<(), String> {
    if attributes.name != node {
        return Err(format!("node {node:?} is not allowed to modify node {:?}", attributes.name));
    }
    match attributes.operation {
        Operation::Create => judge_create(node, object_of(attributes)?),
        Operation::Update => judge_update(node, object_of(attributes)?, old_object_of(attributes)?),
        Operation::Delete | Operation::Connect => Ok(()),
    }
}

fn judge_create(node: &str, new: &Node) -> Result<(), String> {
    // What a config source refers to, the kubelet could read.
    if new.spec.config_source.is_some() {
        return Err(format!("node {node:?} is not allowed to create pods with a non-nil configSource"));
    }
    let forbidden = forbidden_labels(&new.metadata.labels, &BTreeMap::new());
    if forbidden.is_empty() {
        return Ok(());
    }
    Err(format!("node {node:?} is not allowed to set the following labels: {forbidden}"))
}

fn judge_update(node: &str, new: &Node, old: &Node) -> Result<(), String> {
    // Old kubelets drop the field, which is no attempt to change it.
    if new.spec.config_source.is_some() && new.spec.config_source != old.spec.config_source {
        return Err(format!(
            "node {node:?} is not allowed to update configSource to a new non-nil configSource"
        ));
    }
    if new.spec.taints != old.spec.taints {
        return Err(format!("node {node:?} is not allowed to modify taints"));
    }
    if new.metadata.owner_references != old.metadata.owner_references {
        return Err(format!("node {node:?} is not allowed to modify ownerReferences"));
    }
    let forbidden = forbidden_labels(&new.metadata.labels, &old.metadata.labels);
    if forbidden.is_empty() {
        return Ok(());
    }
    Err(format!("is not allowed to modify labels: {forbidden}"))
}

/// The labels that differ and that kubelets may not touch, joined by commas.
fn forbidden_labels(new: &BTreeMap<String, String>, old: &BTreeMap<String, String>) -> String {
    let keys: BTreeSet<&String> = new.keys().chain(old.keys()).collect();
    let changed = keys.into_iter().filter(|key| new.get(*key) != old.get(*key));
    let forbidden: Vec<&str> = changed.map(String::as_str).filter(|key| is_forbidden(key)).collect();
    forbidden.join(", ")
}

fn is_forbidden(key: &str) -> bool {
    let namespace = key.split_once('/').map_or("", |(namespace, _)| namespace);
    let reserved = ["kubernetes.io", "k8s.io"].iter().any(|domain| is_within(namespace, domain));
    let of_kubelets = OF_KUBELETS.contains(&key)
        || NAMESPACES_OF_KUBELETS.iter().any(|domain| is_within(namespace, domain));
    is_within(namespace, RESTRICTED) || (reserved && !of_kubelets)
}

fn is_within(namespace: &str, domain: &str) -> bool {
    namespace.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
