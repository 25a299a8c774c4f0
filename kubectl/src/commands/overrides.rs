//! `--overrides`: changes to a generated object before it is sent.

use client::Patch;
use machinery::codec::yaml;
use serde_json::Value;

use super::patch_locally;
use crate::Result;
use crate::error::message;

/// `--overrides` and `--override-type`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OverrideArgs {
    /// An inline JSON override for the generated object
    #[arg(long, default_value = "")]
    pub overrides: String,
    /// The method used to override the generated object: json, merge, or strategic
    #[arg(long, default_value = "merge")]
    pub override_type: String,
}

impl OverrideArgs {
    /// The object with the changes.
    pub fn apply(&self, object: Value) -> Result<Value> {
        if self.overrides.is_empty() {
            return Ok(object);
        }
        let read = || {
            yaml::from_str(&self.overrides)
                .map_err(|error| message(format!("invalid overrides {:?}: {error}", self.overrides)))
        };
        let patch = match self.override_type.as_str() {
            "json" => Patch::Json(read()?),
            "merge" | "" => Patch::Merge(read()?),
            "strategic" => Patch::Strategic(read()?),
            other => return Err(message(format!("invalid override type: {other}"))),
        };
        patch_locally(&object, &patch)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn overrides_are_patches() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        let check = |kind: &str, overrides: &str, pointer: &str, expected: Value| {
            let args = OverrideArgs { overrides: overrides.to_owned(), override_type: kind.to_owned() };
            let made = args.apply(pod.clone()).expect("a sound override");
            assert_eq!(made.pointer(pointer), Some(&expected), "{kind}");
        };
        check("merge", r#"{"spec": {"nodeName": "n"}}"#, "/spec/nodeName", json!("n"));
        check("json", r#"[{"op": "add", "path": "/spec/x", "value": 1}]"#, "/spec/x", json!(1));
        let by_name = r#"{"spec": {"containers": [{"name": "b", "image": "i"}]}}"#;
        check("strategic", by_name, "/spec/containers", json!([{"name": "a"}, {"name": "b", "image": "i"}]));
        let wrong = OverrideArgs { overrides: "{}".to_owned(), override_type: "x".to_owned() };
        assert_eq!(
            wrong.apply(pod.clone()).expect_err("refused").report(),
            "error: invalid override type: x"
        );
    }
}
