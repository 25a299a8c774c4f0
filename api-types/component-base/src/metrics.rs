//! The metrics of one component, in Prometheus' text format.
//!
//! Each component owns one [`Metrics`] handle, so that several components in one process (tests) do
//! not collide. The constructors return what is already registered when a name is asked for twice:
//! a queue or client made twice shares its series instead of failing.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{
    CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::version;

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A registry of metrics; clones share it.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    by_name: Arc<Mutex<HashMap<String, Box<dyn Any + Send>>>>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// An empty registry, as tests want it.
    pub fn new() -> Metrics {
        Metrics { registry: Registry::new(), by_name: Arc::default() }
    }

    /// A registry with what every component reports: process facts and `kubernetes_build_info`.
    pub fn for_component() -> Metrics {
        let metrics = Metrics::new();
        metrics.register(Box::new(crate::process_metrics::ProcessCollector::new()));
        let info = version::Info::current();
        metrics
            .int_gauge(
                "kubernetes_build_info",
                "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.",
                &["major", "minor", "git_version", "git_commit", "git_tree_state", "build_date", "go_version", "compiler", "platform"],
            )
            .with_label_values(&[
                &info.major,
                &info.minor,
                &info.git_version,
                &info.git_commit,
                &info.git_tree_state,
                &info.build_date,
                &info.go_version,
                &info.compiler,
                &info.platform,
            ])
            .set(1);
        metrics
    }

    /// Adds a collector of any kind; one whose name is taken is logged and dropped.
    pub fn register(&self, collector: Box<dyn Collector>) {
        if let Err(error) = self.registry.register(collector) {
            tracing::warn!(%error, "metric not registered");
        }
    }

    /// The registry itself, for collectors that unregister.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    fn shared<M: Collector + Clone + Send + 'static>(
        &self,
        name: &str,
        make: impl Fn() -> prometheus::Result<M>,
        fallback: impl FnOnce() -> M,
    ) -> M {
        let mut by_name = self.by_name.lock();
        if let Some(existing) = by_name.get(name).and_then(|metric| metric.downcast_ref::<M>()) {
            return existing.clone();
        }
        match make() {
            Ok(metric) => {
                self.register(Box::new(metric.clone()));
                by_name.insert(name.to_owned(), Box::new(metric.clone()));
                metric
            }
            Err(error) => {
                // Names and labels are constants of this project: a bad one is seen in its first test.
                tracing::error!(%error, metric = name, "metric is malformed and will not be exported");
                fallback()
            }
        }
    }

    /// A counter of whole events.
    pub fn int_counter(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.shared(
            name,
            || IntCounterVec::new(Opts::new(name, help), labels),
            || detached(IntCounterVec::new),
        )
    }

    /// A counter of fractions (seconds).
    pub fn counter(&self, name: &str, help: &str, labels: &[&str]) -> CounterVec {
        self.shared(name, || CounterVec::new(Opts::new(name, help), labels), || detached(CounterVec::new))
    }

    /// A whole number that goes up and down.
    pub fn int_gauge(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.shared(name, || IntGaugeVec::new(Opts::new(name, help), labels), || detached(IntGaugeVec::new))
    }

    /// A number that goes up and down.
    pub fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.shared(name, || GaugeVec::new(Opts::new(name, help), labels), || detached(GaugeVec::new))
    }

    /// A distribution over `buckets` (upper bounds, ascending).
    pub fn histogram(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        self.shared(
            name,
            || HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels),
            || detached(|opts, labels| HistogramVec::new(HistogramOpts::from(opts), labels)),
        )
    }

    /// All series in text form.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be rendered");
        }
        text
    }
}

/// A well-formed metric nobody exports.
fn detached<M>(make: impl Fn(Opts, &[&str]) -> prometheus::Result<M>) -> M {
    make(Opts::new("unregistered", "unregistered"), &[])
        .expect("a constant name without labels is well formed")
}

/// `count` upper bounds starting at `start`, each `factor` times the one before.
pub fn exponential_buckets(start: f64, factor: f64, count: usize) -> Vec<f64> {
    std::iter::successors(Some(start), |bound| Some(bound * factor)).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_asked_for_twice_is_shared() {
        let metrics = Metrics::new();
        metrics.int_counter("things_total", "Things.", &["kind"]).with_label_values(&["a"]).inc();
        metrics.int_counter("things_total", "Things.", &["kind"]).with_label_values(&["a"]).inc();
        assert!(metrics.render().contains("things_total{kind=\"a\"} 2"), "{}", metrics.render());
    }

    #[test]
    fn components_report_process_and_build() {
        let text = Metrics::for_component().render();
        for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "kubernetes_build_info{"] {
            assert!(text.contains(name), "{name} is missing in {text}");
        }
    }

    #[test]
    fn buckets_grow() {
        assert_eq!(exponential_buckets(1.0, 10.0, 3), [1.0, 10.0, 100.0]);
    }
}
