//! Health over HTTP: of the proxy itself, and of each Service with `externalTrafficPolicy: Local`, on the port
//! which its load balancer asks.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use component_base::Shutdown;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::net::TcpListener;

/// When the rules were last brought up to date, and since when they should have been.
#[derive(Debug, Default)]
pub struct Freshness {
    updated: Option<Timestamp>,
    waiting_since: Option<Timestamp>,
    node_eligible: bool,
}

/// Shared health of the proxy.
#[derive(Clone, Debug, Default)]
pub struct ProxyHealth(Arc<Mutex<Freshness>>);

/// After this many seconds with a change not in the kernel the proxy is not healthy.
const STALE_SECONDS: i64 = 60;

impl ProxyHealth {
    /// A change came in.
    pub fn queued(&self, now: Timestamp) {
        self.0.lock().waiting_since.get_or_insert(now);
    }

    /// All changes are in the kernel.
    pub fn updated(&self, now: Timestamp) {
        let mut freshness = self.0.lock();
        freshness.updated = Some(now);
        freshness.waiting_since = None;
    }

    /// The node takes traffic: it is not being deleted.
    pub fn set_node_eligible(&self, eligible: bool) {
        self.0.lock().node_eligible = eligible;
    }

    /// True while the kernel is up to date, or nearly.
    pub fn is_healthy(&self, now: Timestamp) -> bool {
        let freshness = self.0.lock();
        let late =
            freshness.waiting_since.is_some_and(|since| now.as_second() - since.as_second() > STALE_SECONDS);
        freshness.updated.is_some() && !late
    }

    /// Upstream's answer at `/healthz` (with the node's fate) or `/livez` (without).
    fn answer(&self, path: &str, now: Timestamp) -> (StatusCode, String) {
        let healthy = self.is_healthy(now);
        let freshness = self.0.lock();
        let eligible = freshness.node_eligible || path == "/livez";
        let status = match (path, healthy && eligible) {
            ("/healthz" | "/livez", true) => StatusCode::OK,
            ("/healthz" | "/livez", false) => StatusCode::SERVICE_UNAVAILABLE,
            _ => return (StatusCode::NOT_FOUND, "404 page not found\n".to_owned()),
        };
        let updated = freshness.updated.map(|time| time.to_string()).unwrap_or_default();
        let body = serde_json::json!({"lastUpdated": updated, "currentTime": now.to_string(), "nodeEligible": freshness.node_eligible});
        (status, body.to_string())
    }
}

type Answer = Arc<dyn Fn(&str) -> (StatusCode, String) + Send + Sync>;

/// Serves `/healthz` and `/livez`.
pub async fn serve(health: ProxyHealth, address: SocketAddr, shutdown: Shutdown) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(accept(listener, Arc::new(move |path| health.answer(path, Timestamp::now())), shutdown));
    Ok(())
}

async fn accept(listener: TcpListener, answer: Answer, shutdown: Shutdown) {
    // Accepting is safe to drop: a connection not yet returned stays in the kernel's queue.
    while let Some(Ok((stream, _))) = shutdown.run_until(listener.accept()).await {
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (status, body) = answer(request.uri().path());
                let mut response = Response::new(Full::new(Bytes::from(body)));
                *response.status_mut() = status;
                let json = http::HeaderValue::from_static("application/json");
                response.headers_mut().insert(http::header::CONTENT_TYPE, json);
                std::future::ready(Ok::<_, Infallible>(response))
            });
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            // The peer's broken connections are its own business.
            server.serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

/// Ports on which load balancers ask for the health of Services.
#[derive(Debug)]
pub struct ServiceHealth {
    proxy: ProxyHealth,
    shutdown: Shutdown,
    open: HashMap<u16, Open>,
}

#[derive(Debug)]
struct Open {
    service: String,
    local: Arc<Mutex<usize>>,
    close: Shutdown,
}

impl ServiceHealth {
    /// No ports yet.
    pub fn new(proxy: ProxyHealth, shutdown: Shutdown) -> Self {
        Self { proxy, shutdown, open: HashMap::new() }
    }

    /// Opens and closes ports; `wanted` is (port, `namespace/name`, local endpoints).
    pub async fn set(&mut self, wanted: Vec<(u16, String, usize)>) {
        self.open.retain(|port, open| {
            let stays = wanted.iter().any(|(p, service, _)| p == port && *service == open.service);
            if !stays {
                open.close.trigger();
            }
            stays
        });
        for (port, service, count) in wanted {
            if let Some(open) = self.open.get(&port) {
                *open.local.lock() = count;
                continue;
            }
            match TcpListener::bind(("0.0.0.0", port)).await {
                Ok(listener) => drop(self.open.insert(port, self.start(listener, service, count))),
                Err(error) => tracing::error!(port, service, %error, "failed to open a health check port"),
            }
        }
    }

    fn start(&self, listener: TcpListener, service: String, count: usize) -> Open {
        let local = Arc::new(Mutex::new(count));
        let close = self.shutdown.child();
        let (namespace, name) = service.split_once('/').unwrap_or_default();
        let reference = serde_json::json!({"namespace": namespace, "name": name});
        let (shared, proxy) = (local.clone(), self.proxy.clone());
        let answer = move |_: &str| {
            let local = *shared.lock();
            let healthy = proxy.is_healthy(Timestamp::now());
            let status = if local > 0 && healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            let body = serde_json::json!({"service": reference, "localEndpoints": local, "serviceProxyHealthy": healthy});
            (status, body.to_string())
        };
        tokio::spawn(accept(listener, Arc::new(answer), close.clone()));
        Open { service, local, close }
    }
}
