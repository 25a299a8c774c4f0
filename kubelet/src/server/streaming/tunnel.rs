//! SPDY inside of a WebSocket: unpacked here, spoken plainly with the runtime.

use client::upgrade::WebSocketBytes;
use http::{Request, StatusCode};
use hyper::body::Incoming;

use super::{PORT_FORWARD, TUNNEL_PREFIX, backend, websocket};
use crate::server::reply::{self, Reply};

/// Serves a WebSocket of a protocol such as `SPDY/3.1+portforward.k8s.io`.
pub(super) async fn serve(mut request: Request<Incoming>, url: &str, protocol: &str) -> Reply {
    let inner = protocol.strip_prefix(TUNNEL_PREFIX).unwrap_or_default();
    if inner != PORT_FORWARD {
        let message = format!("unable to upgrade: protocol {protocol:?} is not supported");
        return reply::text(StatusCode::BAD_REQUEST, message);
    }
    let mut runtime = match backend::spdy(url, inner).await {
        Ok(runtime) => runtime,
        Err(error) => return reply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    let (answer, upgrade) = match websocket::accept(&mut request, protocol) {
        Ok(accepted) => accepted,
        Err(refusal) => return refusal.reply(),
    };
    tokio::spawn(async move {
        let joined = async {
            let mut client = WebSocketBytes::new(websocket::opened(upgrade).await?);
            tokio::io::copy_bidirectional(&mut client, &mut runtime).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        };
        if let Err(error) = joined.await {
            tracing::debug!(error, "tunnelled connection ended with an error");
        }
    });
    answer
}
