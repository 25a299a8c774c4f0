//! HTTP probes: GET, redirects on the same host, 200–399 is well.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use kubelet_core::ports::{HttpProbe, ProbeAnswer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::AbortOnDropHandle;

use super::{dial, tls};

/// Bytes of an answer's body that are read; the rest is not waited for.
const MAX_BODY_BYTES: usize = 10 << 10;

const MAX_REDIRECTS: usize = 10;

/// Redirects a GET follows with a GET.
const REDIRECTS: [StatusCode; 5] = [
    StatusCode::MOVED_PERMANENTLY,
    StatusCode::FOUND,
    StatusCode::SEE_OTHER,
    StatusCode::TEMPORARY_REDIRECT,
    StatusCode::PERMANENT_REDIRECT,
];

pub(super) async fn get(tls: &tls::Connector, probe: &HttpProbe, timeout: Duration) -> ProbeAnswer {
    let target = format!("{}://{}{}", probe.scheme, dial::join(&probe.host, probe.port), probe.path);
    let first: Uri = match target.parse() {
        Ok(uri) => uri,
        Err(error) => return ProbeAnswer::Unknown(format!("parse {target:?}: {error}")),
    };
    let headers = match headers(&probe.headers) {
        Ok(headers) => headers,
        Err(name) => return ProbeAnswer::Failure(format!("net/http: invalid header field name {name:?}")),
    };
    match tokio::time::timeout(timeout, follow(tls, first, headers)).await {
        Ok(Ok((status, body))) => judged(status, &body),
        Ok(Err(failure)) => ProbeAnswer::Failure(failure),
        Err(_) => ProbeAnswer::Failure(format!(
            "Get \"{target}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        )),
    }
}

fn judged(status: StatusCode, body: &[u8]) -> ProbeAnswer {
    let body = String::from_utf8_lossy(body).into_owned();
    match status.as_u16() {
        200..=299 => ProbeAnswer::Success(body),
        300..=399 => ProbeAnswer::Warning(format!("Probe terminated redirects, Response body: {body}")),
        // Users who see this may have no right to see the body.
        code => ProbeAnswer::Failure(format!("HTTP probe failed with statuscode: {code}")),
    }
}

/// Asks, and asks again where a redirect on the same host leads.
async fn follow(tls: &tls::Connector, first: Uri, headers: HeaderMap) -> Result<(StatusCode, Bytes), String> {
    let mut uri = first.clone();
    let mut asked = 0;
    loop {
        asked += 1;
        let named = |error: String| format!("Get \"{uri}\": {error}");
        let (response, _connection) = ask(tls, &uri, &headers).await.map_err(named)?;
        let status = response.status();
        let next = REDIRECTS.contains(&status).then(|| response.headers().get(LOCATION)).flatten();
        if let Some(location) = next {
            let next = resolved(&uri, location).map_err(named)?;
            if next.host() == first.host() {
                if asked >= MAX_REDIRECTS {
                    return Err(format!("Get \"{next}\": stopped after {MAX_REDIRECTS} redirects"));
                }
                uri = next;
                continue;
            }
        }
        return Ok((status, beginning(response).await.map_err(named)?));
    }
}

/// A redirect's target, which may be relative.
fn resolved(base: &Uri, location: &HeaderValue) -> Result<Uri, String> {
    let malformed = || format!("failed to parse Location header {location:?}");
    let location = location.to_str().map_err(|_| malformed())?;
    let scheme = base.scheme_str().unwrap_or("http");
    let authority = base.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let absolute = if location.contains("://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", base.path())
    } else {
        let directory = base.path().rsplit_once('/').map(|(directory, _)| directory).unwrap_or_default();
        format!("{scheme}://{authority}{directory}/{location}")
    };
    absolute.parse().map_err(|_| malformed())
}

type Answer = (Response<Incoming>, AbortOnDropHandle<()>);

async fn ask(tls: &tls::Connector, uri: &Uri, headers: &HeaderMap) -> Result<Answer, String> {
    let encrypted = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let stream = dial::connect(host, port).await?;
    if encrypted {
        exchange(tls.connect(host, stream).await?, uri, headers).await
    } else {
        exchange(stream, uri, headers).await
    }
}

async fn exchange<S>(stream: S, uri: &Uri, headers: &HeaderMap) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let handshake = hyper::client::conn::http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = handshake;
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        // What goes wrong shows in the answer.
        let _ = connection.await;
    }));
    let path = uri.path_and_query().map(|path| path.as_str()).unwrap_or("/");
    let mut request =
        Request::builder().uri(path).body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    *request.headers_mut() = headers.clone();
    if !request.headers().contains_key(HOST) {
        let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        let value = HeaderValue::from_str(authority).map_err(|error| error.to_string())?;
        request.headers_mut().insert(HOST, value);
    }
    let response = sender.send_request(request).await.map_err(|error| failure(&error))?;
    Ok((response, connection))
}

fn failure(error: &hyper::Error) -> String {
    if error.is_incomplete_message() || error.is_closed() {
        return "EOF".to_owned();
    }
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.map(dial::described).unwrap_or_else(|| error.to_string())
}

async fn beginning(response: Response<Incoming>) -> Result<Bytes, String> {
    let mut body = response.into_body();
    let mut read = Vec::new();
    while read.len() < MAX_BODY_BYTES {
        let Some(frame) = body.frame().await else { break };
        if let Ok(data) = frame.map_err(|error| failure(&error))?.into_data() {
            read.extend_from_slice(&data);
        }
    }
    read.truncate(MAX_BODY_BYTES);
    Ok(read.into())
}

/// The probe's headers with the defaults; an empty `Accept` takes the default away. Fails with a malformed header's name.
fn headers(given: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| name.clone())?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| name.clone())?;
        headers.append(parsed, value);
    }
    if !headers.contains_key(USER_AGENT) {
        headers.insert(USER_AGENT, HeaderValue::from_static(super::USER_AGENT));
    }
    match headers.get(ACCEPT) {
        None => {
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        }
        Some(value) if value.is_empty() => {
            headers.remove(ACCEPT);
        }
        Some(_) => {}
    }
    // One connection for one probe: a broken one must show.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(headers)
}
