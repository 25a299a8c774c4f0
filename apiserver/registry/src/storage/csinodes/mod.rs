//! CSI nodes: the drivers of a node.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::storage::v1::CSINode;
use machinery::field::ErrorList;
use rules::storage::v1::csi_node::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&CSINodes)
}

/// Strategy of the resource.
pub struct CSINodes;

impl Strategy for CSINodes {
    type Kind = CSINode;

    fn validate(&self, _context: &Context, object: &CSINode) -> ErrorList {
        validation::validate(object)
    }

    fn validate_update(&self, _context: &Context, new: &CSINode, old: &CSINode) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &CSINode, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
