//! Keeps the CPU shares of the burstable class equal to what its pods request together.

use std::sync::Arc;
use std::time::Duration;

use component_base::Shutdown;
use kubelet_core::qos;

use super::reserved;
use crate::context::Context;
use crate::pods::ManagerHandle;

const PERIOD: Duration = Duration::from_secs(60);

/// Adjusts the shares until shutdown, when they change.
pub async fn keep_shares(context: Arc<Context>, manager: Arc<ManagerHandle>, shutdown: Shutdown) {
    let mut applied = qos::MIN_SHARES;
    while shutdown.sleep(PERIOD).await {
        let pods = manager.pods();
        let wanted = qos::burstable_shares(pods.iter().map(AsRef::as_ref));
        if wanted == applied {
            continue;
        }
        match reserved::ensure_cgroups(&context, wanted).await {
            Ok(()) => applied = wanted,
            Err(error) => tracing::warn!(%error, "failed to adjust the CPU shares of burstable pods"),
        }
    }
}
