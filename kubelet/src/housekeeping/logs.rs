//! Rotates the logs of containers.

use std::sync::Arc;

use component_base::Shutdown;
use kubelet_adapters::logs::LogRotation;
use machinery::Quantity;

use crate::context::Context;

/// Rotates until shutdown.
pub(super) async fn run(context: Arc<Context>, shutdown: Shutdown) {
    let config = &context.config;
    let size = Quantity::parse(&config.container_log_max_size).map(|size| size.value()).unwrap_or(0);
    let Ok(max_bytes) = u64::try_from(size) else { return };
    let max_files = usize::try_from(config.container_log_max_files).unwrap_or(2);
    let rotation = LogRotation::new(context.ports.runtime.clone(), max_bytes, max_files);
    while shutdown.sleep(config.container_log_monitor_interval.0).await {
        for error in rotation.sweep(context.now()).await {
            tracing::warn!(error = %component_base::run::error_chain(&error), "log not rotated");
        }
    }
}
