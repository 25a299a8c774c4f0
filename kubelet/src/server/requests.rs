//! Metrics of the server's own requests, by upstream's names.

use std::time::Instant;

use component_base::metrics::Metrics;
use http::{Method, StatusCode};
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use super::routes::{Found, NotFound};

const LABELS: [&str; 4] = ["long_running", "method", "path", "server_type"];

/// This server has the door open for reading and writing alike.
const SERVER_TYPE: &str = "readwrite";

/// Upstream's buckets for requests of an API server, in seconds.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone)]
pub(super) struct RequestMetrics {
    total: IntCounterVec,
    seconds: HistogramVec,
    inflight: IntGaugeVec,
}

impl RequestMetrics {
    pub(super) fn register(metrics: &Metrics) -> RequestMetrics {
        RequestMetrics {
            total: metrics.int_counter(
                "kubelet_http_requests_total",
                "[ALPHA] Number of the http requests received since the server started",
                &LABELS,
            ),
            seconds: metrics.histogram(
                "kubelet_http_requests_duration_seconds",
                "[ALPHA] Duration in seconds to serve http requests",
                &LABELS,
                &BUCKETS,
            ),
            inflight: metrics.int_gauge(
                "kubelet_http_inflight_requests",
                "[ALPHA] Number of the inflight http requests",
                &LABELS,
            ),
        }
    }

    /// Counts a request as begun.
    pub(super) fn begin(&self, method: &Method, path: &str, found: &Result<Found, NotFound>) -> Measured<'_> {
        let long_running = found.as_ref().is_ok_and(|found| found.route.long_running);
        let bucket = if found.is_ok() { bucket(path) } else { "other".to_owned() };
        let labels = [long_running.to_string(), method.as_str().to_owned(), bucket, SERVER_TYPE.to_owned()];
        self.inflight.with_label_values(&labels).inc();
        self.total.with_label_values(&labels).inc();
        Measured { metrics: self, labels, started: Instant::now() }
    }
}

/// The part of a path that is the same for all objects.
fn bucket(path: &str) -> String {
    let mut parts = path.trim_matches('/').split('/');
    let first = parts.next().unwrap_or_default();
    match (first, parts.next()) {
        ("metrics", Some(second)) => format!("metrics/{second}"),
        _ => first.to_owned(),
    }
}

/// A request being served.
pub(super) struct Measured<'a> {
    metrics: &'a RequestMetrics,
    labels: [String; 4],
    started: Instant,
}

impl Measured<'_> {
    /// The answer is known. Upstream's series have no status; it is logged.
    pub(super) fn end(self, status: StatusCode) {
        let elapsed = self.started.elapsed();
        let [_, method, path, _] = &self.labels;
        tracing::debug!(method, path, status = status.as_u16(), ?elapsed, "request answered");
        self.metrics.seconds.with_label_values(&self.labels).observe(elapsed.as_secs_f64());
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        self.metrics.inflight.with_label_values(&self.labels).dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut() {
        let check = |path: &str, expected: &str| assert_eq!(bucket(path), expected);
        check("/containerLogs/ns/pod/container", "containerLogs");
        check("/metrics", "metrics");
        check("/metrics/cadvisor", "metrics/cadvisor");
        check("/runningpods/", "runningpods");
    }
}
