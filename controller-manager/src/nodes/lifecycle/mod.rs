//! Watches the health of nodes: marks silent ones unknown, taints bad ones, marks their pods not ready
//! (`pkg/controller/nodelifecycle`).
//!
//! Two parts: a controller that keeps the NoSchedule taints of a node equal to its conditions, and a
//! monitor that looks at all nodes every few seconds, because silence makes no event.

mod gather;
mod health;
mod monitor;
mod plan;
#[cfg(test)]
mod tests;
mod zones;

use std::time::Duration;

use api_types::coordination::v1::Lease;
use component_base::Shutdown;
use jiff::Timestamp;
use runtime::controller::enqueue_self;
use runtime::{Executor, Informer};

use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::NodeTaints;
use monitor::{Monitor, World};

/// Namespace of the leases kubelets renew.
const LEASE_NAMESPACE: &str = "kube-node-lease";
/// How often NoExecute taints are looked at; the rates of zones bound what is done.
const TAINT_PERIOD: Duration = Duration::from_secs(1);

/// Subscribes to nodes, their leases and pods.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let nodes = context.nodes();
    let queue = context.queue("node_lifecycle_controller");
    enqueue_self(&nodes, &queue);
    let driver =
        context.driver(entry, NodeTaints { nodes: nodes.clone() }, queue)?.workers(8).waits_for(&nodes);
    let leases = Informer::new(context.root_client().namespaced::<Lease>(LEASE_NAMESPACE));
    let world = World { nodes, leases: context.informers.private(leases), pods: context.pods() };
    let monitor = Monitor::new(&context.options.nodes);
    let client = context.client(entry)?;
    let recorder = context.recorder(client.clone(), entry.event_source);
    let executor = Executor::new(entry.name, client, recorder, &context.metrics);
    let period = context.options.nodes.node_monitor_period;
    let watching = watch(monitor, world, executor, period, context.shutdown.clone());
    let tainting = context.task(driver);
    Ok(Some(Box::pin(async move {
        tokio::join!(tainting, watching);
    })))
}

async fn watch(mut monitor: Monitor, world: World, executor: Executor, period: Duration, shutdown: Shutdown) {
    let mut last_look = None::<tokio::time::Instant>;
    loop {
        let now = Timestamp::now();
        let plan = if last_look.is_none_or(|last| last.elapsed() >= period) {
            last_look = Some(tokio::time::Instant::now());
            monitor.look(&world, now)
        } else {
            monitor.taint(&world.nodes.list(), now)
        };
        executor.say(plan.notes);
        let executed = executor.run(plan.stages).await;
        if let Some(error) = executed.error {
            let error = component_base::run::error_chain(&error);
            tracing::warn!(error, "not everything about node health was written, trying again");
        }
        if !shutdown.sleep(TAINT_PERIOD).await {
            return;
        }
    }
}
