//! The end of the chain: whoever answers requests that have been let through.

use async_trait::async_trait;
use http::{Request, Response};

use super::body::Body;
use super::context::RequestContext;

/// Answers a request. Everything before it (authentication, authorization, limits, audit) is done;
/// errors are answered as `Status` bodies by the endpoint itself.
#[async_trait]
pub trait Endpoint: Send + Sync {
    /// Answers one request.
    async fn serve(&self, request: Request<Body>, context: RequestContext) -> Response<Body>;
}
