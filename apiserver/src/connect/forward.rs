//! Passes a request on and its answer back; after an upgrade, bytes both ways.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use machinery::GroupResource;
use machinery::status::StatusError;

use super::dial::Dialer;
use super::location::{Peer, Target};
use super::rewrite;
use crate::chain::body::{Body, boxed, collect, empty};

/// An error text of a backend is read up to this length.
const ERROR_TEXT: usize = 50_000;
/// Headers that concern one connection only.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
];

/// Fetches a log.
pub async fn log(dialer: &Dialer, target: Target, pod: &str) -> Result<Response<Body>, StatusError> {
    let request = Request::get(target.path_and_query())
        .header(HOST, target.authority())
        .body(empty())
        .map_err(StatusError::internal_error)?;
    let response = send(dialer, &target, request).await?;
    let code = response.status();
    if !(200..=206).contains(&code.as_u16()) {
        let text = collect(boxed(response.into_body()), ERROR_TEXT).await.map_err(|error| {
            StatusError::internal_error(format!("reading the error of the kubelet: {error}"))
        })?;
        let text = String::from_utf8_lossy(&text).into_owned();
        return Err(backend_error(code, text, pod));
    }
    let mut answer = Response::new(boxed(response.into_body()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(answer)
}

fn backend_error(code: StatusCode, text: String, pod: &str) -> StatusError {
    match code {
        StatusCode::INTERNAL_SERVER_ERROR => StatusError::internal_error(text),
        StatusCode::BAD_REQUEST => StatusError::bad_request(text),
        StatusCode::NOT_FOUND => {
            let mut error = StatusError::not_found(&GroupResource::new("", "pods/log"), pod);
            error.status.message =
                format!("the server could not find the requested resource ({text}) ( pods/log {pod})");
            error
        }
        other => StatusError::new(
            other.as_u16(),
            "Unknown",
            format!(
                "an error on the server ({text:?}) has prevented the request from succeeding ( pods/log {pod})"
            ),
        ),
    }
}

/// Passes on a request that must become a conversation in another protocol.
pub async fn upgraded(
    dialer: &Dialer,
    target: Target,
    request: Request<Body>,
) -> Result<Response<Body>, StatusError> {
    if !is_upgrade(request.headers()) {
        return Err(StatusError::bad_request("Upgrade request required"));
    }
    relay(dialer, &target, request).await
}

/// Passes on any request to a workload or node, and makes links in the answer lead back through us.
pub async fn proxied(
    dialer: &Dialer,
    target: Target,
    mut request: Request<Body>,
    prepend: &str,
) -> Result<Response<Body>, StatusError> {
    let headers = request.headers_mut();
    let set = |headers: &mut HeaderMap, name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(headers, "x-forwarded-uri", &format!("{prepend}{}", target.path));
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert("x-forwarded-host", host);
    }
    set(headers, "x-forwarded-proto", "https");
    let original_host =
        request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_string();
    if is_upgrade(request.headers()) {
        return relay(dialer, &target, request).await;
    }
    let response = relay(dialer, &target, request).await.map_err(|error| {
        StatusError::service_unavailable(format!("error trying to reach service: {}", error.status.message))
    })?;
    let page = rewrite::Page { prepend, backend: &target.authority(), front: &original_host };
    rewrite::response(response, &page).await
}

/// Sends the client's request to the target and gives its answer; an upgrade is carried on in the
/// background until one side ends.
async fn relay(
    dialer: &Dialer,
    target: &Target,
    mut request: Request<Body>,
) -> Result<Response<Body>, StatusError> {
    let upgrading = is_upgrade(request.headers());
    let client = upgrading.then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    let upgrade = parts.headers.get(UPGRADE).cloned();
    strip_hop_by_hop(&mut parts.headers);
    parts.headers.remove(AUTHORIZATION);
    if let Some(upgrade) = upgrade.filter(|_| upgrading) {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        parts.headers.insert(UPGRADE, upgrade);
    }
    let host = HeaderValue::from_str(&target.authority()).map_err(StatusError::internal_error)?;
    parts.headers.insert(HOST, host);
    parts.uri = target
        .path_and_query()
        .parse()
        .map_err(|error| StatusError::bad_request(format!("path cannot be passed on: {error}")))?;
    parts.version = http::Version::HTTP_11;
    let mut response = send(dialer, target, Request::from_parts(parts, body)).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let backend = hyper::upgrade::on(&mut response);
        let Some(client) = client else {
            return Err(StatusError::internal_error("backend switched protocols without being asked to"));
        };
        tokio::spawn(async move {
            let (client, backend) = match tokio::try_join!(client, backend) {
                Ok(both) => both,
                Err(error) => {
                    tracing::debug!(%error, "upgrade failed");
                    return;
                }
            };
            let (mut client, mut backend) = (TokioIo::new(client), TokioIo::new(backend));
            // An end on one side is carried to the other; errors are ends.
            if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut backend).await {
                tracing::debug!(%error, "conversation ended");
            }
        });
        let (parts, _) = response.into_parts();
        return Ok(Response::from_parts(parts, empty()));
    }
    let (mut parts, body) = response.into_parts();
    strip_hop_by_hop(&mut parts.headers);
    Ok(Response::from_parts(parts, boxed(body)))
}

/// Sends one request over a connection of its own.
async fn send(
    dialer: &Dialer,
    target: &Target,
    request: Request<Body>,
) -> Result<Response<Incoming>, StatusError> {
    let failed = |error: &dyn std::fmt::Display| {
        let whom = if target.peer == Peer::Kubelet { "kubelet" } else { "backend" };
        StatusError::internal_error(format!("request to {whom} at {} failed: {error}", target.authority()))
    };
    let stream = dialer.open(target).await?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed(&error))?;
    let authority: Arc<str> = target.authority().into();
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, %authority, "connection to a backend ended");
        }
    });
    sender.send_request(request).await.map_err(|error| failed(&error))
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    let asks = headers.get_all(CONNECTION).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.split(',').any(|word| word.trim().eq_ignore_ascii_case("upgrade")))
    });
    asks && headers.contains_key(UPGRADE)
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove(UPGRADE);
}
