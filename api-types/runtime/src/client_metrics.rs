//! What a program's requests to the API server cost, by upstream's names (`rest_client_*`).

use std::sync::Arc;
use std::time::Duration;

use client::observer::{Answered, RequestObserver};
use component_base::metrics::Metrics;
use http::{Method, StatusCode};
use prometheus::{HistogramVec, IntCounterVec};

/// Buckets of times, in seconds.
const SECONDS: [f64; 12] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0];
/// Buckets of bodies: 64 bytes to 16 MiB.
const BYTES: [f64; 11] =
    [64.0, 256.0, 512.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];
/// The code of an attempt without an answer.
const NO_ANSWER: &str = "<error>";

/// Counts and measures the requests of clients.
pub struct ClientMetrics {
    requests: IntCounterVec,
    retries: IntCounterVec,
    seconds: HistogramVec,
    limited_seconds: HistogramVec,
    request_bytes: HistogramVec,
    response_bytes: HistogramVec,
}

impl ClientMetrics {
    /// Registers the metrics. Give the result to [`client::Client::observe`].
    pub fn register(metrics: &Metrics) -> Arc<ClientMetrics> {
        let verb_and_host = ["verb", "host"];
        Arc::new(ClientMetrics {
            requests: metrics.int_counter(
                "rest_client_requests_total",
                "[ALPHA] Number of HTTP requests, partitioned by status code, method, and host.",
                &["code", "method", "host"],
            ),
            retries: metrics.int_counter(
                "rest_client_request_retries_total",
                "[ALPHA] Number of request retries, partitioned by status code, verb, and host.",
                &["code", "verb", "host"],
            ),
            seconds: metrics.histogram(
                "rest_client_request_duration_seconds",
                "[ALPHA] Request latency in seconds. Broken down by verb, and host.",
                &verb_and_host,
                &SECONDS,
            ),
            limited_seconds: metrics.histogram(
                "rest_client_rate_limiter_duration_seconds",
                "[ALPHA] Client side rate limiter latency in seconds. Broken down by verb, and host.",
                &verb_and_host,
                &SECONDS,
            ),
            request_bytes: metrics.histogram(
                "rest_client_request_size_bytes",
                "[ALPHA] Request size in bytes. Broken down by verb and host.",
                &verb_and_host,
                &BYTES,
            ),
            response_bytes: metrics.histogram(
                "rest_client_response_size_bytes",
                "[ALPHA] Response size in bytes. Broken down by verb and host.",
                &verb_and_host,
                &BYTES,
            ),
        })
    }
}

impl RequestObserver for ClientMetrics {
    fn attempted(&self, method: &Method, host: &str, code: Option<StatusCode>) {
        let code = code.as_ref().map_or(NO_ANSWER, StatusCode::as_str);
        self.requests.with_label_values(&[code, method.as_str(), host]).inc();
    }

    fn retried(&self, method: &Method, host: &str, code: Option<StatusCode>) {
        let code = code.as_ref().map_or(NO_ANSWER, StatusCode::as_str);
        self.retries.with_label_values(&[code, method.as_str(), host]).inc();
    }

    fn limited(&self, method: &Method, host: &str, wait: Duration) {
        self.limited_seconds.with_label_values(&[method.as_str(), host]).observe(wait.as_secs_f64());
    }

    #[expect(clippy::cast_precision_loss, reason = "bodies are small")]
    fn answered(&self, method: &Method, host: &str, whole: Answered) {
        let labels = [method.as_str(), host];
        self.seconds.with_label_values(&labels).observe(whole.after.as_secs_f64());
        self.request_bytes.with_label_values(&labels).observe(whole.request_bytes as f64);
        if let Some(bytes) = whole.response_bytes {
            self.response_bytes.with_label_values(&labels).observe(bytes as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::ConfigMap;
    use client::ListParams;
    use client::fake::{Answer, FakeServer};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn requests_are_counted_and_whole_ones_measured() {
        let server = FakeServer::start().await.expect("server");
        let path = "/api/v1/namespaces/d/configmaps";
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "d"}});
        server
            .on(
                Method::GET,
                &format!("{path}/a"),
                Answer::json(503, &json!({})).with_header("retry-after", "0"),
            )
            .on(Method::GET, &format!("{path}/a"), Answer::json(200, &map))
            .on(Method::GET, path, Answer::watch(&[]));
        let (metrics, client) = (Metrics::new(), server.client().expect("client"));
        client.observe(ClientMetrics::register(&metrics));
        let maps = client.namespaced::<ConfigMap>("d");
        maps.get("a").await.expect("an object");
        maps.get("b").await.expect_err("no such object");
        maps.watch(&ListParams::default(), "1").await.expect("a watch");
        let host = server.url().trim_start_matches("http://").to_owned();
        drop(server);

        let text = metrics.render();
        for line in [
            format!(r#"rest_client_requests_total{{code="200",host="{host}",method="GET"}} 2"#),
            format!(r#"rest_client_requests_total{{code="404",host="{host}",method="GET"}} 1"#),
            format!(r#"rest_client_requests_total{{code="503",host="{host}",method="GET"}} 1"#),
            format!(r#"rest_client_request_retries_total{{code="503",host="{host}",verb="GET"}} 1"#),
            // A watch lasts as long as it is wanted.
            format!(r#"rest_client_request_duration_seconds_count{{host="{host}",verb="GET"}} 2"#),
            format!(r#"rest_client_response_size_bytes_count{{host="{host}",verb="GET"}} 1"#),
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_counted_as_an_error() {
        let (metrics, config) = (Metrics::new(), client::Config::new("http://127.0.0.1:1").expect("address"));
        let client = client::Client::new(config).expect("client");
        client.observe(ClientMetrics::register(&metrics));
        client.namespaced::<ConfigMap>("d").get("a").await.expect_err("nobody listens");
        let text = metrics.render();
        let line = r#"rest_client_requests_total{code="<error>",host="127.0.0.1:1",method="GET"}"#;
        assert!(text.lines().any(|known| known.starts_with(line)), "{text}");
    }
}
