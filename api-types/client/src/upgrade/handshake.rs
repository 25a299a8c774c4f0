//! Asks the server to switch protocols.

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderMap, HeaderValue, UPGRADE};
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::client::Client;
use crate::error::Error;

/// The connection after the switch.
pub type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// Frames of one message may not be larger; senders of Kubernetes write 32 KiB at a time.
const MAX_MESSAGE: usize = 16 << 20;
/// An answer that is no switch is read up to here for its message.
const MAX_ERROR_BODY: usize = 1 << 20;

/// Opens a WebSocket at `path` (with query) and one of `protocols`, best first. The result names the
/// protocol the server chose.
pub async fn websocket(
    client: &Client,
    path: &str,
    protocols: &[&str],
) -> Result<(WebSocketStream<Upgraded>, String), Error> {
    let name = HeaderName::from_static;
    let key = generate_key();
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(name("sec-websocket-version"), HeaderValue::from_static("13"));
    headers.insert(name("sec-websocket-key"), header(&key)?);
    headers.insert(name("sec-websocket-protocol"), header(&protocols.join(", "))?);
    let (answer, upgraded) = switch(client, path, headers).await?;
    let text =
        |field: &str| answer.get(field).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if text("sec-websocket-accept") != derive_accept_key(key.as_bytes()) {
        return Err(Error::Upgrade("the server's Sec-WebSocket-Accept does not fit the key".to_owned()));
    }
    let protocol = text("sec-websocket-protocol");
    if !protocols.contains(&protocol.as_str()) {
        return Err(Error::Upgrade(format!(
            "the server chose protocol {protocol:?}, offered were {protocols:?}"
        )));
    }
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    let stream = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
    Ok((stream, protocol))
}

/// Sends a request that asks for another protocol, with the headers it has, on a connection of its own. When the
/// answer is [`StatusCode::SWITCHING_PROTOCOLS`], the bytes behind it are those of [`hyper::upgrade::on`].
pub async fn tunnel(client: &Client, request: Request<Bytes>) -> Result<Response<Incoming>, Error> {
    let (mut head, body) = request.into_parts();
    let uri = client.absolute(&head.uri)?;
    let connection = client.dedicated(&mut head.headers).await?;
    let failed = |error: hyper::Error| Error::Transport {
        method: head.method.clone(),
        url: uri.to_string(),
        source: error.into(),
        connecting: false,
    };
    let (mut sender, driver) =
        hyper::client::conn::http1::handshake(TokioIo::new(connection)).await.map_err(failed)?;
    tokio::spawn(async move {
        if let Err(error) = driver.with_upgrades().await {
            tracing::debug!(%error, "tunnel ended");
        }
    });
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    head.headers.insert(HOST, header(&authority)?);
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() =
        target.parse().map_err(|error| Error::Request(format!("path {target:?}: {error}")))?;
    *request.headers_mut() = std::mem::take(&mut head.headers);
    sender.send_request(request).await.map_err(|error| Error::Transport {
        method: head.method,
        url: uri.to_string(),
        source: error.into(),
        connecting: false,
    })
}

fn header(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(text).map_err(|_| Error::Request(format!("header value {text:?} cannot be sent")))
}

/// Sends the request on a connection of its own; the headers of the answer and the stream behind it.
async fn switch(client: &Client, path: &str, mut headers: HeaderMap) -> Result<(HeaderMap, Upgraded), Error> {
    let uri = path.parse().map_err(|error| Error::Request(format!("{path}: {error}")))?;
    let uri = client.absolute(&uri)?;
    let connection = client.dedicated(&mut headers).await?;
    let failed = |error: hyper::Error| Error::Transport {
        method: http::Method::GET,
        url: uri.to_string(),
        source: error.into(),
        connecting: false,
    };
    let (mut sender, driver) =
        hyper::client::conn::http1::handshake(TokioIo::new(connection)).await.map_err(failed)?;
    tokio::spawn(async move {
        if let Err(error) = driver.with_upgrades().await {
            tracing::debug!(%error, "upgraded connection ended");
        }
    });
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    headers.insert(HOST, header(&authority)?);
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request = Request::get(target)
        .body(Empty::<Bytes>::new())
        .map_err(|error| Error::Request(format!("{path}: {error}")))?;
    *request.headers_mut() = headers;
    let response = sender.send_request(request).await.map_err(failed)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (head, body) = response.into_parts();
        let body = http_body_util::Limited::new(body, MAX_ERROR_BODY).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        if head.status.is_client_error() || head.status.is_server_error() {
            let status =
                crate::client::to_status(&http::Method::GET, uri.path(), head.status, &head.headers, &body);
            return Err(Error::Status(status));
        }
        return Err(Error::Upgrade(format!("the server answered {} instead of switching", head.status)));
    }
    let answer = response.headers().clone();
    let upgraded = hyper::upgrade::on(response).await.map_err(failed)?;
    Ok((answer, TokioIo::new(upgraded)))
}
