//! Port-forwarding: SPDY streams inside a WebSocket, a pair for each connection.

use tokio::io::AsyncReadExt as _;

use super::handshake;
use super::websocket::WebSocketBytes;
use crate::client::Client;
use crate::error::Error;
use crate::paths::{collection, escape};
use crate::spdy::{Headers, Role, Session, Stream};

const PROTOCOL: &str = "SPDY/3.1+portforward.k8s.io";
/// An error message is read up to here.
const MAX_MESSAGE: u64 = 1 << 20;

/// A connection to a pod over which any number of connections to its ports pass.
#[derive(Debug)]
pub struct PortForward {
    session: Session,
    next_request: std::sync::atomic::AtomicU32,
}

/// One connection to a port.
#[derive(Debug)]
pub struct ForwardedPort {
    /// Bytes both ways.
    pub data: Stream,
    /// Sends a message when the connection failed, and ends when it ended.
    pub error: Stream,
}

impl PortForward {
    /// Connects to a pod.
    pub async fn start(client: &Client, namespace: &str, pod: &str) -> Result<PortForward, Error> {
        let pods = collection("", "v1", "pods", Some(namespace));
        let path = format!("{pods}/{}/portforward", escape(pod));
        let (socket, _) = handshake::websocket(client, &path, &[PROTOCOL]).await?;
        let session = Session::start(WebSocketBytes::new(socket), Role::Client);
        Ok(PortForward { session, next_request: std::sync::atomic::AtomicU32::new(0) })
    }

    /// Opens a connection to a port of the pod.
    pub async fn connect(&self, port: u16) -> Result<ForwardedPort, Error> {
        let request = self.next_request.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let headers = |kind: &str| -> Headers {
            [("streamtype", kind.to_owned()), ("port", port.to_string()), ("requestid", request.to_string())]
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec()
        };
        let failed = |error: crate::spdy::session::SessionError| Error::Upgrade(error.to_string());
        let mut error = self.session.open(headers("error")).await.map_err(failed)?;
        // Nothing is ever written to the error stream.
        tokio::io::AsyncWriteExt::shutdown(&mut error)
            .await
            .map_err(|error| Error::Upgrade(error.to_string()))?;
        let data = self.session.open(headers("data")).await.map_err(failed)?;
        Ok(ForwardedPort { data, error })
    }

    /// Returns when the connection to the pod is gone.
    pub async fn closed(&self) {
        self.session.closed().await;
    }
}

impl ForwardedPort {
    /// What went wrong, once the connection ended; `None` when nothing did.
    pub async fn failure(error: Stream) -> Option<String> {
        let mut message = Vec::new();
        // A reset error stream says as much as an empty one.
        let _ = error.take(MAX_MESSAGE).read_to_end(&mut message).await;
        (!message.is_empty()).then(|| String::from_utf8_lossy(&message).into_owned())
    }
}
