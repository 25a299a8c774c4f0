//! Finding the pod and container that `logs`, `exec`, `attach` and `port-forward` mean.

use serde_json::Value;

use crate::error::message;
use crate::{Factory, Result, resources, values};

/// Annotation that names the container commands take by default.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// The pods behind `name`, `pod/name` or `deployment/name`, newest choice first.
pub async fn pods_of(factory: &Factory, argument: &str) -> Result<Vec<Value>> {
    let pods = factory.resource("pods").await?;
    let (kind, name) = argument.split_once('/').unwrap_or(("pods", argument));
    let found = factory.resource(kind).await?;
    let target = resources::target(factory, found, name)?;
    let object = target.get(factory).await?;
    if target.found.resource == pods.resource {
        return Ok(vec![object]);
    }
    let selector = selector_of(&object)
        .ok_or_else(|| message(format!("cannot get the pods of {}: it selects none", target.shown())))?;
    let params = client::ListParams::default().labels(selector);
    let mut list = resources::list_all(factory, &pods, target.namespace.as_deref(), params).await?;
    // Running and ready pods first, then the oldest, as upstream's ActivePods order.
    list.sort_by_key(|pod| {
        let running = values::text(pod, "/status/phase") == "Running";
        let ready = values::list(pod, "/status/conditions").iter().any(|condition| {
            values::text(condition, "/type") == "Ready" && values::text(condition, "/status") == "True"
        });
        (!running, !ready, values::text(pod, "/metadata/creationTimestamp").to_owned())
    });
    if list.is_empty() {
        return Err(message(format!(
            "timed out waiting for the condition: no pods of {} exist",
            target.shown()
        )));
    }
    Ok(list)
}

/// The label selector of a workload or service.
pub fn selector_of(object: &Value) -> Option<String> {
    let selector = object.pointer("/spec/selector")?.as_object()?;
    let is_label_selector = selector.contains_key("matchLabels") || selector.contains_key("matchExpressions");
    let text = if is_label_selector {
        use machinery::Message as _;
        let typed = machinery::meta::v1::LabelSelector::from_value(&Value::Object(selector.clone())).ok()?;
        machinery::selectors::labels::format_label_selector(Some(&typed))
    } else {
        values::joined(object, "/spec/selector", ",")
    };
    (!text.is_empty() && text != "<none>").then_some(text)
}

/// Names of the containers of a pod, in the order regular, ephemeral, init.
pub fn containers(pod: &Value) -> Vec<&str> {
    let lists = ["/spec/containers", "/spec/ephemeralContainers", "/spec/initContainers"];
    lists
        .into_iter()
        .flat_map(|pointer| values::list(pod, pointer))
        .map(|container| values::text(container, "/name"))
        .collect()
}

/// The container meant: the one named, the annotated one, or the first; with the note upstream prints.
pub fn container(pod: &Value, wanted: Option<&str>) -> Result<(String, Option<String>)> {
    let all = containers(pod);
    if let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) {
        if all.contains(&wanted) {
            return Ok((wanted.to_owned(), None));
        }
        return Err(message(format!("container {wanted} is not valid for pod {}", values::name(pod))));
    }
    let annotated = pod
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(DEFAULT_CONTAINER))
        .and_then(Value::as_str);
    if let Some(name) = annotated.filter(|name| all.contains(name)) {
        return Ok((name.to_owned(), None));
    }
    let Some(first) = values::list(pod, "/spec/containers").first() else {
        return Err(message(format!("pod {} has no containers", values::name(pod))));
    };
    let first = values::text(first, "/name").to_owned();
    let note = (all.len() > 1).then(|| {
        let others: Vec<String> = all
            .iter()
            .map(|name| {
                let is_init = values::list(pod, "/spec/initContainers")
                    .iter()
                    .any(|c| values::text(c, "/name") == *name);
                if is_init { format!("{name} (init)") } else { (*name).to_owned() }
            })
            .collect();
        format!("Defaulted container {first:?} out of: {}", others.join(", "))
    });
    Ok((first, note))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_container_is_named_annotated_or_first() {
        let mut pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]}});
        let (name, note) = container(&pod, None).expect("a container");
        assert_eq!(
            (name.as_str(), note.as_deref()),
            ("a", Some("Defaulted container \"a\" out of: a, b, i (init)"))
        );
        assert!(container(&pod, Some("x")).is_err());
        pod["metadata"]["annotations"] = json!({DEFAULT_CONTAINER: "b"});
        assert_eq!(container(&pod, None).expect("a container"), ("b".to_owned(), None));
    }

    #[test]
    fn selectors_are_read_from_workloads_and_services() {
        let check = |spec: Value, expected: Option<&str>| {
            assert_eq!(selector_of(&json!({"spec": {"selector": spec}})).as_deref(), expected);
        };
        check(json!({"matchLabels": {"a": "b"}}), Some("a=b"));
        check(json!({"a": "b", "c": "d"}), Some("a=b,c=d"));
        check(json!({}), None);
    }
}
