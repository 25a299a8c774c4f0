//! Removes finished Jobs when their time to live is over (`pkg/controller/ttlafterfinished`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use api_types::batch::v1::Job;
use runtime::controller::enqueue_self;

use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::TtlAfterFinished;

/// Subscribes to Jobs.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let jobs = context.informers.store::<Job>();
    let queue = context.queue("ttl_jobs_to_delete");
    enqueue_self(&jobs, &queue);
    let workers = context.options.concurrency.concurrent_ttl_after_finished_syncs;
    let driver = context.driver(entry, TtlAfterFinished { jobs: jobs.clone() }, queue)?;
    Ok(Some(context.task(driver.workers(workers).waits_for(&jobs))))
}
