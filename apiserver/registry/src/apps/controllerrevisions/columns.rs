//! Table columns of controllerrevisions.

use crate::columns::{Column, Row, age_of, cells};
use api_types::apps::v1::ControllerRevision;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text("Controller", "Controller of the object"),
    Column::field("Revision", "k8s.io.api.apps.v1.ControllerRevision", "revision"),
    Column::AGE,
];

/// A revision as a row.
pub fn row(revision: &ControllerRevision, now: jiff::Timestamp) -> Row {
    let controller = match rules::meta::controller_of(&revision.metadata) {
        None => "<none>".to_owned(),
        Some(owner) => {
            let kind = owner.kind.to_lowercase();
            match owner.api_version.split_once('/') {
                Some((group, _)) => format!("{kind}.{group}/{}", owner.name),
                None => format!("{kind}/{}", owner.name),
            }
        }
    };
    cells![revision.metadata.name.as_str(), controller, revision.revision, age_of(&revision.metadata, now)]
}
