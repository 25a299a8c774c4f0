//! What can go wrong between a caller and the API server.

use std::path::PathBuf;

use machinery::status::StatusError;

/// A failed request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered with a failure.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// No connection, or it broke.
    #[error("{method} {url}")]
    Transport {
        /// HTTP method.
        method: http::Method,
        /// Where to.
        url: String,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
        /// Whether no connection could be made, so that the server saw nothing of the request.
        connecting: bool,
    },
    /// The time allowed for a request ran out.
    #[error("{method} {url}: no answer within {timeout:?}")]
    Timeout {
        /// HTTP method.
        method: http::Method,
        /// Where to.
        url: String,
        /// Time allowed.
        timeout: std::time::Duration,
    },
    /// The answer is not what its content type says.
    #[error("failed to decode {what}: {message}")]
    Decode {
        /// Kind or part expected.
        what: &'static str,
        /// Decoder's message.
        message: String,
    },
    /// A request that cannot be made.
    #[error("invalid request: {0}")]
    Request(String),
    /// The configuration cannot be used.
    #[error("invalid configuration: {0}")]
    Config(String),
    /// A file of the configuration cannot be read or written.
    #[error("{action} {}", path.display())]
    File {
        /// "failed to read" or "failed to write".
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The credential plugin failed.
    #[error("getting credentials: exec: {0}")]
    ExecPlugin(String),
    /// The server did not switch protocols.
    #[error("unable to upgrade connection: {0}")]
    Upgrade(String),
}

impl Error {
    /// The server's failure, when it is one.
    pub fn status(&self) -> Option<&StatusError> {
        match self {
            Error::Status(status) => Some(status),
            _ => None,
        }
    }

    /// 404.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(StatusError::is_not_found)
    }

    /// 409 because the object changed meanwhile.
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(StatusError::is_conflict)
    }

    /// 409 because the name is taken.
    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(StatusError::is_already_exists)
    }

    /// 410: the resource version or continue token is too old.
    pub fn is_expired(&self) -> bool {
        self.status().is_some_and(|status| status.is_expired() || status.is_gone())
    }

    /// 403.
    pub fn is_forbidden(&self) -> bool {
        self.status().is_some_and(StatusError::is_forbidden)
    }

    /// 401.
    pub fn is_unauthorized(&self) -> bool {
        self.status().is_some_and(StatusError::is_unauthorized)
    }

    /// 422.
    pub fn is_invalid(&self) -> bool {
        self.status().is_some_and(StatusError::is_invalid)
    }

    /// 429.
    pub fn is_too_many_requests(&self) -> bool {
        self.status().is_some_and(StatusError::is_too_many_requests)
    }

    /// Whether a namespace that is being deleted refuses new objects.
    pub fn is_namespace_terminating(&self) -> bool {
        self.status().is_some_and(|status| status.has_cause("NamespaceTerminating"))
    }

    /// Whether the server could not be reached at all.
    pub fn is_connecting(&self) -> bool {
        matches!(self, Error::Transport { connecting: true, .. })
    }

    pub(crate) fn decode(what: &'static str, error: impl std::fmt::Display) -> Error {
        Error::Decode { what, message: error.to_string() }
    }
}
