//! The kubelet's HTTPS server: metrics, pods, logs, and streams to containers.
//!
//! A request walks: connection → [`access`] (who, may they) → [`routes`] (what) → one page.

pub mod access;
mod container_logs;
mod listing;
mod node_logs;
mod query;
mod reply;
mod requests;
mod routes;
mod run;
pub mod statistics;
mod streaming;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use component_base::Shutdown;
use component_base::health::Health;
use component_base::metrics::Metrics;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use kubelet_core::ports::Runtime;
use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use self::access::Access;
use self::query::Query;
use self::reply::{Body, Reply};
use self::requests::RequestMetrics;
use self::routes::{Found, NotFound, Page};
use self::statistics::Statistics;
use crate::view::KubeletView;

/// The content type of metrics in text form.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A client that does not finish its handshake or its headers is let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Open answers may go on so long after a shutdown.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the server is made of.
#[derive(Clone)]
pub struct Parts {
    /// The kubelet.
    pub view: Arc<dyn KubeletView>,
    /// The container runtime.
    pub runtime: Arc<dyn Runtime>,
    /// Resource use.
    pub statistics: Arc<dyn Statistics>,
    /// Who may see what.
    pub access: Access,
    /// Checks of `/healthz`.
    pub health: Health,
    /// Metrics of the kubelet.
    pub metrics: Metrics,
    /// Metrics of probes.
    pub probe_metrics: Metrics,
    /// Logs of the node (`/var/log`).
    pub log_directory: PathBuf,
    /// `enableDebuggingHandlers`: logs, exec and the like.
    pub debugging: bool,
    /// `enableSystemLogHandler`: `/logs/`.
    pub system_logs: bool,
}

/// The server; cheap to clone.
#[derive(Clone)]
pub struct Server {
    parts: Arc<Parts>,
    requests: RequestMetrics,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    /// A server of `parts`; registers its own metrics there.
    pub fn new(parts: Parts) -> Server {
        let requests = RequestMetrics::register(&parts.metrics);
        Server { parts: Arc::new(parts), requests }
    }

    /// Accepts connections until `shutdown`; returns soon after.
    pub async fn serve(self, listener: TcpListener, tls: Arc<rustls::ServerConfig>, shutdown: Shutdown) {
        let acceptor = TlsAcceptor::from(tls);
        let graceful = GracefulShutdown::new();
        // Accepting is safe to drop: a connection not yet returned stays in the kernel's queue.
        while let Some(accepted) = shutdown.run_until(listener.accept()).await {
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: give others time to close some.
                    tracing::warn!(%error, "connection not accepted");
                    shutdown.sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (server, acceptor, watcher) = (self.clone(), acceptor.clone(), graceful.watcher());
            tokio::spawn(async move {
                if let Err(error) = server.connection(stream, acceptor, watcher).await {
                    tracing::debug!(%peer, error, "connection ended with an error");
                }
            });
        }
        let _ = tokio::time::timeout(GOODBYE, graceful.shutdown()).await;
    }

    /// Listens on an address.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    async fn connection(
        self,
        stream: TcpStream,
        acceptor: TlsAcceptor,
        watcher: hyper_util::server::graceful::Watcher,
    ) -> Result<(), String> {
        // Interactive streams: small pieces must not wait for more.
        let _ = stream.set_nodelay(true);
        let handshake = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await;
        let stream = handshake
            .map_err(|_| "TLS handshake took too long".to_owned())?
            .map_err(|error| format!("TLS handshake: {error}"))?;
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let certificates: Arc<[CertificateDer<'static>]> =
            certificates.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (server, certificates) = (self.clone(), Arc::clone(&certificates));
            async move { Ok::<_, Infallible>(server.answer(request, &certificates).await) }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(250);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        watcher.watch(connection).await.map_err(|error| error.to_string())
    }

    async fn answer(&self, request: Request<Incoming>, certificates: &[CertificateDer<'static>]) -> Reply {
        // A HEAD is a GET without its body.
        let is_head = request.method() == Method::HEAD;
        let method = if is_head { Method::GET } else { request.method().clone() };
        let found = routes::find(&method, request.uri().path());
        let measured = self.requests.begin(&method, request.uri().path(), &found);
        let reply = self.guarded(request, certificates, found).await;
        measured.end(reply.status());
        if is_head { reply.map(|_| reply::empty()) } else { reply }
    }

    async fn guarded(
        &self,
        request: Request<Incoming>,
        certificates: &[CertificateDer<'static>],
        found: Result<Found, NotFound>,
    ) -> Reply {
        let (head, body) = request.into_parts();
        if let Err(refusal) = self.parts.access.check(&head, certificates).await {
            return refusal;
        }
        match found {
            Ok(found) if found.route.debugging && !self.parts.debugging => {
                reply::text(StatusCode::METHOD_NOT_ALLOWED, "Debug endpoints are disabled.\n")
            }
            Ok(found) => self.page(&found, Request::from_parts(head, body)).await,
            Err(NotFound::Method) => reply::text(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed"),
            Err(NotFound::Path) => reply::text(StatusCode::NOT_FOUND, "404: Page Not Found"),
        }
    }

    async fn page(&self, found: &Found, request: Request<Incoming>) -> Reply {
        let Parts { view, runtime, statistics, .. } = &*self.parts;
        let parameters = &found.parameters;
        let query = &Query::parse(request.uri().query());
        match found.route.page {
            Page::Healthz => self.health(&request),
            Page::Metrics => {
                let text = self.parts.metrics.render() + &statistics.claims().await;
                reply::typed(StatusCode::OK, METRICS_TYPE, text)
            }
            Page::ProbeMetrics => {
                reply::typed(StatusCode::OK, METRICS_TYPE, self.parts.probe_metrics.render())
            }
            Page::CadvisorMetrics => reply::typed(StatusCode::OK, METRICS_TYPE, statistics.cadvisor().await),
            Page::ResourceMetrics => reply::typed(StatusCode::OK, METRICS_TYPE, statistics.resource().await),
            Page::StatsSummary => match statistics.summary(query.flag("only_cpu_and_memory")).await {
                Ok(summary) => reply::json(summary),
                Err(error) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, error),
            },
            Page::Pods => listing::pods(&**view),
            Page::RunningPods => listing::running_pods(runtime).await,
            Page::Configz => listing::configuration(&**view),
            Page::ContainerLogs => container_logs::answer(&**view, runtime, parameters, query).await,
            Page::NodeLogs if !self.parts.system_logs => {
                reply::text(StatusCode::METHOD_NOT_ALLOWED, "logs endpoint is disabled.\n")
            }
            Page::NodeLogs => {
                let slash = request.uri().path().ends_with('/');
                node_logs::answer(&self.parts.log_directory, parameters.get("*"), slash).await
            }
            Page::Run => run::answer(&**view, runtime, parameters, query).await,
            Page::Exec => streaming::exec(&**view, runtime, parameters, query, request).await,
            Page::Attach => streaming::attach(&**view, runtime, parameters, query, request).await,
            Page::PortForward => streaming::port_forward(&**view, runtime, parameters, query, request).await,
            Page::Checkpoint => reply::text(
                StatusCode::NOT_IMPLEMENTED,
                format!(
                    "checkpointing of {}/{}/{} failed: checkpoints are not supported by this kubelet",
                    parameters.get("namespace"),
                    parameters.get("pod"),
                    parameters.get("container")
                ),
            ),
            Page::Profiling => {
                reply::text(StatusCode::METHOD_NOT_ALLOWED, "profiling endpoint is disabled.\n")
            }
            Page::DebugFlags => reply::text(StatusCode::METHOD_NOT_ALLOWED, "flags endpoint is disabled.\n"),
        }
    }

    fn health(&self, request: &Request<Incoming>) -> Response<Body> {
        match self.parts.health.answer(request.uri().path(), request.uri().query()) {
            Some(answer) => {
                let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                reply::text(status, answer.body)
            }
            None => reply::text(StatusCode::NOT_FOUND, "404: Page Not Found"),
        }
    }
}
