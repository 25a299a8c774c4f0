//! Table columns of prioritylevelconfigurations.

use crate::columns::{Column, Row, age_of, cells};
use api_types::flowcontrol::v1::PriorityLevelConfiguration;
use serde_json::Value;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Type", "k8s.io.api.flowcontrol.v1.PriorityLevelConfigurationSpec", "type"),
    Column::field(
        "NominalConcurrencyShares",
        "k8s.io.api.flowcontrol.v1.LimitedPriorityLevelConfiguration",
        "nominalConcurrencyShares",
    ),
    Column::field("Queues", "k8s.io.api.flowcontrol.v1.QueuingConfiguration", "queues"),
    Column::field("HandSize", "k8s.io.api.flowcontrol.v1.QueuingConfiguration", "handSize"),
    Column::field("QueueLengthLimit", "k8s.io.api.flowcontrol.v1.QueuingConfiguration", "queueLengthLimit"),
    Column::AGE,
];

/// A priority level as a row.
pub fn row(level: &PriorityLevelConfiguration, now: jiff::Timestamp) -> Row {
    let limited = level.spec.limited.as_ref();
    let queuing = limited.and_then(|limited| limited.limit_response.queuing.as_ref());
    let shown = |number: Option<i32>| number.map_or(Value::from("<none>"), Value::from);
    cells![
        level.metadata.name.as_str(),
        level.spec.type_.as_str(),
        shown(limited.map(|limited| limited.nominal_concurrency_shares.unwrap_or(0))),
        shown(queuing.map(|queuing| queuing.queues)),
        shown(queuing.map(|queuing| queuing.hand_size)),
        shown(queuing.map(|queuing| queuing.queue_length_limit)),
        age_of(&level.metadata, now),
    ]
}
