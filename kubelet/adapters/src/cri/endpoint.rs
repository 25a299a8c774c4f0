//! From a runtime endpoint in a configuration to a channel over its unix socket.

use std::path::PathBuf;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

use super::Error;

/// The socket's path in `unix:///path`, `unix:/path` or `/path`.
///
/// # Errors
/// [`Error::Endpoint`] for other schemes and for relative paths.
pub fn socket_path(endpoint: &str) -> Result<PathBuf, Error> {
    let refuse = |reason: &str| Error::Endpoint { endpoint: endpoint.to_owned(), reason: reason.to_owned() };
    let path = match endpoint.split_once(':') {
        Some(("unix", rest)) => rest.strip_prefix("//").unwrap_or(rest),
        Some((scheme, _)) if !scheme.contains('/') => {
            return Err(refuse(&format!("scheme {scheme:?} is not supported, use \"unix\"")));
        }
        _ => endpoint,
    };
    if !path.starts_with('/') {
        return Err(refuse("the path must be absolute"));
    }
    Ok(PathBuf::from(path))
}

/// A channel which connects on first use and again after the runtime went away.
pub(crate) fn channel(endpoint: &str) -> Result<Channel, Error> {
    let path = socket_path(endpoint)?;
    // The authority is never resolved: the connector below ignores it.
    let connector = tower::service_fn(move |_: http::Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    Ok(Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(endpoint: &str, expected: Result<&str, &str>) {
        match (socket_path(endpoint), expected) {
            (Ok(path), Ok(wanted)) => assert_eq!(path, PathBuf::from(wanted), "{endpoint}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, _) => panic!("{endpoint}: {got:?}"),
        }
    }

    #[test]
    fn endpoints() {
        check("unix:///run/containerd/containerd.sock", Ok("/run/containerd/containerd.sock"));
        check("unix:/run/crio.sock", Ok("/run/crio.sock"));
        check("/run/crio.sock", Ok("/run/crio.sock"));
        check("tcp://localhost:3735", Err("\"tcp\""));
        check("npipe:////./pipe/x", Err("\"npipe\""));
        check("unix://run/x.sock", Err("absolute"));
        check("", Err("absolute"));
    }
}
