//! The last station's switch: resources to the API, everything else by its path.

use std::sync::Arc;

use async_trait::async_trait;
use component_base::health::Health;
use component_base::metrics::Metrics;
use component_base::version;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;

use crate::chain::body::{Body, full};
use crate::chain::context::RequestContext;
use crate::chain::endpoint::Endpoint;
use crate::chain::respond;
use crate::discovery::Discovery;
use crate::discovery::openid::{self, OpenId};
use crate::endpoints::Api;
use crate::openapi::OpenApi;

const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
/// Paths beside those of discovery, as `/` lists them.
const OTHER_PATHS: [&str; 9] = [
    "/healthz",
    "/livez",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/",
    "/readyz",
    "/version",
    "/.well-known/openid-configuration",
];

/// Everything that answers.
pub struct Router {
    /// Resources.
    pub api: Arc<Api>,
    /// Discovery.
    pub discovery: Arc<Discovery>,
    /// Schemas.
    pub openapi: Arc<OpenApi>,
    /// Token verification for others; `None` when the issuer has no URL.
    pub openid: Option<OpenId>,
    /// Checks.
    pub health: Health,
    /// Counters.
    pub metrics: Metrics,
}

#[async_trait]
impl Endpoint for Router {
    async fn serve(&self, request: Request<Body>, context: RequestContext) -> Response<Body> {
        if context.info.is_resource_request {
            return match self.api.resources().find(&context.info) {
                Some(resource) => self.api.answer(resource, request, context).await,
                None => not_found(),
            };
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return if self.path(&request).is_some() { method_not_allowed() } else { not_found() };
        }
        self.path(&request).unwrap_or_else(not_found)
    }
}

impl Router {
    fn path(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let path = request.uri().path();
        if let Some(answer) = self.health.answer(path, request.uri().query()) {
            let code = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return Some(respond::text(code, answer.body));
        }
        match path {
            "/" | "/index.html" => Some(self.index(request)),
            "/version" | "/version/" => {
                let info = serde_json::to_value(version::Info::current()).unwrap_or_default();
                // Always for people: upstream indents this document for everyone.
                let text = serde_json::to_vec_pretty(&info).unwrap_or_default();
                Some(respond::json_bytes(StatusCode::OK, text))
            }
            "/metrics" => Some(self.render_metrics()),
            openid::CONFIGURATION_PATH | openid::KEYS_PATH => self.openid.as_ref()?.answer(path),
            path if path.starts_with("/openapi/") => self.openapi.answer(request),
            _ => self.discovery.answer(request),
        }
    }

    fn render_metrics(&self) -> Response<Body> {
        let mut response = Response::new(full(self.metrics.render()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
        response
    }

    fn index(&self, request: &Request<Body>) -> Response<Body> {
        let mut paths: Vec<String> = OTHER_PATHS.iter().map(|path| path.to_string()).collect();
        paths.extend(["/api".to_string(), "/apis".to_string()]);
        for group in &self.discovery.catalog().groups {
            let base =
                if group.name.is_empty() { "/api".to_string() } else { format!("/apis/{}", group.name) };
            if !group.name.is_empty() {
                paths.push(base.clone());
            }
            paths.extend(group.versions.iter().map(|version| format!("{base}/{}", version.version)));
        }
        paths.sort();
        respond::json_value(request.headers(), StatusCode::OK, &json!({"paths": paths}))
    }
}

fn not_found() -> Response<Body> {
    respond::text(StatusCode::NOT_FOUND, "404 page not found\n")
}

fn method_not_allowed() -> Response<Body> {
    let mut response = respond::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
