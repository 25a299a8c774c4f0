//! Table columns of definitions.

use crate::columns::{Column, Row, name_and_created};
use api_types::apiextensions::v1::CustomResourceDefinition;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = crate::columns::NAME_AND_CREATED;

/// A definition as a row.
pub fn row(definition: &CustomResourceDefinition) -> Row {
    name_and_created(&definition.metadata)
}
