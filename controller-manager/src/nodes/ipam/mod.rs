//! Gives every node a range of pod addresses (`pkg/controller/nodeipam`, RangeAllocator).

mod gather;
mod plan;
mod ranges;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::Context as _;
use ipnet::IpNet;
use runtime::Event;
use runtime::controller::enqueue_self;

use crate::context::{Context, Task};
use crate::controllers::Entry;
use crate::options::NodeOptions;

use gather::NodeRanges;
use ranges::{Allocator, Range, RangeError};

/// Subscribes to nodes; off without `--allocate-node-cidrs`.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let options = &context.options.nodes;
    if !options.allocate_node_cidrs {
        return Ok(None);
    }
    let ranges = ranges(options).context("--cluster-cidr and --node-cidr-mask-size")?;
    let allocator = Arc::new(Allocator::new(ranges, &options.service_cluster_ip_range));
    let nodes = context.nodes();
    let queue = context.queue("cidrallocator_node");
    let occupied = Arc::clone(&allocator);
    // Before the queue hears of a node its range is taken, so that nobody else gets it.
    nodes.subscribe(move |event| match event {
        Event::Deleted(node) => occupied.release(&node.metadata.name),
        event => occupied.occupy(&event.object().metadata.name, &event.object().spec.pod_cidrs),
    });
    enqueue_self(&nodes, &queue);
    let driver = context.driver(entry, NodeRanges { nodes: nodes.clone(), allocator }, queue)?;
    Ok(Some(context.task(driver.waits_for(&nodes))))
}

fn ranges(options: &NodeOptions) -> Result<Vec<Range>, RangeError> {
    let dual = options.cluster_cidr.len() > 1;
    let mask = |cidr: &IpNet| match (cidr, dual) {
        (IpNet::V4(_), true) => options.node_cidr_mask_size_ipv4.unwrap_or(24),
        (IpNet::V6(_), true) => options.node_cidr_mask_size_ipv6.unwrap_or(64),
        (IpNet::V4(_), false) => {
            options.node_cidr_mask_size_ipv4.or(options.node_cidr_mask_size).unwrap_or(24)
        }
        (IpNet::V6(_), false) => {
            options.node_cidr_mask_size_ipv6.or(options.node_cidr_mask_size).unwrap_or(64)
        }
    };
    options.cluster_cidr.iter().map(|cidr| Range::new(*cidr, mask(cidr))).collect()
}
