//! What a profile adds to a container for debugging, and to its pod (`kubectl/pkg/cmd/debug/profiles.go`).

use serde_json::{Value, json};

use crate::Result;
use crate::error::message;
use crate::values;

/// How a container for debugging comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// In a running pod.
    Ephemeral,
    /// In a copy of a pod.
    Copy,
    /// In a pod of its own on a node.
    Node,
}

/// What a copy keeps of the pod.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    pub labels: bool,
    pub annotations: bool,
    pub liveness: bool,
    pub readiness: bool,
    pub startup: bool,
    pub init_containers: bool,
}

/// The profiles' names.
const NAMES: [&str; 6] = ["legacy", "general", "baseline", "restricted", "netadmin", "sysadmin"];

/// Refuses a profile there is not.
pub fn check(name: &str) -> Result<()> {
    if NAMES.contains(&name) {
        return Ok(());
    }
    Err(message(format!("unknown profile: {name}")))
}

/// The container of that name, of any sort.
pub fn container_mut<'v>(pod: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    let spec = pod.get_mut("spec")?.as_object_mut()?;
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    spec.iter_mut()
        .filter(|(field, _)| lists.contains(&field.as_str()))
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
        .find(|container| values::text(container, "/name") == name)
}

/// Applies a profile to the container of that name.
pub fn apply(profile: &str, keep: Keep, style: Style, pod: &mut Value, name: &str) {
    let add = |container: &mut Value, more: &[&str]| {
        let capabilities = values::map_at(container, &["securityContext", "capabilities"]);
        let list = capabilities.entry("add").or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.extend(more.iter().map(|name| Value::from(*name)));
        }
    };
    let clear = |container: &mut Value| {
        if let Some(fields) = container.as_object_mut() {
            fields.shift_remove("securityContext");
        }
    };
    if let Some(container) = container_mut(pod, name) {
        match (profile, style) {
            ("general", Style::Node) | ("baseline", _) => clear(container),
            ("general", _) => add(container, &["SYS_PTRACE"]),
            ("netadmin", _) => add(container, &["NET_ADMIN", "NET_RAW"]),
            ("sysadmin", _) => {
                values::map_at(container, &["securityContext"]).insert("privileged".to_owned(), true.into());
            }
            ("restricted", _) => {
                container["securityContext"] = json!({"runAsNonRoot": true, "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}});
            }
            _ => {}
        }
    }
    match style {
        Style::Ephemeral => {}
        Style::Copy if profile == "legacy" => {
            values::map_at(pod, &["metadata"]).shift_remove("labels");
        }
        Style::Copy => reduce(pod, keep),
        Style::Node => {
            if matches!(profile, "legacy" | "general" | "sysadmin") {
                mount_root(pod, name);
            }
            if matches!(profile, "legacy" | "general" | "sysadmin" | "netadmin") {
                let spec = values::map_at(pod, &["spec"]);
                for field in ["hostNetwork", "hostPID", "hostIPC"] {
                    spec.insert(field.to_owned(), true.into());
                }
            }
        }
    }
}

/// Takes from a copy what is not to be kept, and lets its containers see each other's processes.
fn reduce(pod: &mut Value, keep: Keep) {
    let metadata = values::map_at(pod, &["metadata"]);
    for (field, kept) in [("labels", keep.labels), ("annotations", keep.annotations)] {
        if !kept {
            metadata.shift_remove(field);
        }
    }
    let spec = values::map_at(pod, &["spec"]);
    if !keep.init_containers {
        spec.shift_remove("initContainers");
    }
    spec.entry("shareProcessNamespace").or_insert(Value::Bool(true));
    let containers = spec.get_mut("containers").and_then(Value::as_array_mut).into_iter().flatten();
    for container in containers.filter_map(Value::as_object_mut) {
        let probes =
            [("livenessProbe", keep.liveness), ("readinessProbe", keep.readiness), ("startupProbe", keep.startup)];
        for (field, _) in probes.into_iter().filter(|(_, kept)| !kept) {
            container.shift_remove(field);
        }
    }
}

/// The node's files at `/host`.
fn mount_root(pod: &mut Value, name: &str) {
    let push = |map: &mut serde_json::Map<String, Value>, field: &str, item: Value| {
        let list = map.entry(field).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(item);
        }
    };
    let volume = json!({"name": "host-root", "hostPath": {"path": "/"}});
    push(values::map_at(pod, &["spec"]), "volumes", volume);
    if let Some(container) = container_mut(pod, name).and_then(Value::as_object_mut) {
        push(container, "volumeMounts", json!({"mountPath": "/host", "name": "host-root"}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_change_the_container_and_its_pod() {
        let check = |profile: &str, style: Style, pointer: &str, expected: Value| {
            let mut pod = json!({"metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "d", "livenessProbe": {}}], "initContainers": [{"name": "i"}]}});
            let keep = Keep { init_containers: true, ..Keep::default() };
            apply(profile, keep, style, &mut pod, "d");
            assert_eq!(pod.pointer(pointer).cloned().unwrap_or_default(), expected, "{profile} {style:?} {pointer}");
        };
        let security = "/spec/containers/0/securityContext";
        check("general", Style::Ephemeral, security, json!({"capabilities": {"add": ["SYS_PTRACE"]}}));
        check("general", Style::Copy, "/spec/shareProcessNamespace", json!(true));
        check("general", Style::Copy, "/metadata/labels", Value::Null);
        check("general", Style::Copy, "/spec/containers/0/livenessProbe", Value::Null);
        check("general", Style::Copy, "/spec/initContainers/0/name", json!("i"));
        check("general", Style::Node, "/spec/hostPID", json!(true));
        check("general", Style::Node, "/spec/containers/0/volumeMounts/0/mountPath", json!("/host"));
        check("baseline", Style::Node, "/spec/hostPID", Value::Null);
        check("sysadmin", Style::Node, security, json!({"privileged": true}));
        check("netadmin", Style::Ephemeral, security, json!({"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}));
        check("restricted", Style::Ephemeral, &format!("{security}/runAsNonRoot"), json!(true));
        assert!(check_name("x"));
    }

    fn check_name(name: &str) -> bool {
        super::check(name).is_err()
    }
}
