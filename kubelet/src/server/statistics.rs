//! Resource use as the server shows it.

use async_trait::async_trait;

/// Measures the node and its pods.
#[async_trait]
pub trait Statistics: Send + Sync {
    /// The summary API's JSON.
    ///
    /// # Errors
    /// The node itself could not be measured.
    async fn summary(&self, only_cpu_and_memory: bool) -> Result<String, String>;

    /// `/metrics/cadvisor`.
    async fn cadvisor(&self) -> String;

    /// What `/metrics` says of the volumes of claims.
    async fn claims(&self) -> String;

    /// `/metrics/resource`.
    async fn resource(&self) -> String;
}
