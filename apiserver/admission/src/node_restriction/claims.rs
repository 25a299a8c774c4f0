//! What a kubelet may make of claims: how far the volume has grown, and nothing else.

use api_types::core::v1::PersistentVolumeClaim;
use machinery::Message;
use serde_json::Value;

use super::{object_of, old_object_of};
use crate::attributes::{Attributes, Operation};

/// Judges a change of the status of a claim.
pub fn judge_status(node: &str, attributes: &Attributes) -> Result<(), String> {
    if attributes.operation != Operation::Update {
        return Err(format!("unexpected operation {:?}", attributes.operation.name()));
    }
    let old = without_growth(old_object_of(attributes)?);
    let new = without_growth(object_of(attributes)?);
    if old == new {
        return Ok(());
    }
    let mut changed = Vec::new();
    differences("", &old.to_value(), &new.to_value(), &mut changed);
    Err(format!(
        "node {node:?} is not allowed to update fields other than status.quantity and status.conditions: {}",
        changed.join(", ")
    ))
}

/// The claim without what a kubelet may change, and without what the server does.
fn without_growth(claim: &PersistentVolumeClaim) -> PersistentVolumeClaim {
    let mut claim = claim.clone();
    claim.metadata.resource_version.clear();
    claim.metadata.managed_fields.clear();
    claim.status.capacity.clear();
    claim.status.conditions.clear();
    claim.status.allocated_resources.clear();
    claim.status.allocated_resource_statuses.clear();
    claim
}

/// Paths of the fields that differ.
fn differences(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                let missing = Value::Null;
                let (old, new) = (old.get(key).unwrap_or(&missing), new.get(key).unwrap_or(&missing));
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differences(&path, old, new, found);
            }
        }
        (old, new) if old != new => found.push(path.to_owned()),
        _ => {}
    }
}
