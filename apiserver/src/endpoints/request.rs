//! A request as handlers take it, and what they share.

use std::sync::Arc;

use apiserver_admission::{Chain, Notes as AdmissionNotes};
use apiserver_auth::authz::Authorizer;
use apiserver_registry::{Connect, Context, Pending};
use bytes::Bytes;
use component_base::shutdown::Shutdown;
use http::{HeaderMap, Response};
use machinery::object::Object;
use machinery::status::StatusError;

use super::metrics::WatchMetrics;
use super::query::Query;
use super::resource::ServedResource;
use crate::chain::body::Body;
use crate::chain::context::{Notes, RequestContext};
use crate::store::WriteContext;

/// What all handlers share.
pub struct Shared {
    /// Admission plugins.
    pub admission: Chain,
    /// Asked when an update would create.
    pub authorizer: Arc<dyn Authorizer>,
    /// Ends watches.
    pub shutdown: Shutdown,
    /// Watches without a timeout of their own last this long, up to twice (`--min-request-timeout`).
    pub min_request_timeout: std::time::Duration,
    /// Counters of watches.
    pub watch_metrics: WatchMetrics,
    /// What the server answers by means of its own.
    pub server_side: Arc<dyn ServerSide>,
}

/// Requests whose answer is not in the store: conversations, tokens, reviews.
pub trait ServerSide: Send + Sync {
    /// Answers a conversation with a pod, a node or a service. `request` still has its body.
    fn connect<'a>(
        &'a self,
        connect: Connect,
        request: http::Request<Body>,
        context: &'a RequestContext,
    ) -> Pending<'a, Response<Body>>;

    /// Completes and judges a posted object before admission sees it. `at` is group, resource and subresource.
    fn prepare<'a>(
        &'a self,
        context: &'a RequestContext,
        at: (&'a str, &'a str, &'a str),
        name: &'a str,
        object: &'a mut Box<dyn Object>,
    ) -> Pending<'a, Result<(), StatusError>>;

    /// Answers a posted object: a review or a token request with its status filled in.
    fn answer<'a>(
        &'a self,
        context: &'a RequestContext,
        at: (&'a str, &'a str, &'a str),
        name: &'a str,
        object: Box<dyn Object>,
    ) -> Pending<'a, Result<Box<dyn Object>, StatusError>>;
}

/// One request to one resource.
pub struct ApiRequest {
    /// Shared by all handlers.
    pub shared: Arc<Shared>,
    /// Which resource.
    pub resource: Arc<ServedResource>,
    /// What the chain found out.
    pub context: RequestContext,
    /// Headers.
    pub headers: HeaderMap,
    /// Parameters.
    pub query: Query,
    /// The whole body, within the limit.
    pub body: Bytes,
}

impl ApiRequest {
    /// Namespace of the request; for namespaces themselves and other cluster-scoped resources empty.
    pub fn namespace(&self) -> &str {
        if self.resource.namespaced { &self.context.info.namespace } else { "" }
    }

    /// Name in the path.
    pub fn name(&self) -> &str {
        &self.context.info.name
    }

    /// Subresource in the path.
    pub fn subresource(&self) -> &str {
        &self.context.info.subresource
    }

    /// What strategies and the store may know of the request.
    pub fn write_context(&self, name: &str, dry_run: bool) -> WriteContext {
        let user = &self.context.user;
        let user = api_types::authentication::v1::UserInfo {
            username: user.username.clone(),
            uid: user.uid.clone(),
            groups: user.groups.clone(),
            extra: user.extra.clone(),
        };
        let mut rules = Context::new(Arc::new(user), self.namespace(), self.context.received);
        rules.name = name.to_owned();
        rules.subresource = self.subresource().to_owned();
        rules.dry_run = dry_run;
        WriteContext::new(rules, self.notes()).about(self.resource.group_resource())
    }

    /// Where warnings and audit annotations go.
    pub fn notes(&self) -> Arc<dyn AdmissionNotes> {
        Arc::new(RequestNotes(self.context.notes.clone()))
    }

    /// The name under which written fields are managed: the one given, or the user agent up to its first slash.
    pub fn field_manager(&self, given: &str) -> String {
        if !given.is_empty() {
            return given.to_owned();
        }
        let agent =
            self.headers.get(http::header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let agent = agent.as_deref().unwrap_or_default();
        let first = agent.split('/').next().unwrap_or_default();
        let mut manager = String::new();
        for character in first.chars().filter(|character| !character.is_control()) {
            if manager.len() + character.len_utf8() > FIELD_MANAGER_LENGTH {
                break;
            }
            manager.push(character);
        }
        manager
    }
}

/// Upstream's `FieldManagerMaxLength`, in bytes.
const FIELD_MANAGER_LENGTH: usize = 128;

struct RequestNotes(Notes);

impl AdmissionNotes for RequestNotes {
    fn warn(&self, text: &str) {
        self.0.warn(text);
    }

    fn annotate(&self, key: &str, value: &str) {
        self.0.annotate(key, value);
    }
}
