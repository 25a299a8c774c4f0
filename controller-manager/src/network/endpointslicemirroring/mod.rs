//! Mirrors Endpoints that users keep for Services without a selector into EndpointSlices
//! (`pkg/controller/endpointslicemirroring`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use api_types::core::v1::{Endpoints, Service};
use api_types::discovery::v1::EndpointSlice;
use runtime::ObjectKey;
use runtime::controller::{enqueue, enqueue_self};

use super::SERVICE_NAME;
use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::{BY_SERVICE, Mirrors, service_of};

/// Subscribes to Endpoints, Services and slices.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let services = context.informers.store::<Service>();
    let endpoints = context.informers.store::<Endpoints>();
    let slices = context.informers.indexed::<EndpointSlice>(BY_SERVICE, service_of);
    let queue = context.queue("endpoint_slice_mirroring");
    enqueue_self(&services, &queue);
    enqueue_self(&endpoints, &queue);
    enqueue(&slices, &queue, |event| {
        let states = event.old().into_iter().chain([event.object()]);
        let mirrored = states.filter(|slice| plan::is_mirror(slice));
        let key = |slice: &EndpointSlice| {
            let service = slice.metadata.labels.get(SERVICE_NAME)?;
            Some(ObjectKey::new(&slice.metadata.namespace, service))
        };
        mirrored.filter_map(|slice| key(slice)).collect()
    });
    let controller = Mirrors { services, endpoints, slices: slices.clone() };
    let driver = context
        .driver(entry, controller, queue)?
        .workers(context.options.concurrency.mirroring_concurrent_service_endpoint_syncs)
        .waits_for(&slices);
    Ok(Some(context.task(driver)))
}
