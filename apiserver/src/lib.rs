//! The `kube-apiserver`: everything between the wire and the store.
//!
//! `chain` (stations) → `router` → `endpoints` (generic REST) → `store`; beside them `connect`
//! (conversations), `discovery`, `openapi` and `system` (the loops that live here). `app` joins them.

pub mod app;
pub mod chain;
pub mod connect;
pub mod custom;
pub mod discovery;
pub mod endpoints;
pub mod openapi;
pub mod options;
pub mod router;
pub mod store;
pub mod system;

pub use app::{Backend, Running, start};
pub use options::Options;

use component_base::Shutdown;

/// Runs a server on etcd until `shutdown`.
pub async fn run(options: Options, shutdown: Shutdown) -> anyhow::Result<()> {
    let running = start(options, Backend::Etcd, shutdown).await?;
    running.finished.await?;
    Ok(())
}

/// Starts a server on a memory store, for tests that want a whole server in their process.
pub async fn run_in_memory(options: Options, shutdown: Shutdown) -> anyhow::Result<Running> {
    let storage = std::sync::Arc::new(apiserver_storage::memory::MemoryStorage::new());
    start(options, Backend::Given(storage), shutdown).await
}
