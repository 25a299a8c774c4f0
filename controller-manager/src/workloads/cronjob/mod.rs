//! Makes a Job each time a schedule says so (`pkg/controller/cronjob`).

mod gather;
mod plan;
mod schedule;
mod status;
#[cfg(test)]
mod tests;

use api_types::batch::v1::{CronJob, Job};
use jiff::Timestamp;
use runtime::ObjectKey;
use runtime::controller::{controller_keys, enqueue};
use runtime::plan::Kind;

use crate::context::{Context, Task};
use crate::controllers::Entry;
use crate::ownership::{BY_OWNER_OR_ORPHAN, owner_or_orphan};

use gather::CronJobs;

/// Subscribes to CronJobs and Jobs.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let crons = context.informers.store::<CronJob>();
    let jobs = context.informers.indexed::<Job>(BY_OWNER_OR_ORPHAN, owner_or_orphan);
    let queue = context.queue("cronjob");
    let waiting = queue.clone();
    crons.subscribe(move |event| {
        let cron = event.object();
        let times = |cron: &CronJob| (cron.spec.schedule.clone(), cron.spec.time_zone.clone());
        let key = ObjectKey::of(&cron.metadata);
        // A new schedule holds from now on: what it would have asked for before is not made up for.
        let changed = event.old().is_some_and(|old| times(old) != times(cron));
        match schedule::next_delay(cron, Timestamp::now()).filter(|_| changed) {
            Some(delay) => waiting.add_after(key, delay),
            None => waiting.add(key),
        }
    });
    enqueue(&jobs, &queue, |event| controller_keys(event, Kind::of::<CronJob>()));
    let controller = CronJobs { crons: crons.clone(), jobs: jobs.clone() };
    let driver = context
        .driver(entry, controller, queue)?
        .workers(context.options.concurrency.concurrent_cron_job_syncs)
        .waits_for(&crons)
        .waits_for(&jobs);
    Ok(Some(context.task(driver)))
}
