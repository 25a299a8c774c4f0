//! What is known about a node's range; reserves one for a node without.

use std::sync::Arc;

use api_types::core::v1::Node;
use ipnet::IpNet;
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

use super::ranges::Allocator;

/// The controller: its cache and who has which range.
pub(super) struct NodeRanges {
    pub nodes: Store<Node>,
    pub allocator: Arc<Allocator>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub node: Arc<Node>,
    /// The ranges reserved for it; none when the cluster's are used up.
    pub reserved: Option<Vec<IpNet>>,
}

impl Controller for NodeRanges {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let node = self.nodes.get(key)?;
        if node.metadata.deletion_timestamp.is_some() || !node.spec.pod_cidrs.is_empty() {
            return None;
        }
        let reserved = self.allocator.allocate(&node.metadata.name);
        Some(Inputs { node, reserved })
    }

    fn plan(inputs: &Inputs, _: Timestamp) -> Plan {
        super::plan::plan(inputs)
    }
}
