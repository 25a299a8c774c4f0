//! A node, for the taints its conditions ask for.

use std::sync::Arc;

use api_types::core::v1::Node;
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

/// The controller: its cache.
pub(super) struct NodeTaints {
    pub nodes: Store<Node>,
}

impl Controller for NodeTaints {
    type Inputs = Arc<Node>;

    fn gather(&self, key: &ObjectKey) -> Option<Arc<Node>> {
        self.nodes.get(key)
    }

    fn plan(node: &Arc<Node>, now: Timestamp) -> Plan {
        super::plan::plan(node, now)
    }
}
