//! Removes dead containers and sandboxes nobody needs.

use std::sync::Arc;
use std::time::Duration;

use component_base::Shutdown;
use kubelet_core::garbage::{self, ContainerGcPolicy, KnownPods};

use crate::context::Context;
use crate::observing::PodCache;
use crate::pods::ManagerHandle;

const PERIOD: Duration = Duration::from_secs(60);

/// The loop, with its policy.
pub struct ContainerGc {
    pub policy: ContainerGcPolicy,
}

impl ContainerGc {
    /// Collects until shutdown.
    pub async fn run(
        self,
        context: Arc<Context>,
        cache: Arc<PodCache>,
        manager: Arc<ManagerHandle>,
        shutdown: Shutdown,
    ) {
        while shutdown.sleep(PERIOD).await {
            // Before the sources have spoken, every pod looks unknown.
            if !manager.is_complete() {
                continue;
            }
            self.collect(&context, &cache, &manager).await;
        }
    }

    /// One collection.
    pub(super) async fn collect(&self, context: &Context, cache: &PodCache, manager: &ManagerHandle) {
        let (sandboxes, containers) = cache.raw();
        let active = manager.pods().iter().map(|pod| pod.metadata.uid.clone()).collect();
        let pods = KnownPods { active };
        let now = context.now();
        let dead = garbage::containers_to_remove(&containers, &pods, &self.policy, now);
        for id in &dead {
            if let Err(error) = context.ports.runtime.remove_container(id).await {
                tracing::warn!(%error, id, "failed to remove a dead container");
            }
        }
        let left: Vec<_> =
            containers.iter().filter(|container| !dead.contains(&container.id)).cloned().collect();
        for id in garbage::sandboxes_to_remove(&sandboxes, &left, &pods) {
            let removed = async {
                context.ports.runtime.stop_sandbox(&id).await?;
                context.ports.runtime.remove_sandbox(&id).await
            };
            if let Err(error) = removed.await {
                tracing::warn!(%error, id, "failed to remove a dead sandbox");
            }
        }
        if !dead.is_empty() {
            cache.poke();
        }
    }
}
