//! Conversations with kubelets and backends: logs, exec, attach, port forwarding and proxies.
//!
//! `location` (where) → `dial` (a connection one may believe; `trust` for the exceptions) → `forward` (request and answer,
//! or bytes both ways after an upgrade) → `rewrite` (links in proxied pages). `webhooks` is the way to admission webhooks.

pub mod dial;
pub mod forward;
pub mod location;
pub mod log_options;
pub mod rewrite;
pub mod stream_options;
pub mod trust;
pub mod webhooks;

use std::sync::Arc;

use apiserver_admission::{Attributes as AdmissionAttributes, Chain as AdmissionChain, Operation, Options};
use apiserver_auth::authz::{Attributes, Authorizer};
use apiserver_registry::Connect;
use http::{Request, Response};
use machinery::status::StatusError;
use machinery::{GroupVersionKind, GroupVersionResource};
use serde_json::{Value, json};

use self::dial::Dialer;
use self::location::Locator;
use crate::chain::body::Body;
use crate::chain::context::RequestContext;
use crate::chain::{authorization, respond};

/// Leads conversations.
pub struct Connector {
    /// Finds kubelets, pods and services.
    pub locator: Locator,
    /// Opens connections.
    pub dialer: Dialer,
    /// Asked once more where the HTTP method does not say what is done.
    pub authorizer: Arc<dyn Authorizer>,
    /// Asked about every conversation but logs.
    pub admission: AdmissionChain,
}

impl Connector {
    /// Answers a request for a conversation.
    pub async fn serve(
        &self,
        connect: Connect,
        request: Request<Body>,
        context: RequestContext,
    ) -> Response<Body> {
        let headers = request.headers().clone();
        match self.converse(connect, request, &context).await {
            Ok(response) => response,
            Err(error) => respond::error(&headers, &error),
        }
    }

    async fn converse(
        &self,
        connect: Connect,
        request: Request<Body>,
        context: &RequestContext,
    ) -> Result<Response<Body>, StatusError> {
        let info = &*context.info;
        let (namespace, name) = (info.namespace.as_str(), info.name.as_str());
        let query = request.uri().query().unwrap_or_default().to_string();
        if connect == Connect::PodLog {
            let options = log_options::parse(&query)?;
            log_options::validate(&options, name)?;
            return match self.locator.pod_log(namespace, name, &options).await? {
                Some(target) => forward::log(&self.dialer, target, name).await,
                // A pod without a node has not said anything yet.
                None => Ok(respond::text(http::StatusCode::OK, "")),
            };
        }
        self.admit(connect, context, &query).await?;
        match connect {
            Connect::PodLog => unreachable_log(),
            Connect::PodExec | Connect::PodAttach => {
                self.require_create(context).await?;
                let options = stream_options::exec(&query)?;
                if connect == Connect::PodExec && options.command.is_empty() {
                    return Err(StatusError::bad_request(
                        "you must specify at least 1 command for the container",
                    ));
                }
                let verb = if connect == Connect::PodExec { "exec" } else { "attach" };
                let target = self.locator.pod_stream(namespace, name, verb, &options).await?;
                forward::upgraded(&self.dialer, target, request).await
            }
            Connect::PodPortForward => {
                self.require_create(context).await?;
                let ports = stream_options::ports(&query)?;
                let target = self.locator.pod_port_forward(namespace, name, &ports).await?;
                forward::upgraded(&self.dialer, target, request).await
            }
            Connect::PodProxy => {
                let target = self.locator.pod_proxy(namespace, name).await?;
                self.proxy(target, request, context).await
            }
            Connect::ServiceProxy => {
                let target = self.locator.service_proxy(namespace, name).await?;
                self.proxy(target, request, context).await
            }
            Connect::NodeProxy => {
                let target = self.locator.node_proxy(name).await?;
                self.proxy(target, request, context).await
            }
        }
    }

    async fn proxy(
        &self,
        mut target: location::Target,
        request: Request<Body>,
        context: &RequestContext,
    ) -> Result<Response<Body>, StatusError> {
        let info = &*context.info;
        let (prepend, rest) = split_proxy_path(&info.path, &info.name);
        target.path = if rest.is_empty() { "/".to_string() } else { rest };
        target.query = request.uri().query().unwrap_or_default().to_string();
        forward::proxied(&self.dialer, target, request, &prepend).await
    }

    /// A WebSocket begins with GET, which RBAC calls `get`; what it does is `create`.
    async fn require_create(&self, context: &RequestContext) -> Result<(), StatusError> {
        if context.info.verb != "get" {
            return Ok(());
        }
        let attributes =
            Attributes { verb: "create", ..authorization::attributes(&context.info, &context.user, &[]) };
        let decision = self.authorizer.authorize(&attributes).await;
        if decision.is_allowed() { Ok(()) } else { Err(respond::forbidden(&attributes, &decision.reason)) }
    }

    async fn admit(
        &self,
        connect: Connect,
        context: &RequestContext,
        query: &str,
    ) -> Result<(), StatusError> {
        if !self.admission.handles(Operation::Connect) {
            return Ok(());
        }
        let info = &*context.info;
        let kind = match connect {
            Connect::PodLog => "PodLogOptions",
            Connect::PodExec => "PodExecOptions",
            Connect::PodAttach => "PodAttachOptions",
            Connect::PodPortForward => "PodPortForwardOptions",
            Connect::PodProxy => "PodProxyOptions",
            Connect::ServiceProxy => "ServiceProxyOptions",
            Connect::NodeProxy => "NodeProxyOptions",
        };
        let mut attributes = AdmissionAttributes {
            operation: Operation::Connect,
            kind: GroupVersionKind::new("", "v1", kind),
            resource: GroupVersionResource::new("", "v1", info.resource.clone()),
            subresource: info.subresource.clone(),
            namespace: info.namespace.clone(),
            name: info.name.clone(),
            object: None,
            old_object: None,
            options: Options::Connect(asked(connect, kind, info, query)?),
            dry_run: false,
            user: context.user.clone(),
            now: context.received,
            notes: Arc::new(context.notes.clone()),
        };
        self.admission.admit(&mut attributes).await?;
        self.admission.validate(&attributes).await
    }
}

/// What a conversation asks for, as webhooks are shown it.
fn asked(
    connect: Connect,
    kind: &str,
    info: &crate::chain::request_info::RequestInfo,
    query: &str,
) -> Result<Value, StatusError> {
    let mut fields = serde_json::Map::new();
    fields.insert("kind".to_owned(), json!(kind));
    fields.insert("apiVersion".to_owned(), json!("v1"));
    match connect {
        Connect::PodLog => {}
        Connect::PodExec | Connect::PodAttach => {
            let options = stream_options::exec(query)?;
            let flags = [
                ("stdin", options.stdin),
                ("stdout", options.stdout),
                ("stderr", options.stderr),
                ("tty", options.tty),
            ];
            let set = flags.into_iter().filter(|(_, value)| *value);
            fields.extend(set.map(|(name, value)| (name.to_owned(), json!(value))));
            if !options.container.is_empty() {
                fields.insert("container".to_owned(), json!(options.container));
            }
            if !options.command.is_empty() {
                fields.insert("command".to_owned(), json!(options.command));
            }
        }
        Connect::PodPortForward => {
            let ports = stream_options::ports(query)?;
            if !ports.is_empty() {
                fields.insert("ports".to_owned(), json!(ports));
            }
        }
        Connect::PodProxy | Connect::ServiceProxy | Connect::NodeProxy => {
            let (_, path) = split_proxy_path(&info.path, &info.name);
            if !path.is_empty() {
                fields.insert("path".to_owned(), json!(path));
            }
        }
    }
    Ok(Value::Object(fields))
}

fn unreachable_log() -> Result<Response<Body>, StatusError> {
    Err(StatusError::internal_error("logs are answered before admission"))
}

/// Splits a request path behind `…/<name>/proxy`; for `/api/v1/proxy/…/<name>/…` behind the name.
fn split_proxy_path(path: &str, name: &str) -> (String, String) {
    let marker = format!("/{name}/proxy");
    let at = path.find(&marker).map(|at| at + marker.len()).or_else(|| {
        let marker = format!("/{name}");
        path.find(&marker).map(|at| at + marker.len())
    });
    let at = at.unwrap_or(path.len());
    (path[..at].to_string(), path[at..].to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, name: &str, prepend: &str, rest: &str) {
        assert_eq!(split_proxy_path(path, name), (prepend.to_string(), rest.to_string()));
    }

    #[test]
    fn proxy_paths() {
        let base = "/api/v1/namespaces/n/services/web:80/proxy";
        check(base, "web:80", base, "");
        check(&format!("{base}/"), "web:80", base, "/");
        check(&format!("{base}/a/b"), "web:80", base, "/a/b");
        check("/api/v1/proxy/nodes/n1/logs", "n1", "/api/v1/proxy/nodes/n1", "/logs");
    }
}
