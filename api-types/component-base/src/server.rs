//! The small HTTPS server beside a component's real work: health, metrics, configuration.
//!
//! `/healthz`, `/livez` and `/readyz` are open to everyone by default (upstream's
//! `--authorization-always-allow-paths`); every other path goes through the [`Gate`].

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};

use crate::Shutdown;
use crate::health::Health;
use crate::metrics::{self, Metrics};

/// Answers of this server.
pub type Reply = Response<Full<Bytes>>;

/// What is known of a request when it must be let in or not.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Method, path, headers.
    pub head: &'a http::request::Parts,
    /// Chain the client presented, leaf first; possession of the key is proven, trust is not.
    pub certificates: &'a [CertificateDer<'static>],
    /// Address of the client.
    pub peer: SocketAddr,
}

/// Decides who may see non-public paths: delegated authentication and authorization.
pub trait Gate: Send + Sync {
    /// `Ok` lets the request in; `Err` is the answer (401, 403, 500) in its stead.
    fn check<'a>(
        &'a self,
        asked: &'a Asked<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Reply>> + Send + 'a>>;
}

/// Lets everyone in: for servers bound to the loopback address only.
#[derive(Debug)]
pub struct OpenGate;

impl Gate for OpenGate {
    fn check<'a>(&'a self, _: &'a Asked<'a>) -> Pin<Box<dyn Future<Output = Result<(), Reply>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

type Page = Arc<dyn Fn(&http::request::Parts) -> Reply + Send + Sync>;

/// The server; built once, then [`served`](SideServer::serve).
#[derive(Clone)]
pub struct SideServer {
    health: Health,
    metrics: Metrics,
    pages: Vec<(String, Page)>,
    gate: Arc<dyn Gate>,
    always_allowed: Vec<String>,
}

impl SideServer {
    /// Serves health and metrics; nobody but the public paths is let in until [`SideServer::with_gate`].
    pub fn new(health: Health, metrics: Metrics) -> SideServer {
        SideServer {
            health,
            metrics,
            pages: Vec::new(),
            gate: Arc::new(ClosedGate),
            always_allowed: ["/healthz", "/readyz", "/livez"].map(str::to_owned).to_vec(),
        }
    }

    /// Sets who may see non-public paths.
    pub fn with_gate(mut self, gate: Arc<dyn Gate>) -> SideServer {
        self.gate = gate;
        self
    }

    /// Replaces the public paths; `/healthz/*` covers everything below.
    pub fn with_always_allowed(mut self, paths: Vec<String>) -> SideServer {
        self.always_allowed = paths;
        self
    }

    /// Adds a page at an exact path.
    pub fn with_page(
        mut self,
        path: &str,
        page: impl Fn(&http::request::Parts) -> Reply + Send + Sync + 'static,
    ) -> SideServer {
        self.pages.push((path.to_owned(), Arc::new(page)));
        self
    }

    /// Adds `/configz`: the component's configuration in force under upstream's key.
    pub fn with_configz(self, key: &str, configuration: serde_json::Value) -> SideServer {
        let body = serde_json::json!({ key: configuration }).to_string();
        self.with_page("/configz", move |_| reply(StatusCode::OK, "application/json", body.clone()))
    }

    /// Accepts connections until `shutdown`; plain HTTP when `tls` is none. Returns after open
    /// connections ended, at most a second later.
    pub async fn serve(
        self,
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        shutdown: Shutdown,
    ) {
        let server = Arc::new(self);
        let acceptor = tls.map(tokio_rustls::TlsAcceptor::from);
        let graceful = hyper_util::server::graceful::GracefulShutdown::new();
        // Accepting is safe to drop: a connection not yet returned stays in the kernel's queue.
        while let Some(accepted) = shutdown.run_until(listener.accept()).await {
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: give others time to close some.
                    tracing::warn!(%error, "connection not accepted");
                    shutdown.sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (server, acceptor, watcher) = (Arc::clone(&server), acceptor.clone(), graceful.watcher());
            tokio::spawn(async move {
                if let Err(error) = server.connection(stream, peer, acceptor, watcher).await {
                    tracing::debug!(%peer, error, "connection ended with an error");
                }
            });
        }
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), graceful.shutdown()).await;
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        acceptor: Option<tokio_rustls::TlsAcceptor>,
        watcher: hyper_util::server::graceful::Watcher,
    ) -> Result<(), String> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(std::time::Duration::from_secs(32));
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(100);
        let Some(acceptor) = acceptor else {
            let service = self.service(peer, Vec::new());
            let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
            return watcher.watch(connection).await.map_err(|error| error.to_string());
        };
        let handshake = tokio::time::timeout(std::time::Duration::from_secs(10), acceptor.accept(stream));
        let stream = handshake
            .await
            .map_err(|_| "TLS handshake took too long".to_owned())?
            .map_err(|error| format!("TLS handshake: {error}"))?;
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let certificates = certificates.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let service = self.service(peer, certificates);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        watcher.watch(connection).await.map_err(|error| error.to_string())
    }

    fn service(
        self: Arc<Self>,
        peer: SocketAddr,
        certificates: Vec<CertificateDer<'static>>,
    ) -> impl hyper::service::Service<
        Request<Incoming>,
        Response = Reply,
        Error = Infallible,
        Future = impl Future<Output = Result<Reply, Infallible>> + Send,
    > {
        let certificates = Arc::new(certificates);
        hyper::service::service_fn(move |request: Request<Incoming>| {
            let (server, certificates) = (Arc::clone(&self), Arc::clone(&certificates));
            async move {
                let (head, _) = request.into_parts();
                Ok(server.answer(&Asked { head: &head, certificates: &certificates, peer }).await)
            }
        })
    }

    async fn answer(&self, asked: &Asked<'_>) -> Reply {
        let path = asked.head.uri.path();
        if !self.is_always_allowed(path)
            && let Err(refusal) = self.gate.check(asked).await
        {
            return refusal;
        }
        let health = self.health.answer(path, asked.head.uri.query());
        let page = self.pages.iter().find(|(known, _)| known == path);
        if health.is_none() && page.is_none() && path != "/metrics" {
            return reply(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n");
        }
        if !matches!(asked.head.method, Method::GET | Method::HEAD) {
            return reply(
                StatusCode::METHOD_NOT_ALLOWED,
                "text/plain; charset=utf-8",
                "Method Not Allowed\n",
            );
        }
        match (health, page) {
            (Some(answer), _) => {
                let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let mut response = reply(status, "text/plain; charset=utf-8", answer.body);
                response
                    .headers_mut()
                    .insert(http::header::X_CONTENT_TYPE_OPTIONS, http::HeaderValue::from_static("nosniff"));
                response
            }
            (None, Some((_, page))) => page(asked.head),
            (None, None) => reply(StatusCode::OK, metrics::CONTENT_TYPE, self.metrics.render()),
        }
    }

    fn is_always_allowed(&self, path: &str) -> bool {
        self.always_allowed.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => allowed == path,
        })
    }
}

/// Lets nobody in.
struct ClosedGate;

impl Gate for ClosedGate {
    fn check<'a>(&'a self, _: &'a Asked<'a>) -> Pin<Box<dyn Future<Output = Result<(), Reply>> + Send + 'a>> {
        let refusal = reply(StatusCode::UNAUTHORIZED, "text/plain; charset=utf-8", "Unauthorized\n");
        Box::pin(std::future::ready(Err(refusal)))
    }
}

/// A whole answer.
pub fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
