//! Table columns of priorityclasses.

use crate::columns::{Column, Row, age_of, cells};
use api_types::scheduling::v1::PriorityClass;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Value", "k8s.io.api.scheduling.v1.PriorityClass", "value").of("integer"),
    Column::field("Global-Default", "k8s.io.api.scheduling.v1.PriorityClass", "globalDefault").of("boolean"),
    Column::AGE,
    Column::field("PreemptionPolicy", "k8s.io.api.scheduling.v1.PriorityClass", "preemptionPolicy"),
];

/// A priority class as a row.
pub fn row(class: &PriorityClass, now: jiff::Timestamp) -> Row {
    cells![
        class.metadata.name.as_str(),
        class.value,
        class.global_default,
        age_of(&class.metadata, now),
        class.preemption_policy.as_deref().unwrap_or_default(),
    ]
}
