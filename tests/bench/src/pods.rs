//! How long a pod takes from its creation until it runs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use api_types::core::v1::{Container, Pod};
use client::{Client, DeleteParams, ListParams, WatchEvent};
use futures_util::StreamExt;

use crate::Options;

/// How long one pod may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts pods one after the other and prints the latencies.
pub async fn run(client: &Client, options: &Options) -> Result<()> {
    let api = client.namespaced::<Pod>("default");
    let mut latencies = Vec::new();
    for number in 0..options.pods {
        let mut pod = Pod::default();
        pod.metadata.name = format!("bench-{number}");
        pod.metadata.namespace = "default".to_owned();
        let image = options.image.clone();
        pod.spec.containers.push(Container { name: "main".to_owned(), image, ..Container::default() });
        pod.spec.termination_grace_period_seconds = Some(0);
        let of_pod = ListParams::default().fields(format!("metadata.name={}", pod.metadata.name));
        let started = Instant::now();
        let created = api.create(&pod).await?;
        let mut events = api.watch(&of_pod, &created.metadata.resource_version).await?;
        let running = async {
            while let Some(event) = events.next().await {
                if let WatchEvent::Modified(pod) = event?
                    && pod.status.phase == "Running"
                {
                    return Ok(started.elapsed());
                }
            }
            anyhow::bail!("the watch ended early")
        };
        let waited = tokio::time::timeout(PATIENCE, running).await;
        api.delete(&pod.metadata.name, &DeleteParams::default().with_grace_period(0)).await?;
        latencies.push(waited.with_context(|| format!("pod {} did not run in time", pod.metadata.name))??);
    }
    latencies.sort();
    let at = |index: usize| latencies.get(index).copied().unwrap_or_default().as_secs_f64() * 1e3;
    let last = latencies.len().saturating_sub(1);
    println!("{:<28} p50 {:.0} ms  most {:.0} ms", "create to Running", at(last / 2), at(last));
    Ok(())
}
