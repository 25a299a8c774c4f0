//! Deletes what nobody owns any more, in the order and way that its owners asked for
//! (`pkg/controller/garbagecollector`).

mod decide;
mod graph;
mod monitors;
mod work;

use std::sync::Arc;

use parking_lot::Mutex;

use crate::context::{Context, Task};
use crate::controllers::Entry;

use graph::Graph;
use work::Worker;

/// Follows the metadata of everything that can be deleted.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    if !context.options.enable_garbage_collector {
        return Ok(None);
    }
    let client = context.client(entry)?;
    let worker = Worker {
        client: client.clone(),
        recorder: context.recorder(client.clone(), entry.event_source),
        graph: Arc::new(Mutex::new(Graph::default())),
        resources: Arc::default(),
        delete: context.queue("garbage_collector_attempt_to_delete"),
        orphan: context.queue("garbage_collector_attempt_to_orphan"),
    };
    let workers = context.options.concurrency.concurrent_gc_syncs.max(1);
    let shutdown = context.shutdown.clone();
    Ok(Some(Box::pin(async move {
        let monitors = monitors::run(worker.clone(), shutdown.clone());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..workers {
            tasks.spawn(worker.clone().deletes(shutdown.clone()));
        }
        tasks.spawn(worker.clone().orphans(shutdown.clone()));
        monitors.await;
        worker.delete.close();
        worker.orphan.close();
        while tasks.join_next().await.is_some() {}
    })))
}
