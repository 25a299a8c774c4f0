//! Table columns of ingressclasses.

use crate::columns::{Column, Row, age_of, cells};
use api_types::networking::v1::IngressClass;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text("Controller", "Controller that is responsible for handling this class"),
    Column::text("Parameters", "A reference to a resource with additional parameters"),
    Column::AGE,
];

/// An ingress class as a row.
pub fn row(class: &IngressClass, now: jiff::Timestamp) -> Row {
    let default = class
        .metadata
        .annotations
        .get("ingressclass.kubernetes.io/is-default-class")
        .is_some_and(|value| value == "true");
    let parameters = match &class.spec.parameters {
        None => "<none>".to_owned(),
        Some(parameters) => match &parameters.api_group {
            Some(group) => format!("{}.{group}/{}", parameters.kind, parameters.name),
            None => format!("{}/{}", parameters.kind, parameters.name),
        },
    };
    cells![
        format!("{}{}", class.metadata.name, if default { " (default)" } else { "" }),
        class.spec.controller.as_str(),
        parameters,
        age_of(&class.metadata, now),
    ]
}
