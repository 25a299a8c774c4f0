//! `kubelet-wait-bootstrap` of `join`: until the kubelet has a certificate of its own.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::DISCOVERY_FLAGS;
use crate::{
    cluster::wait,
    constants,
    workflows::{join_data::JoinData, phase::Phase},
};

const INTERVAL: Duration = Duration::from_millis(200);

pub fn phase() -> Phase<JoinData> {
    Phase::step(
        "kubelet-wait-bootstrap",
        "Wait for the kubelet to bootstrap itself (only for join)",
        DISCOVERY_FLAGS,
        |data| Box::pin(run(data)),
    )
}

async fn run(data: &mut JoinData) -> anyhow::Result<()> {
    if data.is_dry_run() {
        println!("[kubelet-wait] Would wait for the kubelet to be bootstrapped");
        return Ok(());
    }
    let timeouts = data.timeouts();
    let limit = timeouts.kubelet_health_check.unwrap_or_default().to_std();
    wait::kubelet("127.0.0.1", constants::KUBELET_HEALTHZ_PORT, limit)
        .await
        .context("failed while waiting for the kubelet to start")?;
    let limit = timeouts.tls_bootstrap.unwrap_or_default().to_std();
    println!("[kubelet-start] Waiting for the kubelet to perform the TLS Bootstrap");
    let kubeconfig = constants::kubeconfig_path(constants::KUBELET_KUBECONFIG);
    let deadline = Instant::now() + limit;
    while !kubeconfig.exists() {
        anyhow::ensure!(
            Instant::now() < deadline,
            "the kubelet has no certificate after {limit:?}: {kubeconfig:?} does not exist; its log tells why"
        );
        tokio::time::sleep(INTERVAL).await;
    }
    // The token has done its work and must not lie around.
    let bootstrap = constants::kubeconfig_path(constants::KUBELET_BOOTSTRAP_KUBECONFIG);
    match std::fs::remove_file(&bootstrap) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {bootstrap:?}"))
        }
        _ => Ok(()),
    }
}
