//! Bringing live objects to what manifests say: client-side three-way patches with the last-applied
//! annotation (`kubectl/pkg/cmd/apply/patcher.go`).

pub mod migrate;

use machinery::patch::{merge, strategic};
use serde_json::Value;

use crate::error::message;
use crate::{Result, values};

/// Annotation with the manifest that was applied last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The manifest as it is remembered: without the annotation itself, keys sorted, a newline at the end.
pub fn remembered(manifest: &Value) -> String {
    let mut bare = manifest.clone();
    if let Some(annotations) = bare.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove(LAST_APPLIED);
    }
    values::map_at(&mut bare, &["metadata", "annotations"]);
    format!("{}\n", crate::print::structured::compact_json(&bare))
}

/// The manifest with the annotation that remembers it.
pub fn with_last_applied(manifest: &Value) -> Value {
    let mut annotated = manifest.clone();
    let text = remembered(manifest);
    values::map_at(&mut annotated, &["metadata", "annotations"]).insert(LAST_APPLIED.to_owned(), text.into());
    annotated
}

/// What was applied last, when the live object remembers it.
pub fn last_applied(live: &Value) -> Result<Option<Value>> {
    let text = live.pointer("/metadata/annotations").and_then(|annotations| annotations.get(LAST_APPLIED));
    match text.and_then(Value::as_str) {
        None => Ok(None),
        Some(text) => serde_json::from_str(text)
            .map(Some)
            .map_err(|error| message(format!("unable to read the {LAST_APPLIED} annotation: {error}"))),
    }
}

/// The patch that brings `live` to `manifest`, of the kind the server takes for it; empty when nothing is to do.
///
/// # Errors
/// When the annotation is unreadable or the objects contradict each other.
pub fn patch(manifest: &Value, live: &Value, overwrite: bool) -> Result<client::Patch> {
    let original = last_applied(live)?.unwrap_or(Value::Null);
    let modified = with_last_applied(manifest);
    let failed = |error: String| {
        message(format!(
            "creating patch with:\noriginal:\n{original}\nmodified:\n{modified}\ncurrent:\n{live}\nfor: {error}"
        ))
    };
    let (group, version) = values::group_version(manifest);
    match api_types::facts::kind(group, version, values::text(manifest, "/kind")) {
        Some(facts) => {
            let patch = strategic::create_three_way(
                &original,
                &modified,
                live,
                facts.schema,
                overwrite,
                &[
                    &strategic::key_unchanged("apiVersion"),
                    &strategic::key_unchanged("kind"),
                    &strategic::metadata_key_unchanged("name"),
                ],
            );
            patch.map(client::Patch::Strategic).map_err(|error| failed(error.to_string()))
        }
        None => {
            let patch = merge::create_three_way(
                &original,
                &modified,
                live,
                &[
                    &strategic::key_unchanged("apiVersion"),
                    &strategic::key_unchanged("kind"),
                    &strategic::metadata_key_unchanged("name"),
                ],
            );
            patch.map(client::Patch::Merge).map_err(|error| failed(error.to_string()))
        }
    }
}

/// Whether a patch changes nothing.
pub fn is_empty(patch: &client::Patch) -> bool {
    patch.value().as_object().is_some_and(serde_json::Map::is_empty)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_annotation_is_upstreams() {
        let manifest =
            json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "<"}});
        let annotated = with_last_applied(&manifest);
        assert_eq!(
            annotated["metadata"]["annotations"][LAST_APPLIED],
            "{\"apiVersion\":\"v1\",\"data\":{\"k\":\"\\u003c\"},\"kind\":\"ConfigMap\",\"metadata\":{\"annotations\":{},\"name\":\"a\"}}\n"
        );
        assert_eq!(with_last_applied(&annotated), annotated);
    }

    #[test]
    fn fields_that_left_the_manifest_are_removed() {
        let first = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1", "y": "2"}});
        let mut live = with_last_applied(&first);
        live["data"]["server"] = "kept".into();
        assert!(is_empty(&patch(&first, &live, true).expect("a patch")));
        let second =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "3"}});
        let made = patch(&second, &live, true).expect("a patch");
        assert_eq!(made.value()["data"], json!({"x": "3", "y": null}));
        assert!(matches!(made, client::Patch::Strategic(_)));
    }
}
