//! Tells the runtime the address range of this node's pods, for runtimes that make their network from it.

use std::sync::Arc;
use std::time::Duration;

use component_base::Shutdown;
use tokio::sync::Notify;

use crate::context::Context;

const PERIOD: Duration = Duration::from_secs(1);

/// Tells it once it is known and whenever it changes, until shutdown. `changed` hears of it: the network may now be
/// ready.
pub async fn tell_runtime(context: Arc<Context>, changed: Arc<Notify>, shutdown: Shutdown) {
    let mut told = String::new();
    loop {
        let node = context.node.load_full();
        let ranges = if node.spec.pod_cidrs.is_empty() {
            node.spec.pod_cidr.clone()
        } else {
            node.spec.pod_cidrs.join(",")
        };
        if !ranges.is_empty() && ranges != told {
            match context.ports.runtime.update_pod_cidr(&ranges).await {
                Ok(()) => {
                    tracing::info!(ranges, "told the runtime the pod address range");
                    told = ranges;
                    changed.notify_one();
                }
                Err(error) => {
                    tracing::warn!(%error, ranges, "failed to tell the runtime the pod address range")
                }
            }
        }
        if !shutdown.sleep(PERIOD).await {
            return;
        }
    }
}
