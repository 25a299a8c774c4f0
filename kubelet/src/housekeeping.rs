//! Work that goes on beside the pods: dead containers, unused images, orphaned directories, log rotation.

mod containers;
mod directories;
mod images;
mod logs;

use std::sync::Arc;

use component_base::Shutdown;
use tokio::task::JoinSet;

use crate::context::Context;
use crate::observing::PodCache;
use crate::pods::ManagerHandle;

pub use self::containers::ContainerGc;
pub use self::images::ImageCollector;

/// Starts every loop.
pub fn start(
    tasks: &mut JoinSet<()>,
    context: &Arc<Context>,
    cache: &Arc<PodCache>,
    manager: &Arc<ManagerHandle>,
    containers: ContainerGc,
    images: &Arc<ImageCollector>,
    shutdown: &Shutdown,
) {
    tasks.spawn(containers.run(context.clone(), cache.clone(), manager.clone(), shutdown.clone()));
    tasks.spawn(images.clone().run(context.clone(), cache.clone(), shutdown.clone()));
    tasks.spawn(directories::run(context.clone(), cache.clone(), manager.clone(), shutdown.clone()));
    tasks.spawn(logs::run(context.clone(), shutdown.clone()));
}

/// Frees disk at once: every dead container, every unused image that is not just brought here.
pub async fn reclaim_disk(
    context: &Arc<Context>,
    cache: &Arc<PodCache>,
    manager: &Arc<ManagerHandle>,
    images: &ImageCollector,
) {
    let policy = kubelet_core::garbage::ContainerGcPolicy { keep_per_container: 0, ..Default::default() };
    ContainerGc { policy }.collect(context, cache, manager).await;
    images.remove_unused(context, cache).await;
}
