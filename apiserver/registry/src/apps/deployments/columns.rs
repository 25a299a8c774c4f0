//! Table columns of deployments.

use crate::columns::{Column, Row, age_of, cells, containers};
use api_types::apps::v1::Deployment;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text("Ready", "Number of the pod with ready state"),
    Column::field("Up-to-date", "k8s.io.api.apps.v1.DeploymentStatus", "updatedReplicas"),
    Column::field("Available", "k8s.io.api.apps.v1.DeploymentStatus", "availableReplicas"),
    Column::AGE,
    Column::text("Containers", "Names of each container in the template.").wide(),
    Column::text("Images", "Images referenced by each container in the template.").wide(),
    Column::field("Selector", "k8s.io.api.apps.v1.DeploymentSpec", "selector").wide(),
];

/// A deployment as a row.
pub fn row(deployment: &Deployment, now: jiff::Timestamp) -> Row {
    let (names, images) = containers(&deployment.spec.template.spec.containers);
    // Unlike other workloads, an empty selector shows as nothing and a bad one says so.
    let selector = match deployment.spec.selector.as_deref() {
        Some(selector) => rules::selector::text(selector).unwrap_or_else(|| "<invalid>".to_owned()),
        None => String::new(),
    };
    cells![
        deployment.metadata.name.as_str(),
        format!("{}/{}", deployment.status.ready_replicas, deployment.spec.replicas.unwrap_or(0)),
        deployment.status.updated_replicas,
        deployment.status.available_replicas,
        age_of(&deployment.metadata, now),
        names,
        images,
        selector,
    ]
}
