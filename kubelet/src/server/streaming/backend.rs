//! The runtime's streaming server: one connection, one request that switches protocols.

use bytes::Bytes;
use client::spdy::{Role, Session};
use http::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The header by which the peers of SPDY agree on what the streams mean.
pub(super) const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// A refusal is read up to here for its words.
const MAX_REFUSAL: usize = 64 << 10;

/// Why the runtime's streaming server could not be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum BackendError {
    /// The runtime's URL is of no use.
    #[error("streaming url {0:?} of the container runtime is not a plain http url with host and port")]
    Url(String),
    /// Nothing answers there.
    #[error("connect to the streaming server of the container runtime at {address}: {source}")]
    Connect { address: String, source: std::io::Error },
    /// The conversation broke.
    #[error("streaming server of the container runtime: {0}")]
    Exchange(#[from] hyper::Error),
    /// It answered, but did not switch.
    #[error("unable to upgrade connection: {status}: {message}")]
    Refused { status: StatusCode, message: String },
}

/// Sends a request without body, and answers with the answer whatever it is.
pub(super) async fn send(
    url: &str,
    method: Method,
    headers: HeaderMap,
) -> Result<Response<Incoming>, BackendError> {
    let unusable = || BackendError::Url(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| unusable())?;
    // Runtimes keep their streaming server on the loopback address and without TLS unless told otherwise.
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(unusable)?;
    let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
    let stream =
        TcpStream::connect(&address).await.map_err(|source| BackendError::Connect { address, source })?;
    // Interactive streams: small pieces must not wait for more.
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) =
        hyper::client::conn::http1::Builder::new().handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "connection to the runtime's streaming server ended");
        }
    });
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request =
        Request::builder().method(method).uri(target).body(Empty::<Bytes>::new()).map_err(|_| unusable())?;
    *request.headers_mut() = headers;
    let host = HeaderValue::try_from(authority.as_str()).map_err(|_| unusable())?;
    request.headers_mut().insert(HOST, host);
    Ok(sender.send_request(request).await?)
}

/// Switches to SPDY/3.1 with streams of a meaning such as `v4.channel.k8s.io`.
pub(super) async fn spdy(
    url: &str,
    protocol: &str,
) -> Result<TokioIo<hyper::upgrade::Upgraded>, BackendError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
    let value = HeaderValue::try_from(protocol).map_err(|_| BackendError::Url(url.to_owned()))?;
    headers.insert(STREAM_PROTOCOL, value);
    let response = send(url, Method::POST, headers).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_REFUSAL).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        return Err(BackendError::Refused {
            status,
            message: String::from_utf8_lossy(&body).trim().to_owned(),
        });
    }
    Ok(TokioIo::new(hyper::upgrade::on(response).await?))
}

/// A SPDY session for a command's streams.
pub(super) async fn session(url: &str) -> Result<Session, BackendError> {
    Ok(Session::start(spdy(url, "v4.channel.k8s.io").await?, Role::Client))
}
