//! Deployments, with their old and new replica sets.

use serde_json::Value;

use super::read::{controller_uid, number, present, scalar_or, selector_text};
use super::template::{self, conditions_with_reasons};
use super::{Around, Page};
use crate::{Result, values};

/// The label that tells the pods of replica sets apart.
const HASH: &str = "pod-template-hash";

/// Writes the page of a deployment.
pub fn describe(object: &Value, around: &Around, page: &mut Page) -> Result<()> {
    let status = |field: &str| number(object, &format!("/status/{field}"));
    page.field(0, "Name", values::name(object));
    page.field(0, "Namespace", values::namespace(object));
    page.field(0, "CreationTimestamp", page.time(object, "/metadata/creationTimestamp"));
    page.metadata_maps(object);
    page.field(0, "Selector", selector_text(object, "/spec/selector"));
    page.field(
        0,
        "Replicas",
        format!(
            "{} desired | {} updated | {} total | {} available | {} unavailable",
            number(object, "/spec/replicas"),
            status("updatedReplicas"),
            status("replicas"),
            status("availableReplicas"),
            status("unavailableReplicas")
        ),
    );
    page.field(0, "StrategyType", values::text(object, "/spec/strategy/type"));
    page.field(0, "MinReadySeconds", number(object, "/spec/minReadySeconds"));
    if present(object, "/spec/strategy/rollingUpdate") {
        let most = |field: &str| scalar_or(object, &format!("/spec/strategy/rollingUpdate/{field}"), "<nil>");
        let text = format!("{} max unavailable, {} max surge", most("maxUnavailable"), most("maxSurge"));
        page.field(0, "RollingUpdateStrategy", text);
    }
    template::describe(object, "/spec/template", page);
    conditions_with_reasons(object, page);
    let (old, new) = replica_sets(object, &around.replica_sets);
    if !old.is_empty() || new.is_some() {
        page.field(0, "OldReplicaSets", shown(&old));
        page.field(0, "NewReplicaSet", shown(new.as_slice()));
    }
    Ok(())
}

/// The deployment's own replica sets: the old ones, and the one that has its template, which is the oldest of those.
pub fn replica_sets<'s>(object: &Value, sets: &'s [Value]) -> (Vec<&'s Value>, Option<&'s Value>) {
    let uid = values::text(object, "/metadata/uid");
    let mut own: Vec<&Value> = sets.iter().filter(|set| controller_uid(set) == Some(uid)).collect();
    let order = |set: &&Value| {
        (values::text(set, "/metadata/creationTimestamp").to_owned(), values::name(set).to_owned())
    };
    own.sort_by_key(order);
    let template = without_hash(object);
    let new = own.iter().copied().find(|set| without_hash(set) == template);
    let old = own.into_iter().filter(|set| new.is_none_or(|new| !std::ptr::eq(*set, new)));
    (old.collect(), new)
}

fn without_hash(object: &Value) -> Value {
    let mut template = object.pointer("/spec/template").cloned().unwrap_or_default();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.shift_remove(HASH);
        if labels.is_empty()
            && let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.shift_remove("labels");
        }
    }
    template
}

fn shown(sets: &[&Value]) -> String {
    let each = sets.iter().map(|set| {
        let (have, want) = (number(set, "/status/replicas"), number(set, "/spec/replicas"));
        format!("{} ({have}/{want} replicas created)", values::name(set))
    });
    super::read::or_none(&each.collect::<Vec<_>>().join(", ")).to_owned()
}
