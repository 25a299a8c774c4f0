//! Removes pods nobody else will remove: too many ended ones, those of nodes that are gone or out of
//! service, those deleted before they had a node (`pkg/controller/podgc`).

mod plan;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use runtime::{Executor, Plan};

use crate::context::{Context, Task};
use crate::controllers::Entry;

use plan::Collector;

/// How often all pods are looked at.
const PERIOD: Duration = Duration::from_secs(20);
/// Pods removed at once.
const PARALLEL: usize = 16;

/// Looks at the caches of pods and nodes.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let (pods, nodes) = (context.pods(), context.nodes());
    let client = context.client(entry)?;
    let recorder = context.recorder(client.clone(), entry.event_source);
    let executor = Executor::new(entry.name, client, recorder, &context.metrics);
    let mut collector = Collector::new(context.options.terminated_pod_gc_threshold);
    let shutdown = context.shutdown.clone();
    Ok(Some(Box::pin(async move {
        while shutdown.sleep(PERIOD).await {
            let plans = collector.look(&pods.list(), &nodes.list(), Timestamp::now());
            futures_util::stream::iter(plans)
                .for_each_concurrent(PARALLEL, |plan| remove(&executor, plan))
                .await;
        }
    })))
}

async fn remove(executor: &Executor, plan: Plan) {
    if let Some(error) = executor.run(plan.stages).await.error {
        tracing::warn!(error = component_base::run::error_chain(&error), "pod not removed, trying again");
    }
}
