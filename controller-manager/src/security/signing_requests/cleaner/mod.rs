//! Removes requests nobody will look at any more (`certificates/cleaner`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use api_types::certificates::v1::CertificateSigningRequest;
use runtime::controller::enqueue_self;

use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::Cleaner;

/// Subscribes to requests.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let requests = context.informers.store::<CertificateSigningRequest>();
    let queue = context.queue("csrcleaner");
    enqueue_self(&requests, &queue);
    let driver = context.driver(entry, Cleaner { requests: requests.clone() }, queue)?;
    Ok(Some(context.task(driver.workers(1).waits_for(&requests))))
}
