//! Joins a client to the runtime when both speak the same protocol: the handshake is handed on, then the bytes.

use http::header::{AUTHORIZATION, COOKIE, HOST};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::backend;
use crate::server::reply::{self, Reply};

/// Headers meant for us alone.
const OURS: [http::HeaderName; 3] = [AUTHORIZATION, COOKIE, HOST];

pub(super) async fn serve(mut request: Request<Incoming>, url: &str) -> Reply {
    if !request.headers().contains_key(http::header::UPGRADE) {
        return reply::text(StatusCode::BAD_REQUEST, "Upgrade request required");
    }
    let client = hyper::upgrade::on(&mut request);
    let mut headers = request.headers().clone();
    for header in &OURS {
        headers.remove(header);
    }
    let response = match backend::send(url, request.method().clone(), headers).await {
        Ok(response) => response,
        Err(error) => return reply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return response.map(|body| body.map_err(std::io::Error::other).boxed_unsync());
    }
    let mut answer: Reply = Response::new(reply::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = response.headers().clone();
    tokio::spawn(async move {
        // The client switches when it has read our answer.
        let joined = async {
            let (client, runtime) = tokio::try_join!(client, hyper::upgrade::on(response))?;
            let (mut client, mut runtime) = (TokioIo::new(client), TokioIo::new(runtime));
            tokio::io::copy_bidirectional(&mut client, &mut runtime).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        };
        if let Err(error) = joined.await {
            tracing::debug!(error, "joined streams ended with an error");
        }
    });
    answer
}
