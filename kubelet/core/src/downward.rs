//! What a pod may read about itself: fields, resources, and their text.

use std::collections::BTreeMap;

use api_types::core::v1::{Container, Pod, ResourceFieldSelector};
use machinery::Quantity;

use crate::environment::{divided, divisor_of};
use crate::pod;

/// A field or resource that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownwardError {
    #[error("unsupported fieldPath: {0}")]
    FieldPath(String),
    #[error("fieldPath {0:?} does not support subscript")]
    Subscript(String),
    #[error("container {0} not found")]
    ContainerNotFound(String),
    #[error("unsupported container resource : {0}")]
    Resource(String),
    #[error("the addresses of the node are not known yet")]
    NoHostAddress,
}

/// What the node knows beyond the pod's spec.
#[derive(Clone, Debug, Default)]
pub struct DownwardFacts {
    /// Primary first.
    pub pod_ips: Vec<String>,
    /// Primary first.
    pub host_ips: Vec<String>,
    /// Allocatable resources of the node, the limit of containers that have none.
    pub allocatable: BTreeMap<String, Quantity>,
}

/// The text of a field (`fieldRef`).
pub fn field_value(pod: &Pod, path: &str, facts: &DownwardFacts) -> Result<String, DownwardError> {
    let meta = &pod.metadata;
    if let Some((base, key)) = subscript(path) {
        return match base {
            "metadata.annotations" => Ok(meta.annotations.get(key).cloned().unwrap_or_default()),
            "metadata.labels" => Ok(meta.labels.get(key).cloned().unwrap_or_default()),
            _ => Err(DownwardError::Subscript(path.to_owned())),
        };
    }
    Ok(match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "metadata.labels" => format_map(&meta.labels),
        "metadata.annotations" => format_map(&meta.annotations),
        "spec.nodeName" => pod.spec.node_name.clone(),
        // The older name of the field reads the same.
        "spec.serviceAccountName" | "spec.serviceAccount" => pod.spec.service_account_name.clone(),
        "spec.restartPolicy" => pod.spec.restart_policy.clone(),
        "spec.host" => pod.spec.node_name.clone(),
        "status.hostIP" => facts.host_ips.first().cloned().ok_or(DownwardError::NoHostAddress)?,
        "status.hostIPs" if facts.host_ips.is_empty() => return Err(DownwardError::NoHostAddress),
        "status.hostIPs" => facts.host_ips.join(","),
        "status.podIP" => facts.pod_ips.first().cloned().unwrap_or_default(),
        "status.podIPs" => facts.pod_ips.join(","),
        _ => return Err(DownwardError::FieldPath(path.to_owned())),
    })
}

/// `metadata.labels['key']` as base and key.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (base, rest) = path.strip_suffix("']")?.split_once("['")?;
    Some((base, rest))
}

/// A map as lines `key="value"`, sorted, with Go's quoting.
pub fn format_map(map: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = map.iter().map(|(key, value)| format!("{key}={}", go_quote(value))).collect();
    lines.join("\n")
}

/// Text as Go's `strconv.Quote` writes it.
pub fn go_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\u{b}' => quoted.push_str("\\v"),
            other if (other as u32) < 0x20 || other as u32 == 0x7f => {
                quoted.push_str(&format!("\\x{:02x}", other as u32));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// The text of a container's resource (`resourceFieldRef`), in units of its divisor, rounded up. Limits that are not set
/// are those of the node.
pub fn resource_value(
    pod: &Pod,
    own: Option<&Container>,
    selector: &ResourceFieldSelector,
    facts: &DownwardFacts,
) -> Result<String, DownwardError> {
    let found = if selector.container_name.is_empty() {
        own.cloned()
    } else {
        pod::find_container(pod, &selector.container_name).map(|(_, _, container)| container.into_owned())
    };
    let container = found.ok_or_else(|| DownwardError::ContainerNotFound(selector.container_name.clone()))?;
    let unsupported = || DownwardError::Resource(selector.resource.clone());
    let (list, name) = selector.resource.split_once('.').ok_or_else(unsupported)?;
    let known = matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
    if !known {
        return Err(unsupported());
    }
    let quantity = match list {
        "requests" => container.resources.requests.get(name).cloned(),
        "limits" => {
            container.resources.limits.get(name).filter(|limit| !limit.is_zero()).cloned().or_else(|| {
                let of_pod = pod.spec.resources.as_ref().and_then(|resources| resources.limits.get(name));
                of_pod
                    .or_else(|| facts.allocatable.get(name))
                    .filter(|_| !name.starts_with("hugepages-"))
                    .cloned()
            })
        }
        _ => return Err(unsupported()),
    }
    .unwrap_or_else(|| Quantity("0".to_owned()));
    let divisor = divisor_of(&selector.divisor);
    let value = if name == "cpu" {
        divided(quantity.milli_value(), divisor.milli_value())
    } else {
        divided(quantity.value(), divisor.value())
    };
    Ok(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = "web".into();
        pod.metadata.labels =
            [("b".to_owned(), "x\"y".to_owned()), ("a".to_owned(), "1\n2".to_owned())].into();
        pod.spec.node_name = "node".into();
        let mut container = Container { name: "main".into(), ..Container::default() };
        container.resources.requests = [("cpu".to_owned(), Quantity("1250m".to_owned()))].into();
        container.resources.limits = [("memory".to_owned(), Quantity("1Mi".to_owned()))].into();
        pod.spec.containers = vec![container];
        pod
    }

    fn facts() -> DownwardFacts {
        DownwardFacts {
            pod_ips: vec!["10.0.0.7".into(), "fd00::7".into()],
            host_ips: vec!["192.0.2.1".into()],
            allocatable: [("cpu".to_owned(), Quantity("4".to_owned()))].into(),
        }
    }

    #[test]
    fn fields() {
        let check = |path: &str, expected: Result<&str, &str>| {
            let value = field_value(&pod(), path, &facts()).map_err(|error| error.to_string());
            assert_eq!(value, expected.map(str::to_owned).map_err(str::to_owned), "{path}");
        };
        check("metadata.name", Ok("web"));
        check("metadata.labels", Ok("a=\"1\\n2\"\nb=\"x\\\"y\""));
        check("metadata.labels['b']", Ok("x\"y"));
        check("metadata.annotations['none']", Ok(""));
        check("status.podIPs", Ok("10.0.0.7,fd00::7"));
        check("status.hostIP", Ok("192.0.2.1"));
        check("spec.nodeName", Ok("node"));
        check("spec.tolerations", Err("unsupported fieldPath: spec.tolerations"));
    }

    #[test]
    fn resources() {
        let check = |resource: &str, divisor: &str, expected: Result<&str, &str>| {
            let selector = ResourceFieldSelector {
                container_name: "main".into(),
                resource: resource.into(),
                divisor: Quantity(divisor.into()),
            };
            let value = resource_value(&pod(), None, &selector, &facts()).map_err(|error| error.to_string());
            assert_eq!(value, expected.map(str::to_owned).map_err(str::to_owned), "{resource}/{divisor}");
        };
        check("requests.cpu", "", Ok("2"));
        check("requests.cpu", "1m", Ok("1250"));
        check("limits.cpu", "1", Ok("4"));
        check("limits.memory", "1Ki", Ok("1024"));
        check("requests.memory", "1", Ok("0"));
        check("limits.gpu", "1", Err("unsupported container resource : limits.gpu"));
    }
}
