//! What a program may be told of the requests it makes, for its metrics.

use std::time::Duration;

use http::{Method, StatusCode};

/// Hears of every request of a client. Called in the middle of requests: it only counts.
pub trait RequestObserver: Send + Sync {
    /// A request was sent to `host`; without a code no answer came.
    fn attempted(&self, method: &Method, host: &str, code: Option<StatusCode>);

    /// A request is sent again because of the answer to the attempt before, or because none came.
    fn retried(&self, method: &Method, host: &str, code: Option<StatusCode>);

    /// The client's own rate limit held a request back for so long.
    fn limited(&self, method: &Method, host: &str, wait: Duration);

    /// A request that is no watch and no stream was answered whole, or failed, attempts and waits counted in.
    fn answered(&self, method: &Method, host: &str, whole: Answered);
}

/// How a whole request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// How long it took.
    pub after: Duration,
    /// Bytes of the body that was sent.
    pub request_bytes: usize,
    /// Bytes of the body that came back; `None` when none came whole.
    pub response_bytes: Option<usize>,
}
