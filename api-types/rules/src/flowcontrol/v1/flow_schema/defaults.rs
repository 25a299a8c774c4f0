//! Defaults of flow schemas.

use api_types::flowcontrol::v1::FlowSchema;

/// Precedence of schemas that name none.
pub const MATCHING_PRECEDENCE: i32 = 1000;

/// Defaults of a flow schema.
pub fn set(schema: &mut FlowSchema) {
    if schema.spec.matching_precedence == 0 {
        schema.spec.matching_precedence = MATCHING_PRECEDENCE;
    }
}
