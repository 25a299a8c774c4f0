//! An API in one process: the whole table over the memory storage, without admission, as one user.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apiserver_auth::UserInfo;
use apiserver_auth::authz::{Attributes, Authorizer, Decision, ResolvedRules};
use apiserver_registry::{Connect, Pending};
use apiserver_storage::memory::MemoryStorage;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use machinery::object::Object;
use machinery::status::StatusError;
use serde_json::{Value, json};

use crate::chain::body::{Body, full};
use crate::chain::context::{Notes, RequestContext};
use crate::chain::endpoint::Endpoint;
use crate::chain::request_info::RequestInfo;
use crate::endpoints::{Api, BuiltinOptions, Resources, ServerSide, Shared, WatchMetrics};

/// Everything needed to send requests.
pub struct World {
    pub api: Api,
    pub storage: MemoryStorage,
}

/// What came back.
pub struct Answer {
    pub code: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
    pub warnings: Vec<String>,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("not JSON: {}", self.bytes.escape_ascii()))
    }

    /// The JSON body of a response with this code.
    #[track_caller]
    pub fn expect(self, code: u16) -> Value {
        assert_eq!(self.code.as_u16(), code, "{}", self.bytes.escape_ascii());
        self.json()
    }

    /// Code and message of a failure.
    #[track_caller]
    pub fn failure(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(body["kind"], "Status", "{body}");
        (self.code.as_u16(), body["message"].as_str().unwrap_or_default().to_owned())
    }
}

struct Anyone;

#[async_trait]
impl Authorizer for Anyone {
    async fn authorize(&self, _attributes: &Attributes<'_>) -> Decision {
        Decision::allow("")
    }

    async fn rules_for(&self, _user: &UserInfo, _namespace: &str) -> ResolvedRules {
        ResolvedRules::default()
    }
}

struct NoServerSide;

impl ServerSide for NoServerSide {
    fn connect<'a>(
        &'a self,
        connect: Connect,
        _request: Request<Body>,
        _context: &'a RequestContext,
    ) -> Pending<'a, Response<Body>> {
        Box::pin(async move { Response::new(full(format!("{connect:?}"))) })
    }

    fn prepare<'a>(
        &'a self,
        _context: &'a RequestContext,
        _at: (&'a str, &'a str, &'a str),
        _name: &'a str,
        _object: &'a mut Box<dyn Object>,
    ) -> Pending<'a, Result<(), StatusError>> {
        Box::pin(async { Ok(()) })
    }

    fn answer<'a>(
        &'a self,
        _context: &'a RequestContext,
        _at: (&'a str, &'a str, &'a str),
        _name: &'a str,
        object: Box<dyn Object>,
    ) -> Pending<'a, Result<Box<dyn Object>, StatusError>> {
        Box::pin(async { Ok(object) })
    }
}

impl World {
    /// An empty world.
    pub fn new() -> World {
        World::over(MemoryStorage::new())
    }

    /// Another server over the same store.
    pub fn over(storage: MemoryStorage) -> World {
        let resources = Resources::builtin(&BuiltinOptions {
            entries: apiserver_registry::all(),
            root: "/registry",
            storage: &|_| Arc::new(storage.clone()),
            hooks: &|_| None,
            time_to_live: &|_| None,
            describe: |_, _| None,
        });
        let shared = Shared {
            admission: apiserver_admission::Chain::default(),
            authorizer: Arc::new(Anyone),
            shutdown: component_base::shutdown::Shutdown::new(),
            min_request_timeout: Duration::from_secs(1800),
            watch_metrics: WatchMetrics::new(&component_base::metrics::Metrics::new()),
            server_side: Arc::new(NoServerSide),
        };
        World { api: Api::new(resources, shared), storage }
    }

    /// Sends a request and returns the response with its body unread.
    pub async fn open(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> (Response<Body>, Notes) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Request::builder().method(method).uri(target).body(full(body)).unwrap();
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let info = RequestInfo::parse(request.method(), path, query).unwrap();
        let notes = Notes::default();
        let context = RequestContext {
            info: Arc::new(info),
            user: Arc::new(UserInfo::new("tester", ["testers"])),
            received: jiff::Timestamp::now(),
            deadline: Some(Instant::now() + Duration::from_secs(60)),
            audit_id: "test".into(),
            source: std::net::Ipv4Addr::LOCALHOST.into(),
            notes: notes.clone(),
        };
        (self.api.serve(request, context).await, notes)
    }

    /// Sends a request and reads the whole response.
    pub async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let (response, notes) = self.open(method, target, headers, body.into()).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let warnings = notes.warning_headers();
        let warnings =
            warnings.iter().map(|header| String::from_utf8_lossy(header.as_bytes()).into_owned()).collect();
        Answer { code: parts.status, headers: parts.headers, bytes, warnings }
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], "").await
    }

    pub async fn post(&self, target: &str, body: &Value) -> Answer {
        self.send("POST", target, &[], body.to_string()).await
    }

    pub async fn put(&self, target: &str, body: &Value) -> Answer {
        self.send("PUT", target, &[], body.to_string()).await
    }

    pub async fn merge(&self, target: &str, patch: &Value) -> Answer {
        self.patch(target, "application/merge-patch+json", patch).await
    }

    pub async fn patch(&self, target: &str, media_type: &str, patch: &Value) -> Answer {
        self.send("PATCH", target, &[("content-type", media_type)], patch.to_string()).await
    }

    pub async fn delete(&self, target: &str) -> Answer {
        self.send("DELETE", target, &[], "").await
    }

    /// The keys in the store, with the values' lengths.
    pub async fn keys(&self) -> Vec<String> {
        use apiserver_storage::{ListQuery, Storage};
        let query = ListQuery { prefix: "/registry/", ..ListQuery::default() };
        self.storage.list(query).await.unwrap().items.into_iter().map(|item| item.key).collect()
    }
}

/// A config map.
pub fn config_map(name: &str, key: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {key: value}})
}

/// The path of config maps of namespace `default`.
pub const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
