//! What a client makes of an answer that is no `Status` (`NewGenericServerResponse`).

use super::{StatusError, cause, reason};
use crate::group::GroupResource;
use crate::quote::go_quote;

/// An answer of a server which says little more than its code.
#[derive(Clone, Copy, Debug)]
pub struct ServerResponse<'a> {
    /// HTTP code.
    pub code: u16,
    /// HTTP method of the request, in capitals.
    pub method: &'a str,
    /// Resource the request was about; empty when it was about none.
    pub resource: &'a GroupResource,
    /// Name of the object; may be empty.
    pub name: &'a str,
    /// What the body says.
    pub message: &'a str,
    /// Seconds of the `Retry-After` header, 0 without one.
    pub retry_after_seconds: i32,
    /// Whether the body was not what the protocol asks for; the body becomes a cause.
    pub unexpected: bool,
}

/// Code, reason, message; an empty message stands for the server's own.
const ANSWERS: &[(u16, &str, &str)] = &[
    (409, reason::CONFLICT, "the server reported a conflict"),
    (404, reason::NOT_FOUND, "the server could not find the requested resource"),
    (400, reason::BAD_REQUEST, "the server rejected our request for an unknown reason"),
    (401, reason::UNAUTHORIZED, "the server has asked for the client to provide credentials"),
    (403, reason::FORBIDDEN, ""),
    (406, reason::NOT_ACCEPTABLE, ""),
    (415, reason::UNSUPPORTED_MEDIA_TYPE, ""),
    (405, reason::METHOD_NOT_ALLOWED, "the server does not allow this method on the requested resource"),
    (422, reason::INVALID, "the server rejected our request due to an error in our request"),
    (503, reason::SERVICE_UNAVAILABLE, "the server is currently unable to handle the request"),
    (
        504,
        reason::TIMEOUT,
        "the server was unable to return a response in the time allotted, but may still be processing the request",
    ),
    (
        429,
        reason::TOO_MANY_REQUESTS,
        "the server has received too many requests and has asked us to try again later",
    ),
];

impl ServerResponse<'_> {
    /// The error which upstream's clients report for the answer.
    pub fn to_error(&self) -> StatusError {
        let (reason, mut message) = self.reason_and_message();
        let has_resource = !(self.resource.group.is_empty() && self.resource.resource.is_empty());
        if has_resource {
            let name = if self.name.is_empty() { String::new() } else { format!(" {}", self.name) };
            message = format!("{message} ({} {}{name})", self.method.to_lowercase(), self.resource);
        }
        let error = StatusError::new(self.code, reason, message)
            .about_resource(self.resource, self.name)
            .with_retry_after(self.retry_after_seconds);
        match self.unexpected {
            true => error.with_cause(cause::UNEXPECTED_SERVER_RESPONSE, self.message, ""),
            false => error,
        }
    }

    fn reason_and_message(&self) -> (&'static str, String) {
        if let Some(&(code, reason, text)) = ANSWERS.iter().find(|answer| answer.0 == self.code) {
            let says_nothing = self.message.is_empty() || self.message == "unknown";
            return match code {
                409 if self.method == "POST" => (reason::ALREADY_EXISTS, text.to_owned()),
                406 if says_nothing => (
                    reason,
                    "the server was unable to respond with a content type that the client supports"
                        .to_owned(),
                ),
                _ if text.is_empty() => (reason, self.message.to_owned()),
                _ => (reason, text.to_owned()),
            };
        }
        if self.code >= 500 {
            let said = go_quote(self.message);
            let message =
                format!("an error on the server ({said}) has prevented the request from succeeding");
            return (reason::INTERNAL_ERROR, message);
        }
        let message = format!(
            "the server responded with the status code {} but did not return more information",
            self.code
        );
        ("", message)
    }
}
