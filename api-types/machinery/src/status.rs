//! Errors of the API as clients see them: a `Status` with upstream's codes, reasons and exact texts
//! (`apimachinery/pkg/api/errors`).

mod response;
#[cfg(test)]
mod tests;

pub use response::ServerResponse;

use std::fmt;

use crate::field;
use crate::group::{GroupKind, GroupResource};
use crate::meta::v1::{Status, StatusCause, StatusDetails};
use crate::quote::go_quote;

/// Reasons of a `Status`.
pub mod reason {
    /// 401: the request carries no usable credentials.
    pub const UNAUTHORIZED: &str = "Unauthorized";
    /// 403: the requester may not do this.
    pub const FORBIDDEN: &str = "Forbidden";
    /// 404: there is no such object or resource.
    pub const NOT_FOUND: &str = "NotFound";
    /// 409: there is an object of that name.
    pub const ALREADY_EXISTS: &str = "AlreadyExists";
    /// 409: the object has changed, or others own what the request sets.
    pub const CONFLICT: &str = "Conflict";
    /// 410: the object is no longer there.
    pub const GONE: &str = "Gone";
    /// 422: the object breaks rules; the causes say which.
    pub const INVALID: &str = "Invalid";
    /// 500: the operation could not be completed, a later try may succeed.
    pub const SERVER_TIMEOUT: &str = "ServerTimeout";
    /// 500: stored bytes could not be read back.
    pub const STORE_READ_ERROR: &str = "StorageReadError";
    /// 504: the time of the request ran out.
    pub const TIMEOUT: &str = "Timeout";
    /// 429: too many requests at once.
    pub const TOO_MANY_REQUESTS: &str = "TooManyRequests";
    /// 400: the request makes no sense.
    pub const BAD_REQUEST: &str = "BadRequest";
    /// 405: the resource has no such verb.
    pub const METHOD_NOT_ALLOWED: &str = "MethodNotAllowed";
    /// 406: no encoding which the client accepts is available.
    pub const NOT_ACCEPTABLE: &str = "NotAcceptable";
    /// 413: the body is too large.
    pub const REQUEST_ENTITY_TOO_LARGE: &str = "RequestEntityTooLarge";
    /// 415: the body has an unknown encoding.
    pub const UNSUPPORTED_MEDIA_TYPE: &str = "UnsupportedMediaType";
    /// 500: the server failed.
    pub const INTERNAL_ERROR: &str = "InternalError";
    /// 410: the resource version or continue token is too old.
    pub const EXPIRED: &str = "Expired";
    /// 503: the server cannot answer now.
    pub const SERVICE_UNAVAILABLE: &str = "ServiceUnavailable";
}

/// Causes in `details.causes[].reason` which are not validation errors.
pub mod cause {
    /// The server answered with something that is not an API object.
    pub const UNEXPECTED_SERVER_RESPONSE: &str = "UnexpectedServerResponse";
    /// Another field manager owns the field.
    pub const FIELD_MANAGER_CONFLICT: &str = "FieldManagerConflict";
    /// The resource version asked for lies in the future.
    pub const RESOURCE_VERSION_TOO_LARGE: &str = "ResourceVersionTooLarge";
}

/// Every reason the API knows, with the code that implies it when a status carries no known reason.
const KNOWN_REASONS: &[(&str, Option<u16>)] = &[
    (reason::UNAUTHORIZED, Some(401)),
    (reason::FORBIDDEN, Some(403)),
    (reason::NOT_FOUND, Some(404)),
    (reason::ALREADY_EXISTS, None),
    (reason::CONFLICT, Some(409)),
    (reason::GONE, Some(410)),
    (reason::INVALID, Some(422)),
    (reason::SERVER_TIMEOUT, None),
    (reason::STORE_READ_ERROR, None),
    (reason::TIMEOUT, Some(504)),
    (reason::TOO_MANY_REQUESTS, Some(429)),
    (reason::BAD_REQUEST, Some(400)),
    (reason::METHOD_NOT_ALLOWED, Some(405)),
    (reason::NOT_ACCEPTABLE, Some(406)),
    (reason::REQUEST_ENTITY_TOO_LARGE, Some(413)),
    (reason::UNSUPPORTED_MEDIA_TYPE, Some(415)),
    (reason::INTERNAL_ERROR, Some(500)),
    (reason::EXPIRED, None),
    (reason::SERVICE_UNAVAILABLE, Some(503)),
];

/// A failure which the API reports as a `Status`; prints as its message.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusError {
    /// What goes to the client. Boxed, so that results stay small.
    pub status: Box<Status>,
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.status.message)
    }
}

impl std::error::Error for StatusError {}

impl From<Status> for StatusError {
    fn from(status: Status) -> StatusError {
        StatusError { status: Box::new(status) }
    }
}

impl StatusError {
    /// A failure with the given code, reason and message, without details.
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> StatusError {
        Status {
            status: "Failure".to_owned(),
            code: i32::from(code),
            reason: reason.to_owned(),
            message: message.into(),
            ..Status::default()
        }
        .into()
    }

    fn details_mut(&mut self) -> &mut StatusDetails {
        self.status.details.get_or_insert_default()
    }

    /// Says which object of which resource the failure is about.
    fn about(mut self, group: &str, kind: &str, name: &str) -> StatusError {
        let details = self.details_mut();
        details.group = group.to_owned();
        details.kind = kind.to_owned();
        details.name = name.to_owned();
        self
    }

    fn about_resource(self, resource: &GroupResource, name: &str) -> StatusError {
        self.about(&resource.group, &resource.resource, name)
    }

    /// Adds a cause.
    #[must_use]
    pub fn with_cause(mut self, cause: &str, message: impl Into<String>, field: &str) -> StatusError {
        self.details_mut().causes.push(StatusCause {
            reason: cause.to_owned(),
            message: message.into(),
            field: field.to_owned(),
        });
        self
    }

    /// Tells the client when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: i32) -> StatusError {
        self.details_mut().retry_after_seconds = seconds;
        self
    }

    /// 404: no such object.
    pub fn not_found(resource: &GroupResource, name: &str) -> StatusError {
        StatusError::new(404, reason::NOT_FOUND, format!("{resource} {} not found", go_quote(name)))
            .about_resource(resource, name)
    }

    /// 409: an object of that name is there.
    pub fn already_exists(resource: &GroupResource, name: &str) -> StatusError {
        StatusError::new(409, reason::ALREADY_EXISTS, format!("{resource} {} already exists", go_quote(name)))
            .about_resource(resource, name)
    }

    /// 409: no free name could be generated.
    pub fn generate_name_conflict(
        resource: &GroupResource,
        name: &str,
        retry_after_seconds: i32,
    ) -> StatusError {
        let message = format!(
            "{resource} {} already exists, the server was not able to generate a unique name for the object",
            go_quote(name)
        );
        StatusError::new(409, reason::ALREADY_EXISTS, message)
            .about_resource(resource, name)
            .with_retry_after(retry_after_seconds)
    }

    /// 401: no usable credentials.
    pub fn unauthorized(message: &str) -> StatusError {
        let message = if message.is_empty() { "not authorized" } else { message };
        StatusError::new(401, reason::UNAUTHORIZED, message)
    }

    /// 403: not allowed. Leave the resource empty for paths which are no resources, and the name for
    /// whole collections.
    pub fn forbidden(resource: &GroupResource, name: &str, error: impl fmt::Display) -> StatusError {
        let message = if resource.group.is_empty() && resource.resource.is_empty() {
            format!("forbidden: {error}")
        } else if name.is_empty() {
            format!("{resource} is forbidden: {error}")
        } else {
            format!("{resource} {} is forbidden: {error}", go_quote(name))
        };
        StatusError::new(403, reason::FORBIDDEN, message).about_resource(resource, name)
    }

    /// 409: the object is not in the state the request relies on.
    pub fn conflict(resource: &GroupResource, name: &str, error: impl fmt::Display) -> StatusError {
        let message = format!("Operation cannot be fulfilled on {resource} {}: {error}", go_quote(name));
        StatusError::new(409, reason::CONFLICT, message).about_resource(resource, name)
    }

    /// 409: other field managers own fields which an apply sets.
    pub fn apply_conflict(causes: Vec<StatusCause>, message: impl Into<String>) -> StatusError {
        let mut error = StatusError::new(409, reason::CONFLICT, message);
        error.details_mut().causes = causes;
        error
    }

    /// 410: no longer there.
    pub fn gone(message: impl Into<String>) -> StatusError {
        StatusError::new(410, reason::GONE, message)
    }

    /// 410: the resource version or continue token is too old.
    pub fn expired(message: impl Into<String>) -> StatusError {
        StatusError::new(410, reason::EXPIRED, message)
    }

    /// 422: the object breaks rules.
    pub fn invalid(kind: &GroupKind, name: &str, errors: &[field::Error]) -> StatusError {
        let mut message = format!("{kind} {} is invalid", go_quote(name));
        if !errors.is_empty() {
            message.push_str(": ");
            message.push_str(&field::aggregate(errors));
        }
        let mut error = StatusError::new(422, reason::INVALID, message).about(&kind.group, &kind.kind, name);
        error.details_mut().causes = errors.iter().map(StatusCause::from).collect();
        error
    }

    /// 400: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> StatusError {
        StatusError::new(400, reason::BAD_REQUEST, message)
    }

    /// 429, with the time to wait.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: i32) -> StatusError {
        StatusError::new(429, reason::TOO_MANY_REQUESTS, message).with_retry_after(retry_after_seconds)
    }

    /// 429, with upstream's words before the message and no time to wait.
    pub fn too_many_requests_error(message: &str) -> StatusError {
        StatusError::new(429, reason::TOO_MANY_REQUESTS, format!("Too many requests: {message}"))
    }

    /// 503: the server cannot answer now.
    pub fn service_unavailable(message: impl Into<String>) -> StatusError {
        StatusError::new(503, reason::SERVICE_UNAVAILABLE, message)
    }

    /// 405: the resource has no such verb.
    pub fn method_not_supported(resource: &GroupResource, action: &str) -> StatusError {
        let kind = go_quote(&resource.to_string());
        let message = format!("{action} is not supported on resources of kind {kind}");
        StatusError::new(405, reason::METHOD_NOT_ALLOWED, message).about_resource(resource, "")
    }

    /// 406: the client accepts none of the encodings there are.
    pub fn not_acceptable(accepted: &[&str]) -> StatusError {
        let message = format!("only the following media types are accepted: {}", accepted.join(", "));
        StatusError::new(406, reason::NOT_ACCEPTABLE, message)
    }

    /// 406: the client accepts no encoding in which the object can be shown as `target`.
    pub fn not_acceptable_conversion(target: &str, accepted: &[&str]) -> StatusError {
        let accepted = accepted.join(", ");
        let message =
            format!("only the following media types are accepted when converting to {target}: {accepted}");
        StatusError::new(406, reason::NOT_ACCEPTABLE, message)
    }

    /// 415: the body has an unknown encoding.
    pub fn unsupported_media_type(accepted: &[&str]) -> StatusError {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        StatusError::new(415, reason::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// 500: the operation could not be completed, a later try may succeed.
    pub fn server_timeout(
        resource: &GroupResource,
        operation: &str,
        retry_after_seconds: i32,
    ) -> StatusError {
        let message = format!(
            "The {operation} operation against {resource} could not be completed at this time, please try again."
        );
        // Upstream puts the operation where the name goes.
        StatusError::new(500, reason::SERVER_TIMEOUT, message)
            .about_resource(resource, operation)
            .with_retry_after(retry_after_seconds)
    }

    /// 500: the server failed.
    pub fn internal_error(error: impl fmt::Display) -> StatusError {
        let error = error.to_string();
        StatusError::new(500, reason::INTERNAL_ERROR, format!("Internal error occurred: {error}"))
            .with_cause("", error, "")
    }

    /// 504: the time of the request ran out.
    pub fn timeout(message: &str, retry_after_seconds: i32) -> StatusError {
        StatusError::new(504, reason::TIMEOUT, format!("Timeout: {message}"))
            .with_retry_after(retry_after_seconds)
    }

    /// 413: the body is too large.
    pub fn request_entity_too_large(message: &str) -> StatusError {
        StatusError::new(
            413,
            reason::REQUEST_ENTITY_TOO_LARGE,
            format!("Request entity too large: {message}"),
        )
    }

    /// 504: the resource version asked for lies in the future.
    pub fn too_large_resource_version(asked: u64, current: u64, retry_after_seconds: i32) -> StatusError {
        let message = format!("Too large resource version: {asked}, current: {current}");
        StatusError::timeout(&message, retry_after_seconds).with_cause(
            cause::RESOURCE_VERSION_TOO_LARGE,
            "Too large resource version",
            "",
        )
    }

    /// The HTTP code; 500 when the status carries none.
    pub fn code(&self) -> u16 {
        u16::try_from(self.status.code).ok().filter(|code| (100..600).contains(code)).unwrap_or(500)
    }

    /// The reason; empty when unknown.
    pub fn reason(&self) -> &str {
        &self.status.reason
    }

    /// Whether a cause of the given type is named.
    pub fn has_cause(&self, cause: &str) -> bool {
        self.cause(cause).is_some()
    }

    /// The first cause of the given type.
    pub fn cause(&self, cause: &str) -> Option<&StatusCause> {
        self.status.details.as_ref()?.causes.iter().find(|candidate| candidate.reason == cause)
    }

    /// Seconds the client should wait before it tries again, when the status says so.
    pub fn suggested_delay(&self) -> Option<i32> {
        let seconds = self.status.details.as_ref()?.retry_after_seconds;
        (self.reason() == reason::SERVER_TIMEOUT || seconds > 0).then_some(seconds)
    }

    /// A known reason decides; only without one does the code.
    fn is(&self, wanted: &str) -> bool {
        let reason = self.reason();
        if KNOWN_REASONS.iter().any(|(known, _)| *known == reason) {
            return reason == wanted;
        }
        KNOWN_REASONS.iter().any(|(known, code)| *known == wanted && *code == Some(self.code()))
    }

    /// 404.
    pub fn is_not_found(&self) -> bool {
        self.is(reason::NOT_FOUND)
    }

    /// 409 because the name is taken.
    pub fn is_already_exists(&self) -> bool {
        self.is(reason::ALREADY_EXISTS)
    }

    /// 409 because the object changed or others own fields.
    pub fn is_conflict(&self) -> bool {
        self.is(reason::CONFLICT)
    }

    /// 422.
    pub fn is_invalid(&self) -> bool {
        self.is(reason::INVALID)
    }

    /// 410 with reason `Gone`.
    pub fn is_gone(&self) -> bool {
        self.is(reason::GONE)
    }

    /// 410 with reason `Expired`: list again.
    pub fn is_expired(&self) -> bool {
        self.is(reason::EXPIRED)
    }

    /// 400.
    pub fn is_bad_request(&self) -> bool {
        self.is(reason::BAD_REQUEST)
    }

    /// 401.
    pub fn is_unauthorized(&self) -> bool {
        self.is(reason::UNAUTHORIZED)
    }

    /// 403.
    pub fn is_forbidden(&self) -> bool {
        self.is(reason::FORBIDDEN)
    }

    /// 504.
    pub fn is_timeout(&self) -> bool {
        self.is(reason::TIMEOUT)
    }

    /// 500 with the advice to try again.
    pub fn is_server_timeout(&self) -> bool {
        self.is(reason::SERVER_TIMEOUT)
    }

    /// 500.
    pub fn is_internal_error(&self) -> bool {
        self.is(reason::INTERNAL_ERROR)
    }

    /// 429, whatever the reason says.
    pub fn is_too_many_requests(&self) -> bool {
        self.reason() == reason::TOO_MANY_REQUESTS || self.code() == 429
    }

    /// 413, whatever the reason says.
    pub fn is_request_entity_too_large(&self) -> bool {
        self.reason() == reason::REQUEST_ENTITY_TOO_LARGE || self.code() == 413
    }

    /// 405.
    pub fn is_method_not_supported(&self) -> bool {
        self.is(reason::METHOD_NOT_ALLOWED)
    }

    /// 406.
    pub fn is_not_acceptable(&self) -> bool {
        self.is(reason::NOT_ACCEPTABLE)
    }

    /// 415.
    pub fn is_unsupported_media_type(&self) -> bool {
        self.is(reason::UNSUPPORTED_MEDIA_TYPE)
    }

    /// 503.
    pub fn is_service_unavailable(&self) -> bool {
        self.is(reason::SERVICE_UNAVAILABLE)
    }

    /// The stored bytes could not be read back.
    pub fn is_store_read_error(&self) -> bool {
        self.is(reason::STORE_READ_ERROR)
    }
}

impl From<&field::Error> for StatusCause {
    fn from(error: &field::Error) -> StatusCause {
        StatusCause {
            reason: error.error_type.cause().to_owned(),
            message: error.body(),
            field: error.field.clone(),
        }
    }
}
