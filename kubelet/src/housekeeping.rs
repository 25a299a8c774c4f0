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

/// Starts every loop.
pub fn start(
    tasks: &mut JoinSet<()>,
    context: &Arc<Context>,
    cache: &Arc<PodCache>,
    manager: &Arc<ManagerHandle>,
    containers: ContainerGc,
    shutdown: &Shutdown,
) {
    tasks.spawn(containers.run(context.clone(), cache.clone(), manager.clone(), shutdown.clone()));
    tasks.spawn(images::run(context.clone(), cache.clone(), shutdown.clone()));
    tasks.spawn(directories::run(context.clone(), cache.clone(), manager.clone(), shutdown.clone()));
    tasks.spawn(logs::run(context.clone(), shutdown.clone()));
}
