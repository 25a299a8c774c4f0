//! Keeps the Endpoints of Services, for clients that do not read EndpointSlices yet
//! (`pkg/controller/endpoint`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use api_types::core::v1::{Endpoints, Service};
use runtime::controller::{enqueue, enqueue_self};
use runtime::{Event, ObjectKey};

use super::members::services_of_pod;
use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::EndpointsOfServices;

/// Subscribes to Services, pods and Endpoints.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let services = context.informers.store::<Service>();
    let endpoints = context.informers.store::<Endpoints>();
    let pods = context.pods();
    let queue = context.queue("endpoint");
    enqueue_self(&services, &queue);
    let known = services.clone();
    enqueue(&pods, &queue, move |event| services_of_pod(event, &known));
    enqueue(&endpoints, &queue, |event| match event {
        Event::Deleted(object) => vec![ObjectKey::of(&object.metadata)],
        _ => Vec::new(),
    });
    let controller = EndpointsOfServices { services, endpoints: endpoints.clone(), pods };
    let driver = context
        .driver(entry, controller, queue.clone())?
        .workers(context.options.concurrency.concurrent_endpoint_syncs)
        .waits_for(&endpoints);
    let task = context.task(driver);
    Ok(Some(Box::pin(async move {
        // Those whose Service went while nobody looked.
        for key in endpoints.keys() {
            queue.add(key);
        }
        task.await;
    })))
}
