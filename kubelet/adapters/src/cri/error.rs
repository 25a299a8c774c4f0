//! What can go wrong between the node agent and its container runtime, and which kind of wrong it is.

use std::fmt;

use tonic::{Code, Status};

/// The kinds of failure callers decide on; anything else is [`Kind::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The sandbox, container or image does not exist (any more).
    NotFound,
    /// The name is taken, as when a sandbox attempt is repeated.
    AlreadyExists,
    /// The runtime cannot be reached, is starting or shutting down: try again.
    Unavailable,
    /// The runtime is older than the call.
    Unimplemented,
    /// The call's own time or the command's time was used up.
    TimedOut,
    /// The runtime refuses what it was given.
    InvalidArgument,
    /// The request or answer is over a limit (16 MiB for a message).
    ResourceExhausted,
    /// The registry or the runtime does not let us.
    Denied,
    /// Everything the runtime does not classify.
    Other,
}

/// A failed conversation with the container runtime.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configured endpoint is not `unix://<absolute path>` or an absolute path.
    #[error("container runtime endpoint {endpoint:?} is not a unix socket path: {reason}")]
    Endpoint {
        /// The endpoint as configured.
        endpoint: String,
        /// The rule it breaks.
        reason: String,
    },
    /// A call the runtime answered with an error, or never answered.
    #[error("{call}: {message}", message = Described(.status))]
    Call {
        /// The CRI method's name.
        call: &'static str,
        /// What gRPC says.
        status: Box<Status>,
    },
    /// An answer without the part every runtime must send.
    #[error("{call}: the runtime's answer lacks {field}")]
    Incomplete {
        /// The CRI method's name.
        call: &'static str,
        /// The missing field.
        field: &'static str,
    },
}

impl Error {
    /// Classifies the failure.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Endpoint { .. } => Kind::InvalidArgument,
            Error::Incomplete { .. } => Kind::Other,
            Error::Call { status, .. } => match status.code() {
                Code::NotFound => Kind::NotFound,
                Code::AlreadyExists => Kind::AlreadyExists,
                Code::Unavailable => Kind::Unavailable,
                Code::Unimplemented => Kind::Unimplemented,
                // tonic reports its own deadline as cancelled.
                Code::DeadlineExceeded => Kind::TimedOut,
                Code::Cancelled if status.message().contains("Timeout expired") => Kind::TimedOut,
                Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => Kind::InvalidArgument,
                Code::ResourceExhausted => Kind::ResourceExhausted,
                Code::PermissionDenied | Code::Unauthenticated => Kind::Denied,
                _ => Kind::Other,
            },
        }
    }

    /// The runtime's own words, without the call's name and the gRPC code.
    pub fn message(&self) -> String {
        match self {
            Error::Call { status, .. } => status.message().to_owned(),
            other => other.to_string(),
        }
    }

    /// True when the object is gone: removing and stopping treat that as done.
    pub fn is_not_found(&self) -> bool {
        self.kind() == Kind::NotFound
    }

    /// True when the runtime lacks the call.
    pub fn is_unimplemented(&self) -> bool {
        self.kind() == Kind::Unimplemented
    }
}

/// Prints a status the way gRPC's own library does, which users know from events.
struct Described<'a>(&'a Status);

impl fmt::Display for Described<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "rpc error: code = {:?} desc = {}", self.0.code(), self.0.message())
    }
}

/// Names the call in an error, for use in `map_err`.
pub(crate) fn during(call: &'static str) -> impl Fn(Status) -> Error {
    move |status| Error::Call { call, status: Box::new(status) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: Code, message: &str, expected: Kind) {
        let error = during("StopContainer")(Status::new(code, message));
        assert_eq!(error.kind(), expected, "{code:?} {message}");
    }

    #[test]
    fn codes_are_classified() {
        check(Code::NotFound, "", Kind::NotFound);
        check(Code::Unavailable, "", Kind::Unavailable);
        check(Code::Cancelled, "Timeout expired", Kind::TimedOut);
        check(Code::Cancelled, "context canceled", Kind::Other);
        check(Code::DeadlineExceeded, "", Kind::TimedOut);
        check(Code::Unknown, "anything", Kind::Other);
        check(Code::Unimplemented, "", Kind::Unimplemented);
    }

    #[test]
    fn text_is_the_one_users_know() {
        let error = during("StopContainer")(Status::not_found("no such container"));
        assert_eq!(error.to_string(), "StopContainer: rpc error: code = NotFound desc = no such container");
        assert_eq!(error.message(), "no such container");
    }
}
