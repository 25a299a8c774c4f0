//! The listener: TLS handshakes, HTTP/1.1 and HTTP/2 connections, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use component_base::Shutdown;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::body::{Body, boxed};
use super::{Chain, Peer};

/// A client that does not finish its handshake in this time is dropped.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that does not finish its request head in this time is dropped.
const HEADER_TIMEOUT: Duration = Duration::from_secs(32);
/// How long an idle HTTP/2 connection lives without a sign of the peer.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const MAX_HEADER_BYTES: usize = 1 << 20;

/// Limits of HTTP/2 connections.
#[derive(Clone, Copy, Debug)]
pub struct Http2Limits {
    /// Requests at one time on one connection.
    pub max_streams_per_connection: u32,
}

impl Default for Http2Limits {
    fn default() -> Self {
        // Upstream's default for the API server.
        Http2Limits { max_streams_per_connection: 100 }
    }
}

/// Accepts connections until `shutdown`, then lets running requests end within `grace`.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    chain: Arc<Chain>,
    limits: Http2Limits,
    shutdown: Shutdown,
    grace: Duration,
) {
    let acceptor = TlsAcceptor::from(tls);
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(connection_builder(limits));
    loop {
        // Cancel safe: an accepted connection is only returned together with the branch.
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.wait() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, as a rule; others must end before more can begin.
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (acceptor, chain, builder) = (acceptor.clone(), chain.clone(), builder.clone());
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let Some((stream, peer)) = shake_hands(&acceptor, stream, address, &chain).await else { return };
            let service = service_fn(move |request: Request<Incoming>| {
                let (chain, peer) = (chain.clone(), peer.clone());
                async move {
                    let request: Request<Body> = request.map(boxed);
                    Ok::<_, std::convert::Infallible>(chain.serve(request, peer).await)
                }
            });
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            if let Err(error) = watcher.watch(connection.into_owned()).await {
                tracing::debug!(%error, %address, "connection ended");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(?grace, "connections remain at the end of the grace period");
    }
}

fn connection_builder(limits: Http2Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams_per_connection)
        .max_header_list_size(MAX_HEADER_BYTES as u32)
        .keep_alive_interval(PING_INTERVAL)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(25 * 1024 * 1024);
    builder
}

async fn shake_hands(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    chain: &Chain,
) -> Option<(tokio_rustls::server::TlsStream<TcpStream>, Arc<Peer>)> {
    // Small answers go out at once.
    let _ = stream.set_nodelay(true);
    let outcome = match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("timeout".to_string()),
    };
    match outcome {
        Ok(stream) => {
            let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let certificates =
                certificates.iter().map(|certificate| certificate.clone().into_owned()).collect();
            Some((stream, Arc::new(Peer { address, certificates })))
        }
        Err(error) => {
            chain.metrics.tls_handshake_errors.inc();
            tracing::debug!(%error, %address, "TLS handshake error");
            None
        }
    }
}
