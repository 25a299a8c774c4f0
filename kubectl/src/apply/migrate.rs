//! From client-side to server-side apply: the fields of the manager that wrote the last-applied annotation become
//! those of the server-side manager, so that fields which leave the manifest are removed (`client-go/util/csaupgrade`).

use serde_json::{Map, Value, json};

use super::LAST_APPLIED;
use crate::values;

/// Whether the entry of a manager owns the last-applied annotation.
fn owns_annotation(entry: &Value) -> bool {
    let annotations = entry.pointer("/fieldsV1/f:metadata/f:annotations");
    annotations.is_some_and(|annotations| annotations.get(format!("f:{LAST_APPLIED}")).is_some())
}

fn is_of(entry: &Value, operation: &str) -> bool {
    values::text(entry, "/operation") == operation && values::text(entry, "/subresource").is_empty()
}

/// Whether a server-side manager has the annotation already.
pub fn annotation_is_applied(object: &Value) -> bool {
    let entries = values::list(object, "/metadata/managedFields").iter();
    entries.filter(|entry| values::text(entry, "/operation") == "Apply").any(owns_annotation)
}

/// The patch that hands the fields over to `manager`; none when there is nothing to hand over.
pub fn patch(object: &Value, manager: &str) -> Option<Value> {
    let before = values::list(object, "/metadata/managedFields");
    let mut entries = before.to_vec();
    let old: Vec<String> = entries
        .iter()
        .filter(|entry| values::text(entry, "/operation") == "Update" && owns_annotation(entry))
        .map(|entry| values::text(entry, "/manager").to_owned())
        .collect();
    for name in old {
        let is_old = |entry: &Value| is_of(entry, "Update") && values::text(entry, "/manager") == name;
        let is_new = |entry: &Value| is_of(entry, "Apply") && values::text(entry, "/manager") == manager;
        let Some(at) = entries.iter().position(is_new).or_else(|| entries.iter().position(is_old)) else {
            continue;
        };
        let same_version =
            entries.get(at).map(|entry| values::text(entry, "/apiVersion").to_owned()).unwrap_or_default();
        let fields = entries
            .iter()
            .find(|entry| is_old(entry) && values::text(entry, "/apiVersion") == same_version)
            .and_then(|entry| entry.get("fieldsV1").cloned());
        if let Some(target) = entries.get_mut(at) {
            target["operation"] = "Apply".into();
            target["manager"] = manager.into();
            if let (Some(Value::Object(more)), Some(own)) =
                (fields, target.get_mut("fieldsV1").and_then(Value::as_object_mut))
            {
                unite(own, more);
            }
        }
        entries.retain(|entry| !is_old(entry));
    }
    (entries != before).then(|| {
        json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
            // A replacement rather than a test, so that a change in between is a conflict.
            {"op": "replace", "path": "/metadata/resourceVersion", "value": values::text(object, "/metadata/resourceVersion")}
        ])
    })
}

/// Adds the fields of one set to another.
fn unite(own: &mut Map<String, Value>, more: Map<String, Value>) {
    for (key, value) in more {
        match (own.get_mut(&key), value) {
            (Some(Value::Object(own)), Value::Object(more)) => unite(own, more),
            (Some(_), _) => {}
            (None, value) => {
                own.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_handed_over() {
        let annotation = json!({"f:annotations": {format!("f:{LAST_APPLIED}"): {}}});
        let object = json!({"metadata": {"resourceVersion": "7", "managedFields": [
            {"manager": "kubectl", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:a": {}}}},
            {"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "v1",
                "fieldsV1": {"f:data": {"f:b": {}}, "f:metadata": annotation}},
            {"manager": "other", "operation": "Update", "apiVersion": "v1", "fieldsV1": {}}]}});
        let patch = patch(&object, "kubectl").expect("something to hand over");
        let entries = &patch[0]["value"];
        assert_eq!(entries.as_array().map(Vec::len), Some(2));
        assert_eq!(entries[0]["fieldsV1"]["f:data"], json!({"f:a": {}, "f:b": {}}));
        assert_eq!(entries[1]["manager"], "other");
        assert_eq!(patch[1]["value"], "7");
        let after = json!({"metadata": {"managedFields": entries}});
        assert_eq!(super::patch(&after, "kubectl"), None);
        assert!(annotation_is_applied(&after) && !annotation_is_applied(&object));
    }
}
