//! Table columns of replicasets.

use crate::columns::{Column, Row, age_of, cells, containers};
use api_types::apps::v1::ReplicaSet;
use rules::selector::shown;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Desired", "k8s.io.api.apps.v1.ReplicaSetSpec", "replicas").of("integer"),
    Column::field("Current", "k8s.io.api.apps.v1.ReplicaSetStatus", "replicas").of("integer"),
    Column::field("Ready", "k8s.io.api.apps.v1.ReplicaSetStatus", "readyReplicas").of("integer"),
    Column::AGE,
    Column::text("Containers", "Names of each container in the template.").wide(),
    Column::text("Images", "Images referenced by each container in the template.").wide(),
    Column::field("Selector", "k8s.io.api.apps.v1.ReplicaSetSpec", "selector").wide(),
];

/// A replica set as a row.
pub fn row(replica_set: &ReplicaSet, now: jiff::Timestamp) -> Row {
    let (names, images) = containers(&replica_set.spec.template.spec.containers);
    cells![
        replica_set.metadata.name.as_str(),
        replica_set.spec.replicas.unwrap_or(0),
        replica_set.status.replicas,
        replica_set.status.ready_replicas,
        age_of(&replica_set.metadata, now),
        names,
        images,
        shown(replica_set.spec.selector.as_deref()),
    ]
}
