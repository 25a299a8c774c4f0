//! Exec, attach and port-forward: connections between clients and the runtime's streaming server.
//!
//! The runtime answers a CRI call with a URL that is good for one connection. Clients that speak what the runtime
//! speaks (SPDY/3.1, WebSocket up to v4) are joined to it byte by byte. WebSocket v5 and SPDY inside of WebSocket are
//! newer than the runtimes and are translated to SPDY/3.1.

mod backend;
mod options;
mod passthrough;
mod translate;
mod tunnel;
mod websocket;

use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use kubelet_core::ports::{Runtime, RuntimeError, RuntimeErrorCode, StreamRequest};

use self::options::StreamOptions;
use super::query::Query;
use super::reply::{self, Refusal, Reply};
use super::routes::Parameters;
use crate::view::{ContainerLookup, KubeletView, ViewError};

/// The WebSocket protocol with a message that closes one stream.
const V5: &str = "v5.channel.k8s.io";

/// WebSocket protocols that carry another protocol's bytes begin so.
const TUNNEL_PREFIX: &str = "SPDY/3.1+";

/// The protocol of forwarded ports inside of SPDY.
const PORT_FORWARD: &str = "portforward.k8s.io";

/// `/exec`.
pub async fn exec(
    view: &dyn KubeletView,
    runtime: &Arc<dyn Runtime>,
    parameters: &Parameters,
    query: &Query,
    request: Request<Incoming>,
) -> Reply {
    let options = match StreamOptions::parse(query) {
        Ok(options) => options,
        Err(message) => return reply::text(StatusCode::BAD_REQUEST, message),
    };
    let container = match running_container(view, parameters) {
        Ok(container) => container,
        Err(refusal) => return refusal.reply(),
    };
    let asked = StreamRequest::Exec {
        container_id: container.container_id,
        command: query.all("command"),
        tty: options.tty,
        stdin: options.stdin,
        stdout: options.stdout,
        stderr: options.stderr,
    };
    command(runtime, &asked, options, request).await
}

/// `/attach`. The container's own terminal decides, not what the client believes.
pub async fn attach(
    view: &dyn KubeletView,
    runtime: &Arc<dyn Runtime>,
    parameters: &Parameters,
    query: &Query,
    request: Request<Incoming>,
) -> Reply {
    let options = match StreamOptions::parse(query) {
        Ok(options) => options,
        Err(message) => return reply::text(StatusCode::BAD_REQUEST, message),
    };
    let container = match running_container(view, parameters) {
        Ok(container) => container,
        Err(refusal) => return refusal.reply(),
    };
    let options = options.with_tty(container.tty);
    let asked = StreamRequest::Attach {
        container_id: container.container_id,
        tty: options.tty,
        stdin: options.stdin,
        stdout: options.stdout,
        stderr: options.stderr,
    };
    command(runtime, &asked, options, request).await
}

async fn command(
    runtime: &Arc<dyn Runtime>,
    asked: &StreamRequest,
    options: StreamOptions,
    request: Request<Incoming>,
) -> Reply {
    let url = match runtime.stream_url(asked).await {
        Ok(url) => url,
        Err(error) => return refused(&error),
    };
    if websocket::offers(&request, |protocol| protocol == V5).is_some() {
        translate::serve(request, url, options)
    } else {
        passthrough::serve(request, &url).await
    }
}

/// `/portForward`.
pub async fn port_forward(
    view: &dyn KubeletView,
    runtime: &Arc<dyn Runtime>,
    parameters: &Parameters,
    query: &Query,
    request: Request<Incoming>,
) -> Reply {
    let tunnelled = websocket::offers(&request, |protocol| protocol.starts_with(TUNNEL_PREFIX));
    let ports = if tunnelled.is_none() && websocket::is_upgrade(&request) {
        match options::ports(query) {
            Ok(ports) => ports,
            Err(message) => return reply::text(StatusCode::BAD_REQUEST, message),
        }
    } else {
        Vec::new()
    };
    let sandbox = match view.sandbox_id(parameters.get("namespace"), parameters.get("pod"), parameters.uid())
    {
        Ok(sandbox) => sandbox,
        Err(ViewError::PodNotFound { .. }) => {
            return reply::text(StatusCode::NOT_FOUND, "pod does not exist");
        }
        Err(error) => return reply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    let asked = StreamRequest::PortForward { sandbox_id: sandbox, ports };
    let url = match runtime.stream_url(&asked).await {
        Ok(url) => url,
        Err(error) => return refused(&error),
    };
    match tunnelled {
        Some(protocol) => tunnel::serve(request, &url, &protocol).await,
        None => passthrough::serve(request, &url).await,
    }
}

/// The container a path names, which must be running.
pub(super) fn running_container(
    view: &dyn KubeletView,
    parameters: &Parameters,
) -> Result<ContainerLookup, Refusal> {
    let container = parameters.get("container");
    let missing =
        || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("container not found ({container:?})"));
    let found =
        view.container(parameters.get("namespace"), parameters.get("pod"), parameters.uid(), container);
    match found {
        Ok(found) if found.running => Ok(found),
        Err(ViewError::PodNotFound { .. }) => Err(Refusal::new(StatusCode::NOT_FOUND, "pod does not exist")),
        Ok(_) | Err(_) => Err(missing()),
    }
}

/// The runtime's refusal by its code, as its streaming library maps them.
fn refused(error: &RuntimeError) -> Reply {
    let status = match error.code {
        RuntimeErrorCode::NotFound => StatusCode::NOT_FOUND,
        RuntimeErrorCode::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    reply::text(status, error.to_string())
}
