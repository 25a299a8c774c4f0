//! Table columns of pods.

use crate::columns::RowCondition;
use crate::columns::{Column, Row, age_of, cells, or};
use api_types::core::v1::Pod;
use rules::core::v1::pod::state;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text("Ready", "The aggregate readiness state of this pod for accepting traffic."),
    Column::text("Status", "The aggregate status of the containers in this pod."),
    Column::text(
        "Restarts",
        "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
    ),
    Column::AGE,
    Column::field("IP", "k8s.io.api.core.v1.PodStatus", "podIP").wide(),
    Column::field("Node", "k8s.io.api.core.v1.PodSpec", "nodeName").wide(),
    Column::field("Nominated Node", "k8s.io.api.core.v1.PodStatus", "nominatedNodeName").wide(),
    Column::field("Readiness Gates", "k8s.io.api.core.v1.PodSpec", "readinessGates").wide(),
];

/// A pod as a row.
pub fn row(pod: &Pod, now: jiff::Timestamp) -> Row {
    let sum = state::summary(pod);
    let restarts = if sum.restarts != 0 && !sum.last_restart.is_zero() {
        format!("{} ({} ago)", sum.restarts, rules::duration::since(sum.last_restart, now))
    } else {
        sum.restarts.to_string()
    };
    let gates = if pod.spec.readiness_gates.is_empty() {
        "<none>".to_owned()
    } else {
        let holds = |gate: &str| {
            rules::core::v1::pod::meaning::condition(&pod.status, gate)
                .is_some_and(|condition| condition.status == "True")
        };
        let open = pod.spec.readiness_gates.iter().filter(|gate| holds(&gate.condition_type)).count();
        format!("{open}/{}", pod.spec.readiness_gates.len())
    };
    let ip = pod.status.pod_ips.first().map(|ip| ip.ip.as_str()).unwrap_or_default();
    let mut row = cells![
        pod.metadata.name.as_str(),
        format!("{}/{}", sum.ready, sum.total),
        sum.reason,
        restarts,
        age_of(&pod.metadata, now),
        or(ip, "<none>"),
        or(&pod.spec.node_name, "<none>"),
        or(&pod.status.nominated_node_name, "<none>"),
        gates,
    ];
    let completed = |reason, message| RowCondition { type_: "Completed", status: "True", reason, message };
    match pod.status.phase.as_str() {
        "Succeeded" => row.conditions.push(completed("Succeeded", "The pod has completed successfully.")),
        "Failed" => row.conditions.push(completed("Failed", "The pod failed.")),
        _ => {}
    }
    row
}
