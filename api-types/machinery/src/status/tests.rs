//! Tables of messages, codes, reasons and what is concluded from them.

use super::*;
use crate::field::{Error, Path};

fn deployments() -> GroupResource {
    GroupResource::new("apps", "deployments")
}

fn check(error: StatusError, code: u16, reason: &str, message: &str) {
    assert_eq!((error.code(), error.reason(), error.to_string().as_str()), (code, reason, message));
    assert_eq!(error.status.status, "Failure");
}

#[test]
fn texts() {
    let (pods, none) = (GroupResource::new("", "pods"), GroupResource::new("", ""));
    let apps = deployments();
    check(StatusError::not_found(&pods, "a"), 404, "NotFound", "pods \"a\" not found");
    check(StatusError::not_found(&apps, "a"), 404, "NotFound", "deployments.apps \"a\" not found");
    check(StatusError::already_exists(&pods, "a"), 409, "AlreadyExists", "pods \"a\" already exists");
    check(
        StatusError::generate_name_conflict(&pods, "a", 1),
        409,
        "AlreadyExists",
        "pods \"a\" already exists, the server was not able to generate a unique name for the object",
    );
    check(StatusError::unauthorized(""), 401, "Unauthorized", "not authorized");
    check(StatusError::unauthorized("who"), 401, "Unauthorized", "who");
    check(StatusError::forbidden(&none, "", "no"), 403, "Forbidden", "forbidden: no");
    check(StatusError::forbidden(&pods, "", "no"), 403, "Forbidden", "pods is forbidden: no");
    check(
        StatusError::forbidden(&apps, "a", "no"),
        403,
        "Forbidden",
        "deployments.apps \"a\" is forbidden: no",
    );
    check(
        StatusError::conflict(&pods, "a", "it changed"),
        409,
        "Conflict",
        "Operation cannot be fulfilled on pods \"a\": it changed",
    );
    check(StatusError::gone("old"), 410, "Gone", "old");
    check(StatusError::expired("old"), 410, "Expired", "old");
    check(StatusError::bad_request("what"), 400, "BadRequest", "what");
    check(StatusError::too_many_requests("wait", 3), 429, "TooManyRequests", "wait");
    check(StatusError::too_many_requests_error("wait"), 429, "TooManyRequests", "Too many requests: wait");
    check(StatusError::service_unavailable("later"), 503, "ServiceUnavailable", "later");
    check(
        StatusError::method_not_supported(&apps, "delete"),
        405,
        "MethodNotAllowed",
        "delete is not supported on resources of kind \"deployments.apps\"",
    );
    check(
        StatusError::not_acceptable(&["a/b", "c/d"]),
        406,
        "NotAcceptable",
        "only the following media types are accepted: a/b, c/d",
    );
    check(
        StatusError::unsupported_media_type(&["a/b"]),
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: a/b",
    );
    check(
        StatusError::server_timeout(&pods, "list", 0),
        500,
        "ServerTimeout",
        "The list operation against pods could not be completed at this time, please try again.",
    );
    check(StatusError::internal_error("boom"), 500, "InternalError", "Internal error occurred: boom");
    check(StatusError::timeout("slow", 0), 504, "Timeout", "Timeout: slow");
    check(
        StatusError::request_entity_too_large("limit is 3"),
        413,
        "RequestEntityTooLarge",
        "Request entity too large: limit is 3",
    );
    check(
        StatusError::too_large_resource_version(9, 5, 1),
        504,
        "Timeout",
        "Timeout: Too large resource version: 9, current: 5",
    );
}

#[test]
fn invalid_names_every_cause() {
    let kind = GroupKind::new("apps", "Deployment");
    let errors = [
        Error::required(&Path::of(&["spec", "selector"]), ""),
        Error::invalid(&Path::new("spec").child("replicas"), -1, "must be greater than or equal to 0"),
    ];
    let error = StatusError::invalid(&kind, "web", &errors);
    check(
        error.clone(),
        422,
        "Invalid",
        "Deployment.apps \"web\" is invalid: [spec.selector: Required value, spec.replicas: Invalid value: -1: must be greater than or equal to 0]",
    );
    let details = error.status.details.clone().unwrap_or_default();
    assert_eq!(
        (details.group.as_str(), details.kind.as_str(), details.name.as_str()),
        ("apps", "Deployment", "web")
    );
    let causes: Vec<_> =
        details.causes.iter().map(|c| (c.reason.as_str(), c.field.as_str(), c.message.as_str())).collect();
    assert_eq!(
        causes,
        [
            ("FieldValueRequired", "spec.selector", "Required value"),
            ("FieldValueInvalid", "spec.replicas", "Invalid value: -1: must be greater than or equal to 0"),
        ]
    );
    check(StatusError::invalid(&kind, "web", &[]), 422, "Invalid", "Deployment.apps \"web\" is invalid");
}

#[test]
fn a_known_reason_decides_and_otherwise_the_code() {
    assert!(StatusError::new(404, "", "").is_not_found());
    assert!(StatusError::new(404, "Strange", "").is_not_found());
    assert!(!StatusError::new(404, reason::GONE, "").is_not_found());
    assert!(StatusError::new(200, reason::NOT_FOUND, "").is_not_found());
    assert!(!StatusError::new(409, "", "").is_already_exists());
    assert!(StatusError::new(409, "", "").is_conflict());
    assert!(StatusError::already_exists(&deployments(), "a").is_already_exists());
    assert!(!StatusError::already_exists(&deployments(), "a").is_conflict());
    assert!(!StatusError::expired("").is_gone());
    assert!(StatusError::new(429, reason::INVALID, "").is_too_many_requests());
}

#[test]
fn delays_and_causes() {
    assert_eq!(StatusError::server_timeout(&deployments(), "get", 0).suggested_delay(), Some(0));
    assert_eq!(StatusError::too_many_requests("", 7).suggested_delay(), Some(7));
    assert_eq!(StatusError::timeout("", 0).suggested_delay(), None);
    assert_eq!(StatusError::bad_request("").suggested_delay(), None);
    assert!(StatusError::too_large_resource_version(2, 1, 1).has_cause(cause::RESOURCE_VERSION_TOO_LARGE));
    assert!(!StatusError::gone("").has_cause(cause::RESOURCE_VERSION_TOO_LARGE));
}

#[test]
fn answers_without_status() {
    let resource = deployments();
    let answer = |code, method, name, message| {
        let response = ServerResponse {
            code,
            method,
            resource: &resource,
            name,
            message,
            retry_after_seconds: 0,
            unexpected: true,
        };
        let error = response.to_error();
        assert!(error.has_cause(cause::UNEXPECTED_SERVER_RESPONSE));
        (error.reason().to_owned(), error.to_string())
    };
    for (code, method, name, reason, message) in [
        (409, "POST", "", "AlreadyExists", "the server reported a conflict (post deployments.apps)"),
        (409, "PUT", "a", "Conflict", "the server reported a conflict (put deployments.apps a)"),
        (
            404,
            "GET",
            "a",
            "NotFound",
            "the server could not find the requested resource (get deployments.apps a)",
        ),
        (403, "GET", "a", "Forbidden", "said (get deployments.apps a)"),
        (
            500,
            "GET",
            "a",
            "InternalError",
            "an error on the server (\"said\") has prevented the request from succeeding (get deployments.apps a)",
        ),
        (
            418,
            "GET",
            "a",
            "",
            "the server responded with the status code 418 but did not return more information (get deployments.apps a)",
        ),
    ] {
        assert_eq!(answer(code, method, name, "said"), (reason.to_owned(), message.to_owned()));
    }
}
