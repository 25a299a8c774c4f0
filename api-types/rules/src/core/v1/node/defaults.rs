//! Defaults of nodes.

use crate::core::v1::resource_list::round_up_to_milli;
use api_types::core::v1::Node;

/// Defaults of a node: everything is allocatable unless the node says otherwise.
pub fn set(node: &mut Node) {
    if node.status.allocatable.is_empty() {
        node.status.allocatable = node.status.capacity.clone();
    }
    round_up_to_milli(&mut node.status.capacity);
    round_up_to_milli(&mut node.status.allocatable);
}
