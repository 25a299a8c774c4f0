//! Table columns of daemonsets.

use crate::columns::{Column, Row, age_of, cells, containers};
use api_types::apps::v1::DaemonSet;
use rules::selector::{labels_shown, shown};

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Desired", "k8s.io.api.apps.v1.DaemonSetStatus", "desiredNumberScheduled").of("integer"),
    Column::field("Current", "k8s.io.api.apps.v1.DaemonSetStatus", "currentNumberScheduled").of("integer"),
    Column::field("Ready", "k8s.io.api.apps.v1.DaemonSetStatus", "numberReady").of("integer"),
    Column::field("Up-to-date", "k8s.io.api.apps.v1.DaemonSetStatus", "updatedNumberScheduled").of("integer"),
    Column::field("Available", "k8s.io.api.apps.v1.DaemonSetStatus", "numberAvailable").of("integer"),
    Column::field("Node Selector", "k8s.io.api.core.v1.PodSpec", "nodeSelector"),
    Column::AGE,
    Column::text("Containers", "Names of each container in the template.").wide(),
    Column::text("Images", "Images referenced by each container in the template.").wide(),
    Column::field("Selector", "k8s.io.api.apps.v1.DaemonSetSpec", "selector").wide(),
];

/// A daemon set as a row.
pub fn row(daemon_set: &DaemonSet, now: jiff::Timestamp) -> Row {
    let template = &daemon_set.spec.template.spec;
    let (names, images) = containers(&template.containers);
    let status = &daemon_set.status;
    cells![
        daemon_set.metadata.name.as_str(),
        status.desired_number_scheduled,
        status.current_number_scheduled,
        status.number_ready,
        status.updated_number_scheduled,
        status.number_available,
        labels_shown(&template.node_selector),
        age_of(&daemon_set.metadata, now),
        names,
        images,
        shown(daemon_set.spec.selector.as_deref()),
    ]
}
