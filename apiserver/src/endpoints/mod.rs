//! Generic REST over the table of resources: every verb of every resource is answered here.
//!
//! ```text
//! request ──► resource of the path ──► negotiate ──► decode, default ──► admission ──► store ──► encode ──► response
//! ```

mod admission;
mod continue_token;
mod create;
mod decode;
mod delete;
mod encode;
mod get;
mod list;
mod list_body;
mod managed_fields;
mod metrics;
mod negotiation;
mod patch;
mod posted;
mod query;
mod request;
mod resource;
mod response;
mod scale;
mod selection;
mod table;
mod update;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use apiserver_registry::{Entry, SubresourceKind, WriteHooks};
use apiserver_storage::Storage;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use machinery::GroupVersionResource;
use machinery::status::StatusError;
use parking_lot::RwLock;

pub use metrics::{ObjectCounts, WatchMetrics};
pub use query::{ListOptions, Query};
pub use request::{ApiRequest, ServerSide, Shared};
pub use resource::{DecodedBody, Describe, ServedCodec, ServedResource, resets_managers};

use crate::chain::body::Body;
use crate::chain::context::RequestContext;
use crate::chain::endpoint::Endpoint;
use crate::chain::request_info::RequestInfo;
use crate::chain::respond;
use crate::store::{BuiltinCodec, Rules, Store, StoreObjects, StoreOptions, Stores, UpdateRules};
use admission::method_not_allowed;

/// Larger bodies are refused; upstream's `MaxRequestBodyBytes`.
pub const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// How the stores of the built-in resources are made.
pub struct BuiltinOptions<'a> {
    /// The rows.
    pub entries: &'static [Entry],
    /// Root of all keys (`--etcd-prefix`), without a slash at the end.
    pub root: &'a str,
    /// The storage of a row: its server and its encryption.
    pub storage: &'a dyn Fn(&'static Entry) -> Arc<dyn Storage>,
    /// Work around the writes of a row.
    pub hooks: &'a dyn Fn(&'static Entry) -> Option<Arc<dyn WriteHooks>>,
    /// How long objects of a row live, when it is not what its rules say.
    pub time_to_live: &'a dyn Fn(&'static Entry) -> Option<Duration>,
    /// Documentation of fields.
    pub describe: Describe,
}

/// The resources being served, and the stores behind them.
pub struct Resources {
    served: RwLock<HashMap<GroupVersionResource, Arc<ServedResource>>>,
    /// By the prefix of their keys.
    stores: HashMap<&'static str, Arc<Store>>,
}

impl Resources {
    /// Starts the stores of the rows; versions of one resource share theirs.
    pub fn builtin(options: &BuiltinOptions<'_>) -> Arc<Resources> {
        let mut stores: HashMap<&'static str, Arc<Store>> = HashMap::new();
        // The stored version makes the store; other versions only look at it.
        let owners = options.entries.iter().filter(|entry| entry.conversion.is_none());
        for entry in owners {
            if let Some(store) = start_store(options, entry) {
                stores.insert(store.0, store.1);
            }
        }
        let mut served = HashMap::new();
        let mut versions: HashMap<&'static str, u32> = HashMap::new();
        for entry in options.entries {
            let prefix = entry.stored.map(|stored| stored.prefix);
            let store = prefix.and_then(|prefix| stores.get(prefix)).cloned();
            let index = match (prefix, &entry.conversion) {
                (Some(prefix), Some(_)) => {
                    let last = versions.entry(prefix).or_default();
                    *last += 1;
                    *last
                }
                _ => 0,
            };
            let resource = ServedResource::builtin(entry, store, index, options.describe);
            served.insert(resource.resource.clone(), Arc::new(resource));
        }
        Arc::new(Resources { served: RwLock::new(served), stores })
    }

    /// The resource a request is about.
    pub fn find(&self, info: &RequestInfo) -> Option<Arc<ServedResource>> {
        let wanted = GroupVersionResource::new(
            info.api_group.clone(),
            info.api_version.clone(),
            info.resource.clone(),
        );
        self.served.read().get(&wanted).cloned()
    }

    /// Serves one more resource, or another definition of one.
    pub fn insert(&self, resource: ServedResource) {
        self.served.write().insert(resource.resource.clone(), Arc::new(resource));
    }

    /// Stops serving a resource.
    pub fn remove(&self, resource: &GroupVersionResource) {
        self.served.write().remove(resource);
    }

    /// All resources being served, in no order.
    pub fn all(&self) -> Vec<Arc<ServedResource>> {
        self.served.read().values().cloned().collect()
    }

    /// True once every store has its first complete state.
    pub fn are_ready(&self) -> bool {
        self.stores.values().all(|store| store.cacher().is_ready())
    }
}

fn start_store(options: &BuiltinOptions<'_>, entry: &'static Entry) -> Option<(&'static str, Arc<Store>)> {
    let stored = entry.stored?;
    let store = Store::start(StoreOptions {
        resource: entry.group_resource(),
        kind: entry.group_kind(),
        namespaced: entry.facts.namespaced,
        prefix: format!("{}/{}/", options.root, stored.prefix),
        storage: (options.storage)(entry),
        codec: Arc::new(BuiltinCodec::new(entry)?),
        rules: Rules::Builtin(entry.strategy),
        hooks: (options.hooks)(entry),
        time_to_live: (options.time_to_live)(entry),
    });
    Some((stored.prefix, store))
}

impl Stores for Resources {
    fn store_of(&self, entry: &'static Entry) -> Option<Arc<Store>> {
        self.stores.get(entry.stored?.prefix).cloned()
    }
}

/// The endpoint of all resources.
pub struct Api {
    resources: Arc<Resources>,
    shared: Arc<Shared>,
}

impl Api {
    /// Puts the parts together.
    pub fn new(resources: Arc<Resources>, shared: Shared) -> Api {
        Api { resources, shared: Arc::new(shared) }
    }

    /// The resources being served.
    pub fn resources(&self) -> &Arc<Resources> {
        &self.resources
    }

    /// Answers a request about a resource.
    pub async fn answer(
        &self,
        resource: Arc<ServedResource>,
        request: Request<Body>,
        context: RequestContext,
    ) -> Response<Body> {
        let headers = request.headers().clone();
        match self.dispatch(resource, request, context).await {
            Ok(response) => response,
            Err(error) => respond::error(&headers, &error),
        }
    }

    async fn dispatch(
        &self,
        resource: Arc<ServedResource>,
        request: Request<Body>,
        context: RequestContext,
    ) -> Result<Response<Body>, StatusError> {
        let info = context.info.clone();
        if !info.namespace.is_empty() && !resource.namespaced && !is_namespace(&resource) {
            return Err(StatusError::not_found(&resource.group_resource(), &info.name));
        }
        if resource.namespaced
            && info.namespace.is_empty()
            && !info.name.is_empty()
            && info.verb != "list"
            && info.verb != "watch"
        {
            return Err(method_not_allowed());
        }
        let subresource = match info.subresource.as_str() {
            "" => None,
            name => Some(
                *resource
                    .subresource(name)
                    .ok_or_else(|| StatusError::not_found(&resource.group_resource(), &info.name))?,
            ),
        };
        if let Some(SubresourceKind::Connect(connect)) = subresource.map(|subresource| subresource.kind) {
            return Ok(self.shared.server_side.connect(connect, request, &context).await);
        }
        if let Some(text) = resource.custom.as_ref().and_then(|version| version.deprecation.as_ref()) {
            context.notes.warn(text.clone());
        }
        let (parts, body) = request.into_parts();
        let request = ApiRequest {
            shared: self.shared.clone(),
            resource,
            headers: parts.headers,
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            body: if has_body(&info.verb) { read_body(body).await? } else { Bytes::new() },
            context,
        };
        match subresource.map(|subresource| subresource.kind) {
            None => self.main(&request, &info.verb).await,
            Some(SubresourceKind::View(view)) => match info.verb.as_str() {
                "get" => get::get(&request).await,
                "update" => update::update(&request, UpdateRules::View(view)).await,
                "patch" => patch::patch(&request, UpdateRules::View(view)).await,
                _ => Err(method_not_allowed()),
            },
            Some(SubresourceKind::Scale(scaling)) => match info.verb.as_str() {
                "get" => scale::get(&request, scaling).await,
                "update" => scale::update(&request, scaling).await,
                "patch" => scale::patch(&request, scaling).await,
                _ => Err(method_not_allowed()),
            },
            Some(SubresourceKind::Action(action)) if info.verb == "create" => {
                posted::act(&request, action, &self.objects(&request)).await
            }
            Some(SubresourceKind::Token) if info.verb == "create" => posted::answer(&request).await,
            Some(_) => Err(method_not_allowed()),
        }
    }

    fn objects(&self, request: &ApiRequest) -> StoreObjects {
        StoreObjects::new(self.resources.clone(), request.notes())
    }

    async fn main(&self, request: &ApiRequest, verb: &str) -> Result<Response<Body>, StatusError> {
        let resource = &request.resource;
        if !resource.verbs.iter().any(|known| known == verb) {
            return Err(method_not_allowed());
        }
        match verb {
            "get" => get::get(request).await,
            "list" | "watch" => {
                let options = ListOptions::read(&request.query, verb == "watch")?;
                if options.watch {
                    watch::watch(request, &options).await
                } else {
                    list::list(request, &options).await
                }
            }
            "create" => match resource.entry.and_then(|entry| entry.action) {
                Some(action) => posted::act(request, action, &self.objects(request)).await,
                None if resource.store.is_none() => posted::answer(request).await,
                None if request.name().is_empty() => create::create(request).await,
                None => Err(method_not_allowed()),
            },
            "update" => update::update(request, UpdateRules::Main).await,
            "patch" => patch::patch(request, UpdateRules::Main).await,
            "delete" => delete::delete(request).await,
            "deletecollection" => delete::delete_collection(request).await,
            _ => Err(method_not_allowed()),
        }
    }
}

/// A namespace's own name stands where the namespace of other objects does.
fn is_namespace(resource: &ServedResource) -> bool {
    resource.resource.group.is_empty() && resource.resource.resource == "namespaces"
}

fn has_body(verb: &str) -> bool {
    matches!(verb, "create" | "update" | "patch" | "delete" | "deletecollection")
}

async fn read_body(mut body: Body) -> Result<Bytes, StatusError> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| StatusError::bad_request(format!("unable to read the body: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > BODY_LIMIT {
            return Err(StatusError::request_entity_too_large(&format!("limit is {BODY_LIMIT}")));
        }
        whole.extend_from_slice(&data);
    }
    Ok(Bytes::from(whole))
}

#[async_trait]
impl Endpoint for Api {
    async fn serve(&self, request: Request<Body>, context: RequestContext) -> Response<Body> {
        match self.resources.find(&context.info) {
            Some(resource) => self.answer(resource, request, context).await,
            None => respond::text(http::StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }
}
