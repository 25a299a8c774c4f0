//! Table columns of statefulsets.

use crate::columns::{Column, Row, age_of, cells, containers};
use api_types::apps::v1::StatefulSet;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text("Ready", "Number of the pod with ready state"),
    Column::AGE,
    Column::text("Containers", "Names of each container in the template.").wide(),
    Column::text("Images", "Images referenced by each container in the template.").wide(),
];

/// A stateful set as a row.
pub fn row(stateful_set: &StatefulSet, now: jiff::Timestamp) -> Row {
    let (names, images) = containers(&stateful_set.spec.template.spec.containers);
    cells![
        stateful_set.metadata.name.as_str(),
        format!("{}/{}", stateful_set.status.ready_replicas, stateful_set.spec.replicas.unwrap_or(0)),
        age_of(&stateful_set.metadata, now),
        names,
        images,
    ]
}
