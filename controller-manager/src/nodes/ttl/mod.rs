//! Tells kubelets by an annotation how long they may keep Secrets and ConfigMaps before they look for a newer
//! version: the longer the more nodes there are (`pkg/controller/ttl`).

mod plan;

use std::sync::Arc;

use api_types::core::v1::Node;
use jiff::Timestamp;
use runtime::controller::enqueue_self;
use runtime::{Controller, ObjectKey, Plan, Store};

use crate::context::{Context, Task};
use crate::controllers::Entry;

/// The controller: its cache.
struct Ttl {
    nodes: Store<Node>,
}

impl Controller for Ttl {
    type Inputs = (Arc<Node>, usize);

    fn gather(&self, key: &ObjectKey) -> Option<Self::Inputs> {
        Some((self.nodes.get(key)?, self.nodes.len()))
    }

    fn plan((node, count): &Self::Inputs, _: Timestamp) -> Plan {
        plan::plan(node, *count)
    }
}

/// Subscribes to nodes.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let nodes = context.nodes();
    let queue = context.queue("ttlcontroller");
    enqueue_self(&nodes, &queue);
    let driver = context.driver(entry, Ttl { nodes: nodes.clone() }, queue)?.workers(1).waits_for(&nodes);
    Ok(Some(context.task(driver)))
}
