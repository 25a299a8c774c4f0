//! Answers that the chain gives by itself: `Status` bodies in the encoding the client accepts.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use machinery::codec::{json, protobuf};
use machinery::meta::v1::Status;
use machinery::status::StatusError;
use machinery::{GroupResource, Message};

use apiserver_auth::authz::Attributes;

use super::body::{Body, full};

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// An error as a response.
pub fn error(headers: &HeaderMap, error: &StatusError) -> Response<Body> {
    status(headers, &error.status)
}

/// A status, of failure or of success, as a response.
pub fn status(headers: &HeaderMap, status: &Status) -> Response<Body> {
    let code = u16::try_from(status.code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let (media_type, bytes) = encode_status(headers, status);
    let mut response = Response::new(full(bytes));
    *response.status_mut() = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let retry_after = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    let answered = response.headers_mut();
    answered.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answered.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    if retry_after > 0 {
        answered.insert(RETRY_AFTER, HeaderValue::from(retry_after));
    }
    response
}

fn encode_status(headers: &HeaderMap, status: &Status) -> (&'static str, Bytes) {
    let encoded = status.encode_to_vec();
    if accepts_protobuf(headers) {
        return (PROTOBUF, protobuf::wrap("v1", "Status", &encoded).into());
    }
    let mut text = json::encode(Status::SCHEMA, &encoded, Some(("v1", "Status")));
    if wants_indentation(headers) {
        text = json::pretty(&text).unwrap_or(text);
    }
    text.push(b'\n');
    (JSON, text.into())
}

fn accepts_protobuf(headers: &HeaderMap) -> bool {
    // The first type that we can write decides; quality values are not used by Kubernetes clients.
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for offered in accept.split(',') {
        match offered.split(';').next().unwrap_or_default().trim() {
            PROTOBUF => return true,
            JSON | "*/*" | "application/*" => return false,
            _ => {}
        }
    }
    false
}

/// What of a request's headers decides how an error is written, for answers given when they are gone.
pub fn negotiation_headers(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(2);
    for name in [ACCEPT, USER_AGENT] {
        if let Some(value) = headers.get(&name) {
            kept.insert(name, value.clone());
        }
    }
    kept
}

/// Whether a person is likely to read the answer in a terminal or browser.
pub fn wants_indentation(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|reader| agent.starts_with(reader))
}

/// A plain text answer.
pub fn text(code: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// A JSON value, indented for people.
pub fn json_value(headers: &HeaderMap, code: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let text = if wants_indentation(headers) {
        serde_json::to_vec_pretty(value).unwrap_or_default()
    } else {
        value.to_string().into_bytes()
    };
    json_bytes(code, text)
}

/// Ready JSON.
pub fn json_bytes(code: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

/// The answer to a request that no authorizer allowed.
pub fn forbidden(attributes: &Attributes<'_>, reason: &str) -> StatusError {
    let message =
        forbidden_message(attributes).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let message = if reason.is_empty() { message } else { format!("{message}: {reason}") };
    let resource = GroupResource::new(attributes.api_group.to_string(), attributes.resource.to_string());
    StatusError::forbidden(&resource, attributes.name, message)
}

fn forbidden_message(attributes: &Attributes<'_>) -> String {
    let (user, verb) = (&attributes.user.username, attributes.verb);
    if !attributes.resource_request {
        return format!("User {user:?} cannot {verb} path {:?}", attributes.path);
    }
    let resource = match attributes.subresource {
        "" => attributes.resource.to_string(),
        subresource => format!("{}/{subresource}", attributes.resource),
    };
    let group = attributes.api_group;
    let place = match attributes.namespace {
        "" => "at the cluster scope".to_string(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    format!("User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {place}")
}

#[cfg(test)]
mod tests {
    use apiserver_auth::UserInfo;

    use super::*;

    #[track_caller]
    fn check_forbidden(
        change: impl for<'a> Fn(Attributes<'a>) -> Attributes<'a>,
        reason: &str,
        expected: &str,
    ) {
        let user = UserInfo::new("x", Vec::<String>::new());
        let attributes = change(Attributes::resource(&user, "list", "", "pods"));
        assert_eq!(forbidden(&attributes, reason).status.message, expected);
    }

    #[test]
    fn refusals_read_as_upstream() {
        check_forbidden(
            |a| Attributes { namespace: "y", ..a },
            "",
            r#"pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "y""#,
        );
        check_forbidden(
            |a| Attributes { name: "p", subresource: "log", api_group: "g", ..a },
            "because",
            r#"pods.g "p" is forbidden: User "x" cannot list resource "pods/log" in API group "g" at the cluster scope: because"#,
        );
        check_forbidden(
            |a| Attributes { resource_request: false, resource: "", verb: "get", path: "/<x>", ..a },
            "",
            r#"forbidden: User "x" cannot get path "/&lt;x&gt;""#,
        );
    }

    #[test]
    fn status_bodies_follow_the_accept_header() {
        let mut headers = HeaderMap::new();
        let answer = |headers: &HeaderMap| {
            let (kind, bytes) = encode_status(headers, &StatusError::unauthorized("Unauthorized").status);
            (kind, bytes)
        };
        let (kind, bytes) = answer(&headers);
        assert_eq!(kind, JSON);
        let expected = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
        assert_eq!(String::from_utf8_lossy(&bytes), format!("{expected}\n"));
        headers
            .insert(ACCEPT, HeaderValue::from_static("application/vnd.kubernetes.protobuf,application/json"));
        assert_eq!(answer(&headers).0, PROTOBUF);
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, application/vnd.kubernetes.protobuf"),
        );
        assert_eq!(answer(&headers).0, JSON);
        headers.insert(USER_AGENT, HeaderValue::from_static("curl/8"));
        assert!(answer(&headers).1.starts_with(b"{\n  \"kind\""));
    }
}
