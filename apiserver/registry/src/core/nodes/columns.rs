//! Table columns of nodes.

use crate::columns::{Column, Row, age_of, cells, or};
use api_types::core::v1::Node;
use std::collections::BTreeSet;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text("Status", "The status of the node"),
    Column::text("Roles", "The roles of the node"),
    Column::AGE,
    Column::field("Version", "k8s.io.api.core.v1.NodeSystemInfo", "kubeletVersion"),
    Column::field("Internal-IP", "k8s.io.api.core.v1.NodeStatus", "addresses").wide(),
    Column::field("External-IP", "k8s.io.api.core.v1.NodeStatus", "addresses").wide(),
    Column::field("OS-Image", "k8s.io.api.core.v1.NodeSystemInfo", "osImage").wide(),
    Column::field("Kernel-Version", "k8s.io.api.core.v1.NodeSystemInfo", "kernelVersion").wide(),
    Column::field("Container-Runtime", "k8s.io.api.core.v1.NodeSystemInfo", "containerRuntimeVersion").wide(),
];

/// A node as a row.
pub fn row(node: &Node, now: jiff::Timestamp) -> Row {
    let mut status = match node.status.conditions.iter().rfind(|condition| condition.type_ == "Ready") {
        Some(ready) if ready.status == "True" => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if node.spec.unschedulable {
        status.push_str(",SchedulingDisabled");
    }
    let mut roles = BTreeSet::new();
    for (key, value) in &node.metadata.labels {
        match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) if !role.is_empty() => {
                roles.insert(role);
            }
            None if key == "kubernetes.io/role" && !value.is_empty() => {
                roles.insert(value.as_str());
            }
            _ => {}
        }
    }
    let address = |type_: &str| {
        node.status
            .addresses
            .iter()
            .find(|address| address.type_ == type_)
            .map_or("<none>", |address| address.address.as_str())
    };
    let info = &node.status.node_info;
    let mut kernel = or(&info.kernel_version, "<unknown>").to_owned();
    if !info.architecture.is_empty() {
        kernel = format!("{kernel} ({})", info.architecture);
    }
    cells![
        node.metadata.name.as_str(),
        status,
        or(&roles.into_iter().collect::<Vec<_>>().join(","), "<none>"),
        age_of(&node.metadata, now),
        info.kubelet_version.as_str(),
        address("InternalIP"),
        address("ExternalIP"),
        or(&info.os_image, "<unknown>"),
        kernel,
        or(&info.container_runtime_version, "<unknown>"),
    ]
}
