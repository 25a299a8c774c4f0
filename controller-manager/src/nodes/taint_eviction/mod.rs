//! Deletes pods that do not tolerate a NoExecute taint of their node, or no longer
//! (`pkg/controller/tainteviction`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use api_types::core::v1::Node;
use runtime::controller::{enqueue, enqueue_self};
use runtime::{Event, ObjectKey};

use crate::context::{BY_NODE, Context, Task};
use crate::controllers::Entry;

use gather::TaintEviction;

/// Subscribes to pods and nodes.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let nodes = context.nodes();
    let pods = context.pods();
    let queue = context.queue("noexec_taint_pod");
    enqueue_self(&pods, &queue);
    let known = pods.clone();
    enqueue(&nodes, &queue, move |event: &Event<Node>| {
        let node = event.object();
        if event.old().is_some_and(|old| old.spec.taints == node.spec.taints) {
            return Vec::new();
        }
        known.by_index(BY_NODE, &node.metadata.name).iter().map(|pod| ObjectKey::of(&pod.metadata)).collect()
    });
    let controller = TaintEviction::new(nodes, pods.clone());
    Ok(Some(context.task(context.driver(entry, controller, queue)?.workers(8).waits_for(&pods))))
}
