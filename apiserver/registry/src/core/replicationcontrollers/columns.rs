//! Table columns of replicationcontrollers.

use crate::columns::{Column, Row, age_of, cells, containers};
use api_types::core::v1::ReplicationController;
use rules::selector::labels_shown;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Desired", "k8s.io.api.core.v1.ReplicationControllerSpec", "replicas").of("integer"),
    Column::field("Current", "k8s.io.api.core.v1.ReplicationControllerStatus", "replicas").of("integer"),
    Column::field("Ready", "k8s.io.api.core.v1.ReplicationControllerStatus", "readyReplicas").of("integer"),
    Column::AGE,
    Column::text("Containers", "Names of each container in the template.").wide(),
    Column::text("Images", "Images referenced by each container in the template.").wide(),
    Column::field("Selector", "k8s.io.api.core.v1.ReplicationControllerSpec", "selector").wide(),
];

/// A replication controller as a row.
pub fn row(controller: &ReplicationController, now: jiff::Timestamp) -> Row {
    let template = controller.spec.template.as_ref();
    let (names, images) =
        containers(template.map(|template| template.spec.containers.as_slice()).unwrap_or_default());
    cells![
        controller.metadata.name.as_str(),
        controller.spec.replicas.unwrap_or(0),
        controller.status.replicas,
        controller.status.ready_replicas,
        age_of(&controller.metadata, now),
        names,
        images,
        labels_shown(&controller.spec.selector),
    ]
}
