//! Connections to one server: pooled for requests, single for upgraded streams.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::config::Config;
use crate::error::Error;
use crate::observer::RequestObserver;
use crate::outage::Outage;
use crate::tls::{self, PemIdentity, Stamp};

/// As client-go: dial and keep-alive periods of 30 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A silent connection is asked for a sign of life after this long …
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// … and given up when none comes for this long, so that a watch does not hang on a dead server.
const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// How often the files of the TLS configuration are looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Flow-control windows: a page of a list fits without waiting for the reader.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// The pooled HTTP client.
pub(crate) type Pool = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

struct Built {
    pool: Pool,
    tls: Arc<rustls::ClientConfig>,
    stamps: Vec<Stamp>,
    plugin: Option<PemIdentity>,
}

/// Bytes both ways.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Builds and rebuilds the pool when certificates change; requests under way keep the old one.
pub(crate) struct Transport {
    config: Config,
    built: ArcSwap<Built>,
    checked: Mutex<Instant>,
    outage: Mutex<Outage>,
    /// Whether `outage` is on: what every answer looks at.
    away: AtomicBool,
    pub(crate) observer: OnceLock<Arc<dyn RequestObserver>>,
}

impl Transport {
    pub(crate) fn new(config: Config) -> Result<Transport, Error> {
        let built = ArcSwap::from_pointee(build(&config, None)?);
        // How long to wait is for those to decide who ask.
        let outage = Outage::new("reach the API server", Duration::ZERO, Duration::ZERO);
        Ok(Transport {
            config,
            built,
            checked: Mutex::new(Instant::now()),
            outage: Mutex::new(outage),
            away: AtomicBool::new(false),
            observer: OnceLock::new(),
        })
    }

    /// Tells once per outage that the server cannot be reached.
    pub(crate) fn unreachable(&self, error: &str) {
        let mut outage = self.outage.lock();
        outage.failed(error);
        self.away.store(true, Ordering::Release);
    }

    /// An answer came: tells so after an outage.
    pub(crate) fn reached(&self) {
        if self.away.swap(false, Ordering::AcqRel) {
            self.outage.lock().over();
        }
    }

    /// The pool for a request made now; `plugin` is the certificate a credential plugin handed out.
    pub(crate) fn pool(&self, plugin: Option<PemIdentity>) -> Result<Pool, Error> {
        self.refresh(plugin)?;
        Ok(self.built.load().pool.clone())
    }

    fn refresh(&self, plugin: Option<PemIdentity>) -> Result<(), Error> {
        let current = self.built.load();
        if plugin.is_some() && current.plugin != plugin {
            self.built.store(Arc::new(build(&self.config, plugin)?));
            return Ok(());
        }
        if current.stamps.is_empty() {
            return Ok(());
        }
        {
            let mut checked = self.checked.lock();
            if checked.elapsed() < CHECK_INTERVAL {
                return Ok(());
            }
            *checked = Instant::now();
        }
        if tls::stamps(&self.config) == current.stamps {
            return Ok(());
        }
        match build(&self.config, current.plugin.clone()) {
            Ok(built) => {
                tracing::info!(server = %self.config.server, "client certificate or authorities changed, reconnecting");
                self.built.store(Arc::new(built));
            }
            Err(error) => {
                // Half-written files are read again at the next look; the old certificate still works.
                tracing::warn!(%error, "changed certificates not loaded");
            }
        }
        Ok(())
    }

    /// A connection of its own that speaks HTTP/1.1, for a request that will be upgraded.
    pub(crate) async fn connect(&self, plugin: Option<PemIdentity>) -> Result<Box<dyn Connection>, Error> {
        self.refresh(plugin)?;
        let server = &self.config.server;
        let host = server.host().unwrap_or_default();
        let plain = server.scheme_str() == Some("http");
        let port = server.port_u16().unwrap_or(if plain { 80 } else { 443 });
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Transport {
            method: http::Method::GET,
            url: server.to_string(),
            source,
            connecting: true,
        };
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((address, port)))
            .await
            .map_err(|_| failed("connecting took too long".into()))?
            .map_err(|error| failed(error.into()))?;
        stream.set_nodelay(true).map_err(|error| failed(error.into()))?;
        if plain {
            return Ok(Box::new(stream));
        }
        let mut tls = rustls::ClientConfig::clone(&self.built.load().tls);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = match &self.config.tls_server_name {
            Some(name) => server_name(name)?,
            None => server_name(address)?,
        };
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connector.connect(name, stream))
            .await
            .map_err(|_| failed("TLS handshake took too long".into()))?
            .map_err(|error| failed(error.into()))?;
        Ok(Box::new(stream))
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(name.to_owned()).map_err(|_| {
        Error::Config(format!("tls-server-name {name:?} is neither a DNS name nor an IP address"))
    })
}

fn build(config: &Config, plugin: Option<PemIdentity>) -> Result<Built, Error> {
    // Stamps are taken first: a change while building is seen at the next look.
    let stamps = tls::stamps(config);
    let tls = if config.server.scheme_str() == Some("http") && config.authorities.is_none() {
        // Never used for a handshake; plain HTTP needs no authorities on the system.
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Config(format!("tls: {error}")))?;
        builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
    } else {
        tls::client_config(config, plugin.as_ref())?
    };
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http.set_keepalive(Some(PING_INTERVAL));
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
    let builder = match &config.tls_server_name {
        Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(server_name(name)?)),
        None => builder,
    };
    let connector = builder.enable_all_versions().wrap_connector(http);
    let pool = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(90))
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .build(connector);
    Ok(Built { pool, tls: Arc::new(tls), stamps, plugin })
}
