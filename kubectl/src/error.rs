//! What ends a command, in upstream's words (`kubectl/pkg/cmd/util/helpers.go`).

use machinery::status::StatusError;

/// The result of a step of a command.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request failed.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// Shown after `error: `.
    #[error("{0}")]
    Message(String),
    /// Shown as it is.
    #[error("{0}")]
    Plain(String),
    /// Several failures, one line each.
    #[error("{}", lines(.0))]
    Several(Vec<Error>),
    /// Everything was said; only the exit code is left.
    #[error("exit status {0}")]
    Exit(i32),
    /// Shown as it is, with an exit code of its own.
    #[error("{1}")]
    ExitWith(i32, String),
    /// Reading or writing a stream failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// An [`Error::Message`].
pub fn message(text: impl Into<String>) -> Error {
    Error::Message(text.into())
}

/// A wrong use of a command, with upstream's hint at its help.
pub fn usage(command: &str, text: impl std::fmt::Display) -> Error {
    message(format!("{text}\nSee 'kubectl {command} -h' for help and examples"))
}

impl From<clap::Error> for Error {
    fn from(error: clap::Error) -> Error {
        Error::Message(error.to_string().trim_start_matches("error: ").trim_end().to_owned())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        message(error.to_string())
    }
}

fn lines(errors: &[Error]) -> String {
    errors.iter().map(Error::line).collect::<Vec<_>>().join("\n")
}

impl Error {
    /// None for no failure, the failure itself for one, all of them otherwise.
    pub fn from_list(mut errors: Vec<Error>) -> Option<Error> {
        match errors.len() {
            0 => None,
            1 => errors.pop(),
            _ => Some(Error::Several(errors)),
        }
    }

    /// The server's failure, when it is one.
    pub fn status(&self) -> Option<&StatusError> {
        match self {
            Error::Client(error) => error.status(),
            _ => None,
        }
    }

    /// Whether the server does not know the object.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(StatusError::is_not_found)
    }

    /// The exit code of a command that ends with this.
    pub fn exit_code(&self) -> i32 {
        match self {
            Error::Exit(code) | Error::ExitWith(code, _) => *code,
            _ => 1,
        }
    }

    /// One of several failures, without what only a lone one gets.
    fn line(&self) -> String {
        match self {
            Error::Client(error) => match error.status() {
                Some(status) => server_error(status),
                None => self.report(),
            },
            Error::Message(text) | Error::Plain(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// What goes to standard error; empty when everything was said.
    pub fn report(&self) -> String {
        match self {
            Error::Exit(_) => String::new(),
            Error::Plain(text) | Error::ExitWith(_, text) => text.clone(),
            Error::Several(errors) => lines(errors),
            Error::Client(error) => match error {
                client::Error::Status(status) if status.reason() == "Invalid" => invalid(status),
                client::Error::Status(status) => server_error(status),
                client::Error::Transport { url, source, .. } => transport(url, source.as_ref()),
                client::Error::Timeout { .. } => format!("Unable to connect to the server: {error}"),
                other => prefixed(&component_base::run::error_chain(other)),
            },
            Error::Message(text) => prefixed(text),
            Error::Io(error) => prefixed(&error.to_string()),
        }
    }
}

fn prefixed(text: &str) -> String {
    if text.starts_with("error: ") { text.to_owned() } else { format!("error: {text}") }
}

/// The usual form of a failure the server reports.
fn server_error(status: &StatusError) -> String {
    match status.reason() {
        "Unauthorized" => format!("error: You must be logged in to the server ({})", status.status.message),
        "" => format!("Error from server: {}", status.status.message),
        reason => format!("Error from server ({reason}): {}", status.status.message),
    }
}

fn invalid(status: &StatusError) -> String {
    let message = &status.status.message;
    let with_message = || match message.is_empty() {
        true => "The request is invalid".to_owned(),
        false => format!("The request is invalid: {message}"),
    };
    let Some(details) = &status.status.details else { return with_message() };
    let head = if !details.kind.is_empty() || !details.name.is_empty() {
        format!("The {} {:?} is invalid", details.kind, details.name)
    } else if details.causes.is_empty() {
        with_message()
    } else {
        "The request is invalid".to_owned()
    };
    let mut causes: Vec<String> = Vec::new();
    for cause in &details.causes {
        let line = format!("{}: {}", cause.field, cause.message);
        if !causes.contains(&line) {
            causes.push(line);
        }
    }
    match causes.as_slice() {
        [] => head,
        [one] => format!("{head}: {one}"),
        several => {
            let list: String = several.iter().map(|line| format!("\n* {line}")).collect();
            format!("{head}: {list}")
        }
    }
}

fn transport(url: &str, source: &(dyn std::error::Error + 'static)) -> String {
    let chain = component_base::run::error_chain(source);
    if chain.to_lowercase().contains("connection refused") {
        let uri = url.parse::<http::Uri>().ok();
        let host = uri.as_ref().and_then(|uri| uri.authority()).map_or(url, |authority| authority.as_str());
        return format!(
            "The connection to the server {host} was refused - did you specify the right host or port?"
        );
    }
    format!("Unable to connect to the server: {chain}")
}

#[cfg(test)]
mod tests {
    use machinery::GroupResource;
    use machinery::field;

    use super::*;

    #[test]
    fn failures_read_as_upstreams() {
        let check = |error: Error, expected: &str| assert_eq!(error.report(), expected);
        let pods = GroupResource::new("", "pods");
        let not_found = || Error::Client(StatusError::not_found(&pods, "x").into());
        check(not_found(), "Error from server (NotFound): pods \"x\" not found");
        check(message("no"), "error: no");
        check(message("error: no"), "error: no");
        check(
            Error::Client(StatusError::unauthorized("Unauthorized").into()),
            "error: You must be logged in to the server (Unauthorized)",
        );
        let path = field::Path::new("spec");
        let errors =
            [field::Error::required(&path.child("a"), ""), field::Error::required(&path.child("b"), "")];
        let kind = machinery::GroupKind::new("", "Pod");
        check(
            Error::Client(StatusError::invalid(&kind, "x", &errors).into()),
            "The Pod \"x\" is invalid: \n* spec.a: Required value\n* spec.b: Required value",
        );
        check(
            Error::Several(vec![not_found(), message("other")]),
            "Error from server (NotFound): pods \"x\" not found\nother",
        );
        let connect = client::Error::Transport {
            method: http::Method::GET,
            url: "https://127.0.0.1:1/api".to_owned(),
            source: "Connection refused (os error 111)".into(),
            connecting: true,
        };
        check(
            Error::Client(connect),
            "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?",
        );
    }
}
