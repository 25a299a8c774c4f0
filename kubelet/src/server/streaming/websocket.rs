//! The server's side of a WebSocket handshake.

use http::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::server::reply::{self, Refusal, Reply};

/// Clients of Kubernetes write 32 KiB at a time.
const MAX_MESSAGE: usize = 1 << 20;

/// Whether the request wants a WebSocket.
pub(super) fn is_upgrade<B>(request: &Request<B>) -> bool {
    let upgrade = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

/// The first offered WebSocket protocol that is wanted.
pub(super) fn offers<B>(request: &Request<B>, wanted: impl Fn(&str) -> bool) -> Option<String> {
    if !is_upgrade(request) {
        return None;
    }
    let lists = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
    offered.find(|protocol| wanted(protocol.trim())).map(|protocol| protocol.trim().to_owned())
}

/// Accepts the WebSocket with a protocol: the answer to send, and where the stream comes from once it is sent.
pub(super) fn accept(request: &mut Request<Incoming>, protocol: &str) -> Result<(Reply, OnUpgrade), Refusal> {
    let refuse = |message: &str| Refusal::new(StatusCode::BAD_REQUEST, message);
    let key =
        request.headers().get(SEC_WEBSOCKET_KEY).ok_or_else(|| refuse("Sec-WebSocket-Key is missing"))?;
    let accepted =
        HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(|_| refuse("malformed key"))?;
    let protocol = HeaderValue::try_from(protocol).map_err(|_| refuse("malformed protocol"))?;
    let mut answer: Reply = Response::new(reply::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accepted);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    Ok((answer, hyper::upgrade::on(request)))
}

/// The stream of an accepted WebSocket.
pub(super) async fn opened(upgrade: OnUpgrade) -> Result<WebSocketStream<TokioIo<Upgraded>>, hyper::Error> {
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    let stream = TokioIo::new(upgrade.await?);
    Ok(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offered_protocols() {
        let check = |upgrade: &str, protocols: &str, expected: Option<&str>| {
            let request =
                Request::builder().header(UPGRADE, upgrade).header(SEC_WEBSOCKET_PROTOCOL, protocols);
            let request = request.body(()).expect("request");
            let wanted = |protocol: &str| protocol.starts_with("v5");
            assert_eq!(offers(&request, wanted).as_deref(), expected, "{protocols}");
        };
        check("websocket", "v5.channel.k8s.io, v4.channel.k8s.io", Some("v5.channel.k8s.io"));
        check("WebSocket", "v4.channel.k8s.io,v5.channel.k8s.io", Some("v5.channel.k8s.io"));
        check("websocket", "v4.channel.k8s.io", None);
        check("SPDY/3.1", "v5.channel.k8s.io", None);
    }
}
