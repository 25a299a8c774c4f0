//! The store: a connection to etcd, its compaction and its check.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use apiserver_storage::etcd::{EtcdStorage, EtcdTls, run_compactor};
use apiserver_storage::{Storage, etcd};
use component_base::Shutdown;
use component_base::health::{Endpoint, Health};
use parking_lot::Mutex;

use super::Backend;
use crate::options::EtcdOptions;

/// How often the store is asked whether it lives, and how long it may take.
const CHECK_PERIOD: Duration = Duration::from_secs(2);
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens the store.
pub async fn open(
    options: &EtcdOptions,
    backend: Backend,
    loops: &Shutdown,
) -> anyhow::Result<Arc<dyn Storage>> {
    if let Backend::Given(storage) = backend {
        return Ok(storage);
    }
    let read = |file: &Path| std::fs::read(file).with_context(|| format!("reading {}", file.display()));
    let ca = options.etcd_cafile.as_deref().map(read).transpose().context("--etcd-cafile")?;
    let identity = match (&options.etcd_certfile, &options.etcd_keyfile) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
        _ => None,
    };
    let needs_tls = options.etcd_servers.iter().any(|server| server.starts_with("https://"));
    let tls = (needs_tls || ca.is_some() || identity.is_some()).then_some(EtcdTls { ca, identity });
    let connection = etcd::EtcdOptions { endpoints: options.etcd_servers.clone(), tls };
    let storage = EtcdStorage::connect(&connection)
        .await
        .with_context(|| format!("connecting to etcd at {}", options.etcd_servers.join(", ")))?;
    if !options.etcd_compaction_interval.is_zero() {
        let (compacted, interval, loops) = (storage.clone(), options.etcd_compaction_interval, loops.clone());
        tokio::spawn(async move { loops.run_until(run_compactor(compacted, interval)).await });
    }
    Ok(Arc::new(storage))
}

/// Adds the checks `etcd` and `etcd-readiness`, which report what a task has found out lately.
pub fn watch_health(storage: &Arc<dyn Storage>, health: &Health, loops: &Shutdown) {
    let state = Arc::new(Mutex::new(Err("etcd has not been asked yet".to_string())));
    for (name, endpoints) in [
        ("etcd", &[Endpoint::Healthz, Endpoint::Livez, Endpoint::Readyz][..]),
        ("etcd-readiness", &[Endpoint::Readyz]),
    ] {
        let seen = state.clone();
        health.add(name, endpoints, move || seen.lock().clone());
    }
    let (storage, loops) = (storage.clone(), loops.clone());
    tokio::spawn(async move {
        loop {
            let asked = tokio::time::timeout(CHECK_TIMEOUT, storage.current_revision()).await;
            *state.lock() = match asked {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(format!("error getting data from etcd: {error}")),
                Err(_) => Err("etcd did not answer in time".to_string()),
            };
            if !loops.sleep(CHECK_PERIOD).await {
                break;
            }
        }
    });
}
