//! What is measured about the requests to the storage, under upstream's names.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use apiserver_storage::storage::Confirmation;
use apiserver_storage::{KeyValue, ListPage, ListQuery, Revision, Storage, StorageError, WatchStream};
use async_trait::async_trait;
use bytes::Bytes;
use component_base::metrics::Metrics;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};
use tracing::Instrument as _;

const LABELS: [&str; 3] = ["operation", "group", "resource"];
/// Upper bounds in seconds, upstream's.
const DURATION_BUCKETS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
];

/// The counters of all storages.
pub struct StorageMetrics {
    duration: HistogramVec,
    total: IntCounterVec,
    errors: IntCounterVec,
}

impl StorageMetrics {
    /// Registers the counters.
    pub fn new(metrics: &Metrics) -> StorageMetrics {
        StorageMetrics {
            duration: metrics.histogram(
                "etcd_request_duration_seconds",
                "Etcd request latency in seconds for each operation and object type.",
                &LABELS,
                &DURATION_BUCKETS,
            ),
            total: metrics.int_counter(
                "etcd_requests_total",
                "Etcd request counts for each operation and object type.",
                &LABELS,
            ),
            errors: metrics.int_counter(
                "etcd_request_errors_total",
                "Etcd failed request counts for each operation and object type.",
                &LABELS,
            ),
        }
    }

    /// The storage of one resource, measured.
    pub fn around(
        self: &Arc<Self>,
        storage: &Arc<dyn Storage>,
        group: &str,
        resource: &str,
    ) -> Arc<dyn Storage> {
        Arc::new(Measured {
            inner: storage.clone(),
            metrics: self.clone(),
            resource: (group.to_owned(), resource.to_owned()),
            operations: Default::default(),
        })
    }
}

/// What is asked of a storage, as upstream calls it.
#[derive(Clone, Copy)]
enum Operation {
    Get,
    List,
    Create,
    Update,
    Delete,
}

impl Operation {
    const NAMES: [&str; 5] = ["get", "list", "create", "update", "delete"];
}

/// The series of one operation on one resource.
struct Series {
    duration: Histogram,
    total: IntCounter,
    errors: IntCounter,
}

struct Measured {
    inner: Arc<dyn Storage>,
    metrics: Arc<StorageMetrics>,
    resource: (String, String),
    /// Made on first use, so that resources nobody touches have no series.
    operations: [OnceLock<Series>; Operation::NAMES.len()],
}

impl Measured {
    fn series(&self, operation: Operation) -> Option<&Series> {
        let place = operation as usize;
        let (cell, name) = (self.operations.get(place)?, Operation::NAMES.get(place)?);
        Some(cell.get_or_init(|| {
            let labels = [name, self.resource.0.as_str(), self.resource.1.as_str()];
            Series {
                duration: self.metrics.duration.with_label_values(&labels),
                total: self.metrics.total.with_label_values(&labels),
                errors: self.metrics.errors.with_label_values(&labels),
            }
        }))
    }

    async fn timed<T>(
        &self,
        operation: Operation,
        asked: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        let started = Instant::now();
        let outcome = asked.instrument(tracing::debug_span!("store")).await;
        if let Some(series) = self.series(operation) {
            series.duration.observe(started.elapsed().as_secs_f64());
            series.total.inc();
            if outcome.is_err() {
                series.errors.inc();
            }
        }
        outcome
    }
}

#[async_trait]
impl Storage for Measured {
    async fn create(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<Revision, StorageError> {
        self.timed(Operation::Create, self.inner.create(key, value, ttl)).await
    }

    async fn get(&self, key: &str) -> Result<(Option<KeyValue>, Revision), StorageError> {
        self.timed(Operation::Get, self.inner.get(key)).await
    }

    async fn list(&self, query: ListQuery<'_>) -> Result<ListPage, StorageError> {
        self.timed(Operation::List, self.inner.list(query)).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Revision,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Revision, StorageError> {
        self.timed(Operation::Update, self.inner.compare_and_swap(key, expected, value, ttl)).await
    }

    async fn delete(&self, key: &str, expected: Option<Revision>) -> Result<Revision, StorageError> {
        self.timed(Operation::Delete, self.inner.delete(key, expected)).await
    }

    async fn watch(&self, prefix: &str, from: Revision, previous: bool) -> Result<WatchStream, StorageError> {
        self.inner.watch(prefix, from, previous).await
    }

    fn track(&self, prefix: &str) {
        self.inner.track(prefix);
    }

    async fn confirm(&self, prefix: &str) -> Result<Confirmation, StorageError> {
        self.inner.confirm(prefix).await
    }

    fn request_progress(&self, prefix: &str) {
        self.inner.request_progress(prefix);
    }

    async fn current_revision(&self) -> Result<Revision, StorageError> {
        self.inner.current_revision().await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StorageError> {
        self.inner.compact(revision).await
    }

    async fn count(&self, prefix: &str) -> Result<u64, StorageError> {
        self.inner.count(prefix).await
    }
}

#[cfg(test)]
mod tests {
    use apiserver_storage::memory::MemoryStorage;

    use super::*;

    #[tokio::test]
    async fn operations_are_counted_with_their_failures() {
        let metrics = Metrics::new();
        let measured = Arc::new(StorageMetrics::new(&metrics));
        let memory: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let pods = measured.around(&memory, "", "pods");
        let value = Bytes::from_static(b"x");
        pods.create("/registry/pods/a", value.clone(), None).await.unwrap();
        pods.create("/registry/pods/a", value, None).await.unwrap_err();
        pods.get("/registry/pods/a").await.unwrap();
        let text = metrics.render();
        for line in [
            r#"etcd_requests_total{group="",operation="create",resource="pods"} 2"#,
            r#"etcd_request_errors_total{group="",operation="create",resource="pods"} 1"#,
            r#"etcd_request_duration_seconds_count{group="",operation="get",resource="pods"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains(r#"operation="delete""#), "nothing was deleted");
    }
}
