//! One call of one webhook.

use std::time::{Duration, Instant};

use api_types::admissionregistration::v1::WebhookClientConfig;
use async_trait::async_trait;
use machinery::meta::v1::Status;
use machinery::quote::go_quote;
use machinery::status::StatusError;
use serde_json::Value;

use super::hook::Hook;
use super::matching::Invocation;
use super::review::{self, Answer, BadAnswer};
use crate::attributes::{Attributes, Operation};
use crate::metrics::{AdmissionMetrics, RejectionError, Step};

/// Sends reviews to webhooks. The server implements it.
#[async_trait]
pub trait Caller: Send + Sync {
    /// Posts `review` and returns the body of a successful answer.
    async fn call(
        &self,
        client: &WebhookClientConfig,
        review: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<u8>, CallError>;
}

/// Why a webhook could not be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum CallError {
    /// Its configuration cannot be used.
    Client(String),
    /// It could not be reached, or what it sent is no answer.
    Unreachable(String),
    /// It has answered with an error.
    Answered(StatusError),
}

/// How a call may end badly.
#[derive(Debug)]
pub enum Failure {
    /// The webhook could not be asked; its failure policy decides.
    Calling {
        /// Why.
        reason: String,
        /// The HTTP code that metrics show.
        code: i32,
    },
    /// The webhook has said no.
    Rejected(StatusError),
    /// The request fails whatever the failure policy says.
    Other(StatusError),
}

/// Objects of a request in the version of an invocation.
pub struct Shown<'a> {
    /// The object.
    pub object: Option<&'a Value>,
    /// The object as it is stored.
    pub old_object: Option<&'a Value>,
}

/// Asks the webhook. Annotations and warnings of its answer are passed on.
pub async fn call(
    caller: &dyn Caller,
    hook: &Hook,
    attributes: &Attributes,
    invocation: &Invocation,
    shown: Shown<'_>,
    step: Step,
) -> Result<Answer, Failure> {
    let calling = |reason: String, code: i32| Failure::Calling { reason, code };
    if attributes.dry_run && !hook.takes_dry_runs() {
        return Err(match hook.side_effects {
            None => calling("Webhook SideEffects is nil".to_owned(), 400),
            Some(_) => Failure::Other(StatusError::bad_request(format!(
                "admission webhook {} does not support dry run",
                go_quote(&hook.name)
            ))),
        });
    }
    let version = review::version(&hook.review_versions)
        .map_err(|error| calling(format!("could not create admission objects: {error}"), 400))?;
    let question = review::question(version, attributes, invocation, shown.object, shown.old_object);
    let body = question.review.to_string().into_bytes();
    let failed = |error: String| calling(format!("failed to call webhook: {error}"), 503);
    let body = caller.call(&hook.client, body, hook.timeout).await.map_err(|error| match error {
        CallError::Client(error) => calling(format!("could not get REST client: {error}"), 500),
        CallError::Unreachable(error) => failed(error),
        CallError::Answered(error) => {
            calling(format!("failed to call webhook: {error}"), i32::from(error.code()))
        }
    })?;
    let answer = review::answer(&question, step == Step::Admit, &body).map_err(|error| match error {
        BadAnswer::Undecodable(error) => failed(error),
        BadAnswer::Invalid(error) => calling(format!("received invalid webhook response: {error}"), 503),
    })?;
    for (key, value) in &answer.audit_annotations {
        attributes.notes.annotate(&format!("{}/{key}", hook.name), value);
    }
    for warning in &answer.warnings {
        attributes.notes.warn(warning);
    }
    if answer.allowed {
        return Ok(answer);
    }
    Err(Failure::Rejected(rejection(&hook.name, answer.status.map(|status| *status))))
}

/// What the client is told when a webhook says no.
pub fn rejection(name: &str, status: Option<Status>) -> StatusError {
    let denied = format!("admission webhook {} denied the request", go_quote(name));
    let mut status = status.unwrap_or_default();
    // A refusal is never a success.
    status.code = status.code.max(400);
    if status.status.is_empty() || status.status == "Success" {
        status.status = "Failure".to_owned();
    }
    status.message = match (status.message.as_str(), status.reason.as_str()) {
        ("", "") => format!("{denied} without explanation"),
        ("", reason) => format!("{denied}: {reason}"),
        (message, _) => format!("{denied}: {message}"),
    };
    status.into()
}

/// Counts a call and decides what its failure means for the request: an error, or nothing.
pub fn settle(
    metrics: &AdmissionMetrics,
    hook: &Hook,
    step: Step,
    operation: Operation,
    started: Instant,
    outcome: Result<(), Failure>,
) -> Result<Settled, StatusError> {
    let (name, took) = (hook.name.as_str(), started.elapsed());
    let failure = match outcome {
        Ok(()) => {
            metrics.webhook(name, step, operation, false, 200, took);
            return Ok(Settled::Answered);
        }
        Err(failure) => failure,
    };
    let rejected = |error: RejectionError, code: i32| {
        metrics.webhook_rejection(name, step, operation, error, code);
        metrics.webhook(name, step, operation, true, code, took);
    };
    match failure {
        Failure::Calling { reason, code } => {
            let text = format!("failed calling webhook {}: {reason}", go_quote(name));
            if hook.fails_open {
                metrics.webhook(name, step, operation, false, code, took);
                metrics.webhook_fail_open(name, step);
                tracing::warn!(webhook = name, error = text, "the request passes without this webhook");
                return Ok(Settled::FailedOpen);
            }
            rejected(RejectionError::CallingWebhook, code);
            tracing::warn!(webhook = name, error = text, "the request fails with this webhook");
            Err(StatusError::internal_error(text))
        }
        Failure::Rejected(error) => {
            rejected(RejectionError::None, i32::from(error.code()));
            Err(error)
        }
        Failure::Other(error) => {
            rejected(RejectionError::ApiserverInternal, 0);
            Err(error)
        }
    }
}

/// How a call that does not refuse the request has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The webhook has said yes.
    Answered,
    /// The webhook could not be asked and does not insist.
    FailedOpen,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: Option<Status>, code: i32, message: &str) {
        let error = rejection("x.example.com", status);
        assert_eq!((error.status.code, error.status.message.as_str()), (code, message));
        assert_eq!(error.status.status, "Failure");
    }

    #[test]
    fn refusals_are_explained_in_upstreams_words() {
        let denied = "admission webhook \"x.example.com\" denied the request";
        check(None, 400, &format!("{denied} without explanation"));
        let status =
            Status { message: "no".into(), reason: "Forbidden".into(), code: 403, ..Status::default() };
        check(Some(status), 403, &format!("{denied}: no"));
        let status =
            Status { reason: "Because".into(), code: 200, status: "Success".into(), ..Status::default() };
        check(Some(status), 400, &format!("{denied}: Because"));
    }
}
