//! What users read in events about a resize of a pod's resources.

use api_types::core::v1::{Container, Pod};
use machinery::Message;
use serde_json::{Map, Value, json};

/// `<what>: {…}` with the resources every container is to have. `error` is left out when empty.
pub fn event_message(what: &str, pod: &Pod, generation: i64, error: &str) -> String {
    let list = |containers: &[Container]| -> Value {
        let entry = |container: &Container| {
            let resources = container.resources.to_value();
            let resources = if resources.is_null() { Value::Object(Map::new()) } else { resources };
            json!({"name": container.name, "resources": resources})
        };
        containers.iter().map(entry).collect()
    };
    let mut parts = Vec::new();
    for (name, containers) in
        [("initContainers", &pod.spec.init_containers), ("containers", &pod.spec.containers)]
    {
        if !containers.is_empty() {
            parts.push(format!("\"{name}\":{}", list(containers)));
        }
    }
    parts.push(format!("\"generation\":{generation}"));
    if !error.is_empty() {
        parts.push(format!("\"error\":{}", json!(error)));
    }
    format!("{what}: {{{}}}", parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    #[test]
    fn names_every_container() {
        let pod = pod(r#"{"initContainers":[{"name":"i"}],
            "containers":[{"name":"a","resources":{"requests":{"cpu":"100m"},"limits":{"cpu":"1"}}}]}"#);
        assert_eq!(
            event_message("Pod resize started", &pod, 3, ""),
            r#"Pod resize started: {"initContainers":[{"name":"i","resources":{}}],"containers":[{"name":"a","resources":{"limits":{"cpu":"1"},"requests":{"cpu":"100m"}}}],"generation":3}"#
        );
        let failed = event_message("Pod resize error", &pod, 4, "no \"room\"");
        assert!(failed.ends_with(r#","generation":4,"error":"no \"room\""}"#), "{failed}");
    }
}
