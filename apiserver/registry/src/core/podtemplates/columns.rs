//! Table columns of podtemplates.

use crate::columns::{Column, Row, cells, containers};
use api_types::core::v1::PodTemplate;
use rules::selector::labels_shown;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text("Containers", "Names of each container in the template."),
    Column::text("Images", "Images referenced by each container in the template."),
    Column::text("Pod Labels", "The labels for the pod template."),
];

/// A pod template as a row.
pub fn row(template: &PodTemplate, _now: jiff::Timestamp) -> Row {
    let (names, images) = containers(&template.template.spec.containers);
    cells![template.metadata.name.as_str(), names, images, labels_shown(&template.template.metadata.labels)]
}
