//! What is counted about requests, under upstream's names.

use component_base::metrics::Metrics;
use http::HeaderValue;
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use super::request_info::RequestInfo;

const REQUEST_LABELS: [&str; 8] =
    ["verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component"];
/// Upper bounds in seconds, upstream's.
const DURATION_BUCKETS: [f64; 24] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0, 120.0,
];
/// Media type of server-side apply, up to its format.
const APPLY: &[u8] = b"application/apply-patch+";
const COMPONENT: &str = "apiserver";

/// The counters of the chain.
pub struct RequestMetrics {
    total: IntCounterVec,
    duration: HistogramVec,
    sizes: HistogramVec,
    long_running: IntGaugeVec,
    terminations: IntCounterVec,
    aborts: IntCounterVec,
    authenticated_users: IntCounterVec,
    authentication_attempts: IntCounterVec,
    /// Requests being served, by `readOnly` and `mutating`.
    pub in_flight: IntGaugeVec,
    /// Failed handshakes.
    pub tls_handshake_errors: prometheus::IntCounter,
}

/// The labels of one request, computed once.
#[derive(Clone, Debug)]
pub struct Labels {
    verb: &'static str,
    dry_run: String,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    scope: &'static str,
}

impl RequestMetrics {
    /// Registers the counters.
    pub fn new(metrics: &Metrics) -> Self {
        let with = |more: &[&'static str]| [&REQUEST_LABELS[..], more].concat();
        let handshake_errors = metrics.int_counter(
            "apiserver_tls_handshake_errors_total",
            "Number of requests dropped with 'TLS handshake error from' error",
            &[],
        );
        RequestMetrics {
            total: metrics.int_counter(
                "apiserver_request_total",
                "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.",
                &with(&["code"]),
            ),
            duration: metrics.histogram(
                "apiserver_request_duration_seconds",
                "Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.",
                &REQUEST_LABELS,
                &DURATION_BUCKETS,
            ),
            sizes: metrics.histogram(
                "apiserver_response_sizes",
                "Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.",
                &["verb", "group", "version", "resource", "subresource", "scope", "component"],
                &component_base::metrics::exponential_buckets(1000.0, 10.0, 7),
            ),
            long_running: metrics.int_gauge(
                "apiserver_longrunning_requests",
                "Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.",
                &["verb", "group", "version", "resource", "subresource", "scope", "component"],
            ),
            terminations: metrics.int_counter(
                "apiserver_request_terminations_total",
                "Number of requests which apiserver terminated in self-defense.",
                &["verb", "group", "version", "resource", "subresource", "scope", "component", "code"],
            ),
            aborts: metrics.int_counter(
                "apiserver_request_aborts_total",
                "Number of requests which apiserver aborted possibly due to a timeout, for each group, version, verb, resource, subresource and scope",
                &["verb", "group", "version", "resource", "subresource", "scope"],
            ),
            authenticated_users: metrics.int_counter(
                "authenticated_user_requests",
                "Counter of authenticated requests broken out by username.",
                &["username"],
            ),
            authentication_attempts: metrics.int_counter(
                "authentication_attempts",
                "Counter of authenticated attempts.",
                &["result"],
            ),
            in_flight: metrics.int_gauge(
                "apiserver_current_inflight_requests",
                "Maximal number of currently used inflight request limit of this apiserver per request kind in last second.",
                &["request_kind"],
            ),
            tls_handshake_errors: handshake_errors.with_label_values::<&str>(&[]),
        }
    }

    /// Counts an answer whose head is sent.
    pub fn answered(&self, labels: &Labels, code: u16, seconds: f64, size: Option<u64>, long_running: bool) {
        let mut code_text = itoa_code(code);
        let values = labels.values();
        let total = [&values[..], &[code_text.as_str()]].concat();
        self.total.with_label_values(&total).inc();
        code_text.clear();
        if !long_running {
            self.duration.with_label_values(&values).observe(seconds);
            if let (Some(size), true) = (size, matches!(labels.verb, "GET" | "LIST")) {
                self.sizes.with_label_values(&labels.without_dry_run()).observe(size as f64);
            }
        }
    }

    /// Counts an answer given to protect the server.
    pub fn terminated(&self, labels: &Labels, code: u16) {
        let code = itoa_code(code);
        let values = [&labels.without_dry_run()[..], &[code.as_str()]].concat();
        self.terminations.with_label_values(&values).inc();
    }

    /// Counts a request that ran out of time.
    pub fn aborted(&self, labels: &Labels) {
        self.aborts.with_label_values(&labels.without_dry_run()[..6]).inc();
    }

    /// The gauge of long-running requests like this one.
    pub fn long_running(&self, labels: &Labels) -> prometheus::IntGauge {
        self.long_running.with_label_values(&labels.without_dry_run())
    }

    /// Counts the outcome of authentication; `None` for a refusal.
    pub fn authenticated(&self, username: Option<&str>) {
        match username {
            Some(username) => {
                self.authentication_attempts.with_label_values(&["success"]).inc();
                self.authenticated_users.with_label_values(&[compress_username(username)]).inc();
            }
            None => self.authentication_attempts.with_label_values(&["failure"]).inc(),
        }
    }
}

/// Keeps the number of label values small.
fn compress_username(username: &str) -> &'static str {
    match username {
        "admin" => "admin",
        "kube-apiserver" => "kube-apiserver",
        "kube-scheduler" => "kube-scheduler",
        "kube-controller-manager" => "kube-controller-manager",
        name if name.starts_with("system:node:") => "system:node:*",
        name if name.starts_with("system:") => "system:*",
        name if name.contains('@') => "email_id",
        _ => "other",
    }
}

fn itoa_code(code: u16) -> String {
    code.to_string()
}

impl Labels {
    /// The labels of a request.
    pub fn of(info: &RequestInfo, query: &str, content_type: Option<&HeaderValue>) -> Self {
        let mut dry_run: Vec<String> = super::request_info::query_values(query, "dryRun").collect();
        dry_run.sort();
        dry_run.dedup();
        if dry_run.iter().any(|value| value != "All") {
            dry_run = vec!["invalid".to_string()];
        }
        let is_apply = content_type.is_some_and(|value| value.as_bytes().starts_with(APPLY));
        Labels {
            verb: verb(info, is_apply),
            dry_run: dry_run.join(","),
            group: info.api_group.clone(),
            version: info.api_version.clone(),
            resource: info.resource.clone(),
            subresource: if info.is_resource_request {
                info.subresource.clone()
            } else {
                path_label(&info.path)
            },
            scope: scope(info),
        }
    }

    fn values(&self) -> [&str; 8] {
        [
            self.verb,
            &self.dry_run,
            &self.group,
            &self.version,
            &self.resource,
            &self.subresource,
            self.scope,
            COMPONENT,
        ]
    }

    fn without_dry_run(&self) -> [&str; 7] {
        [self.verb, &self.group, &self.version, &self.resource, &self.subresource, self.scope, COMPONENT]
    }
}

/// Only known paths become label values, so that clients cannot invent series.
fn path_label(path: &str) -> String {
    const KNOWN: [&str; 10] = [
        "/healthz",
        "/livez",
        "/readyz",
        "/metrics",
        "/version",
        "/api",
        "/apis",
        "/openapi/v2",
        "/openapi/v3",
        "/openid/v1/jwks",
    ];
    KNOWN.iter().find(|known| **known == path).map(|known| known.to_string()).unwrap_or_default()
}

fn verb(info: &RequestInfo, is_apply: bool) -> &'static str {
    match info.verb.as_str() {
        "list" => "LIST",
        "watch" => "WATCH",
        "get" => match info.subresource.as_str() {
            "exec" | "attach" | "portforward" | "proxy" => "CONNECT",
            _ => "GET",
        },
        "create" => match info.subresource.as_str() {
            "exec" | "attach" | "portforward" | "proxy" => "CONNECT",
            _ => "POST",
        },
        "update" => "PUT",
        "patch" if is_apply => "APPLY",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        "proxy" => "CONNECT",
        "head" => "HEAD",
        "post" => "POST",
        "put" => "PUT",
        "options" => "OPTIONS",
        _ => "other",
    }
}

fn scope(info: &RequestInfo) -> &'static str {
    if !info.is_resource_request {
        return "";
    }
    if !info.name.is_empty() || info.verb == "create" {
        return "resource";
    }
    if !info.namespace.is_empty() { "namespace" } else { "cluster" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, path: &str, query: &str, expected: &str) {
        check_with(method, path, query, None, expected);
    }

    #[track_caller]
    fn check_with(method: &str, path: &str, query: &str, content_type: Option<&'static str>, expected: &str) {
        let content_type = content_type.map(HeaderValue::from_static);
        let info = RequestInfo::parse(&method.parse().unwrap(), path, query).unwrap();
        assert_eq!(Labels::of(&info, query, content_type.as_ref()).values().join("|"), expected);
    }

    #[test]
    fn labels() {
        check("GET", "/api/v1/pods", "", "LIST|||v1|pods||cluster|apiserver");
        check("GET", "/api/v1/namespaces/n/pods", "watch=1", "WATCH|||v1|pods||namespace|apiserver");
        check(
            "POST",
            "/apis/apps/v1/namespaces/n/deployments",
            "dryRun=All",
            "POST|All|apps|v1|deployments||resource|apiserver",
        );
        check("POST", "/api/v1/namespaces/n/pods", "dryRun=x", "POST|invalid||v1|pods||resource|apiserver");
        check("GET", "/api/v1/namespaces/n/pods/p/exec", "", "CONNECT|||v1|pods|exec|resource|apiserver");
        check("GET", "/healthz", "", "GET|||||/healthz||apiserver");
        let apply = Some("application/apply-patch+yaml");
        check_with("PATCH", "/api/v1/nodes/n", "", apply, "APPLY|||v1|nodes||resource|apiserver");
        check("GET", "/anything", "", "GET|||||||apiserver");
    }
}
