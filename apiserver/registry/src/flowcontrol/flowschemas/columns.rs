//! Table columns of flowschemas.

use crate::columns::{Column, Row, age_of, cells};
use api_types::flowcontrol::v1::FlowSchema;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("PriorityLevel", "k8s.io.api.flowcontrol.v1.PriorityLevelConfigurationReference", "name"),
    Column::field("MatchingPrecedence", "k8s.io.api.flowcontrol.v1.FlowSchemaSpec", "matchingPrecedence"),
    Column::field("DistinguisherMethod", "k8s.io.api.flowcontrol.v1.FlowSchemaSpec", "distinguisherMethod"),
    Column::AGE,
    Column::text("MissingPL", "references a broken or non-existent PriorityLevelConfiguration"),
];

/// A flow schema as a row.
pub fn row(schema: &FlowSchema, now: jiff::Timestamp) -> Row {
    let spec = &schema.spec;
    cells![
        schema.metadata.name.as_str(),
        spec.priority_level_configuration.name.as_str(),
        spec.matching_precedence,
        spec.distinguisher_method.as_ref().map_or("<none>", |method| method.type_.as_str()),
        age_of(&schema.metadata, now),
        schema
            .status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Dangling")
            .map_or("?", |condition| condition.status.as_str()),
    ]
}
