//! What the API asks of the server itself: conversations, reviews and tokens.

use std::sync::Arc;

use apiserver_registry::{Connect, Pending};
use http::{Request, Response};
use machinery::object::Object;
use machinery::status::StatusError;

use super::virtual_resources::VirtualResources;
use crate::chain::body::Body;
use crate::chain::context::RequestContext;
use crate::connect::Connector;
use crate::endpoints::ServerSide;

/// Answers by means of the server's own.
pub struct OwnMeans {
    /// Conversations.
    pub connector: Connector,
    /// Reviews and tokens.
    pub virtual_resources: Arc<VirtualResources>,
}

impl ServerSide for OwnMeans {
    fn connect<'a>(
        &'a self,
        connect: Connect,
        request: Request<Body>,
        context: &'a RequestContext,
    ) -> Pending<'a, Response<Body>> {
        Box::pin(self.connector.serve(connect, request, context.clone()))
    }

    fn prepare<'a>(
        &'a self,
        context: &'a RequestContext,
        at: (&'a str, &'a str, &'a str),
        name: &'a str,
        object: &'a mut Box<dyn Object>,
    ) -> Pending<'a, Result<(), StatusError>> {
        Box::pin(async move {
            match at {
                ("", "serviceaccounts", "token") => {
                    self.virtual_resources.prepare_token(context, name, object).await
                }
                _ => Ok(()),
            }
        })
    }

    fn answer<'a>(
        &'a self,
        context: &'a RequestContext,
        at: (&'a str, &'a str, &'a str),
        name: &'a str,
        object: Box<dyn Object>,
    ) -> Pending<'a, Result<Box<dyn Object>, StatusError>> {
        Box::pin(self.virtual_resources.create(context, at, name, object))
    }
}
