//! Keeps a ServiceCIDR from going while addresses are of it alone (`pkg/controller/servicecidrs`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use api_types::networking::v1::{IPAddress, ServiceCIDR};
use runtime::Event;
use runtime::controller::enqueue;

use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::ServiceCidrs;

/// Subscribes to ServiceCIDRs and the addresses in use.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let ranges = context.informers.store::<ServiceCIDR>();
    let addresses = context.informers.store::<IPAddress>();
    let queue = context.queue("servicecidrs");
    // There are few, and one may free or bind another.
    let known = ranges.clone();
    enqueue(&ranges, &queue, move |_| known.keys());
    let known = ranges.clone();
    enqueue(&addresses, &queue, move |event| match event {
        Event::Deleted(_) => {
            let waiting =
                known.list().into_iter().filter(|range| range.metadata.deletion_timestamp.is_some());
            waiting.map(|range| runtime::ObjectKey::of(&range.metadata)).collect()
        }
        _ => Vec::new(),
    });
    let controller = ServiceCidrs { ranges: ranges.clone(), addresses };
    let driver = context.driver(entry, controller, queue)?.waits_for(&ranges);
    Ok(Some(context.task(driver)))
}
