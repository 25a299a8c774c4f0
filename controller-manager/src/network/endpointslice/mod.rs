//! Keeps the EndpointSlices of Services (`pkg/controller/endpointslice`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use api_types::core::v1::{Node, Service};
use api_types::discovery::v1::EndpointSlice;
use runtime::controller::{controller_keys, enqueue, enqueue_self};
use runtime::plan::Kind;

use super::members::services_of_pod;
use crate::context::{Context, Task};
use crate::controllers::Entry;
use crate::ownership::{BY_OWNER_OR_ORPHAN, owner_or_orphan};

use gather::EndpointSlices;

/// Subscribes to Services, pods, slices and nodes.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let services = context.informers.store::<Service>();
    let slices = context.informers.indexed::<EndpointSlice>(BY_OWNER_OR_ORPHAN, owner_or_orphan);
    let nodes = context.informers.store::<Node>();
    let pods = context.pods();
    let queue = context.queue("endpoint_slice");
    enqueue_self(&services, &queue);
    enqueue(&slices, &queue, |event| controller_keys(event, Kind::of::<Service>()));
    let known = services.clone();
    enqueue(&pods, &queue, move |event| services_of_pod(event, &known));
    let known = services.clone();
    enqueue(&nodes, &queue, move |event| {
        // Only the zone matters, and only hints and the zone of endpoints carry it.
        let zone = |node: &Node| node.metadata.labels.get(plan::ZONE).cloned();
        let changed = event.old().is_some_and(|old| zone(old) != zone(event.object()));
        if changed { known.keys() } else { Vec::new() }
    });
    let controller = EndpointSlices { services, slices: slices.clone(), nodes, pods };
    let driver = context
        .driver(entry, controller, queue)?
        .workers(context.options.concurrency.concurrent_service_endpoint_syncs)
        .waits_for(&slices);
    Ok(Some(context.task(driver)))
}
