//! Table columns of runtimeclasses.

use crate::columns::{Column, Row, age_of, cells};
use api_types::node::v1::RuntimeClass;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Handler", "k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta", "handler"),
    Column::AGE,
];

/// A runtime class as a row.
pub fn row(class: &RuntimeClass, now: jiff::Timestamp) -> Row {
    cells![class.metadata.name.as_str(), class.handler.as_str(), age_of(&class.metadata, now)]
}
