//! The stations a request passes before an endpoint answers it.
//!
//! ```text
//! request_info → deadline → authentication → audit → impersonation → flow_control → authorization → endpoint
//! ```
//!
//! Each station is a tracing span at debug level, under the name that ARCHITECTURE.md gives it.
//!
//! A request that changes something runs in a task of its own: the work goes on when the client has
//! gone or its time is over, so that what was reserved for it is always kept or given back.

pub mod audit;
pub mod authentication;
pub mod authorization;
pub mod body;
pub mod context;
pub mod deadline;
pub mod endpoint;
pub mod flow_control;
pub mod impersonation;
pub mod metrics;
pub mod request_info;
pub mod respond;
pub mod serve;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use apiserver_auth::UserInfo;
use apiserver_auth::authz::Authorizer;
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WARNING};
use http::{HeaderValue, Request, Response, StatusCode};
use machinery::status::StatusError;
use rustls_pki_types::CertificateDer;
use tracing::Instrument as _;

use body::{Body, BodyError};
use context::{Notes, RequestContext};
use metrics::Labels;
use request_info::RequestInfo;

const AUDIT_ID: &str = "audit-id";
/// A longer id of a client's is replaced by one of ours.
const AUDIT_ID_LENGTH: usize = 64;
const PANIC_TEXT: &str = "This request caused apiserver to panic. Look in the logs for details.\n";

/// What is known about a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Remote address.
    pub address: std::net::SocketAddr,
    /// Chain the client presented, leaf first; possession of the leaf's key is proven.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// All stations and the endpoint behind them.
pub struct Chain {
    /// Who.
    pub authentication: authentication::Authentication,
    /// May they.
    pub authorizer: Arc<dyn Authorizer>,
    /// How many at one time.
    pub flow_control: flow_control::FlowControl,
    /// What is written down; `None` without an audit policy.
    pub audit: Option<Arc<audit::Audit>>,
    /// Counters.
    pub metrics: Arc<metrics::RequestMetrics>,
    /// The longest a request may take.
    pub request_timeout: Duration,
    /// `Strict-Transport-Security` header, if any.
    pub hsts: Option<HeaderValue>,
    /// Who answers.
    pub endpoint: Arc<dyn endpoint::Endpoint>,
}

impl Chain {
    /// Answers a request.
    pub async fn serve(self: Arc<Self>, request: Request<Body>, peer: Arc<Peer>) -> Response<Body> {
        let started = Instant::now();
        let audit_id = audit_id(&request);
        let mut response = match AssertUnwindSafe(self.clone().walk(request, peer, started, audit_id.clone()))
            .catch_unwind()
            .await
        {
            Ok(response) => response,
            Err(_) => {
                // The panic hook has logged where and why.
                tracing::error!(audit_id = &*audit_id, "apiserver panic'd");
                respond::text(StatusCode::INTERNAL_SERVER_ERROR, PANIC_TEXT)
            }
        };
        let headers = response.headers_mut();
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
        if let Ok(id) = HeaderValue::from_str(&audit_id) {
            headers.insert(AUDIT_ID, id);
        }
        if let Some(hsts) = &self.hsts {
            headers.insert("strict-transport-security", hsts.clone());
        }
        response
    }

    async fn walk(
        self: Arc<Self>,
        request: Request<Body>,
        peer: Arc<Peer>,
        started: Instant,
        audit_id: Arc<str>,
    ) -> Response<Body> {
        let received = jiff::Timestamp::now();
        let query = request.uri().query().unwrap_or_default();
        let parsed = tracing::debug_span!("request_info")
            .in_scope(|| RequestInfo::parse(request.method(), request.uri().path(), query));
        let info = match parsed {
            Ok(info) => Arc::new(info),
            Err(error) => {
                let text = format!("Internal Server Error: {:?}: {error}\n", request.uri().to_string());
                return respond::text(StatusCode::INTERNAL_SERVER_ERROR, text);
            }
        };
        let labels = Labels::of(&info, query, request.headers().get(CONTENT_TYPE));
        let deadline = deadline::of(&info, query, started, self.request_timeout);
        let notes = Notes::default();
        let (mut parts, body) = request.into_parts();
        let log = RequestLog::new(&parts, &info);

        let mut response = match deadline {
            Err(error) => respond::error(&parts.headers, &error),
            Ok(deadline) => {
                let now = received;
                let certificates = &peer.certificates;
                let identified = self
                    .authentication
                    .identify(&mut parts.headers, certificates, &info.path, now, &notes)
                    .instrument(tracing::debug_span!("authn"))
                    .await;
                let user = identified.as_ref().ok();
                self.metrics.authenticated(user.map(|user| user.username.as_str()));
                let request = Request::from_parts(parts, body);
                let context = RequestContext {
                    info: info.clone(),
                    user: Arc::new(user.cloned().unwrap_or_default()),
                    received,
                    deadline,
                    audit_id,
                    source: peer.address.ip(),
                    notes: notes.clone(),
                };
                match identified {
                    Err(error) => self.refuse_unauthenticated(request, &context, &error),
                    Ok(_) => self.clone().run_within_deadline(request, context, &labels).await,
                }
            }
        };

        for warning in notes.warning_headers() {
            response.headers_mut().append(WARNING, warning);
        }
        let code = response.status().as_u16();
        let size = http_body::Body::size_hint(response.body()).exact();
        let elapsed = started.elapsed();
        let long_running = info.is_long_running();
        self.metrics.answered(&labels, code, elapsed.as_secs_f64(), size, long_running);
        log.write(code, elapsed);
        if long_running {
            let gauge = self.metrics.long_running(&labels);
            gauge.inc();
            response = attend(response, move || gauge.dec());
        }
        response
    }

    fn refuse_unauthenticated(
        &self,
        request: Request<Body>,
        context: &RequestContext,
        error: &StatusError,
    ) -> Response<Body> {
        let response = respond::error(request.headers(), error);
        if let Some(audit) = &self.audit {
            audit.failed_authentication(&request, context);
        }
        response
    }

    /// Runs the stations behind authentication, in a task of their own when the request may change
    /// something, and answers 504 when they take too long.
    async fn run_within_deadline(
        self: Arc<Self>,
        request: Request<Body>,
        context: RequestContext,
        labels: &Labels,
    ) -> Response<Body> {
        let headers = respond::negotiation_headers(request.headers());
        let deadline = context.deadline;
        let audit_id = context.audit_id.clone();
        let detached = !context.info.is_read_only() && deadline.is_some();
        let chain = self.clone();
        let labels_for_work = labels.clone();
        let work = async move { chain.audited(request, context, &labels_for_work).await };
        let work: Pin<Box<dyn Future<Output = Response<Body>> + Send>> = if detached {
            let task = tokio::spawn(work);
            Box::pin(async move {
                task.await.unwrap_or_else(|_| {
                    tracing::error!(audit_id = &*audit_id, "apiserver panic'd");
                    respond::text(StatusCode::INTERNAL_SERVER_ERROR, PANIC_TEXT)
                })
            })
        } else {
            Box::pin(work)
        };
        let Some(deadline) = deadline else { return work.await };
        match tokio::time::timeout_at(deadline.into(), work).await {
            Ok(response) => response,
            Err(_) => {
                self.metrics.terminated(labels, 504);
                self.metrics.aborted(labels);
                respond::error(&headers, &deadline::exceeded())
            }
        }
    }

    async fn audited(
        &self,
        request: Request<Body>,
        context: RequestContext,
        labels: &Labels,
    ) -> Response<Body> {
        match &self.audit {
            None => self.admitted(request, context, None, labels).await,
            Some(audit) => {
                let begun = audit.begin(request, &context).instrument(tracing::debug_span!("audit"));
                let (request, mut record) = match begun.await {
                    Ok(begun) => begun,
                    Err(response) => return response,
                };
                let response = self.admitted(request, context.clone(), record.as_mut(), labels).await;
                match record {
                    Some(record) => record.finish(response, &context).await,
                    None => response,
                }
            }
        }
    }

    async fn admitted(
        &self,
        mut request: Request<Body>,
        mut context: RequestContext,
        record: Option<&mut audit::Record>,
        labels: &Labels,
    ) -> Response<Body> {
        let authorizer = &*self.authorizer;
        let impersonated = impersonation::apply(authorizer, &context.user, request.headers_mut())
            .instrument(tracing::debug_span!("impersonation"))
            .await;
        match impersonated {
            Err(error) => return respond::error(request.headers(), &error),
            Ok(None) => {}
            Ok(Some(user)) => {
                let user: Arc<UserInfo> = Arc::new(user);
                if let Some(record) = record {
                    record.impersonated(&user);
                }
                context.user = user;
            }
        }
        let entered = self
            .flow_control
            .enter(&context.info, &context.user, context.deadline)
            .instrument(tracing::debug_span!("flow_control"));
        let seat = match entered.await {
            Ok(seat) => seat,
            Err(error) => {
                self.metrics.terminated(labels, error.code());
                return respond::error(request.headers(), &error);
            }
        };
        let authorized = authorization::check(authorizer, &context.info, &context.user, &context.notes)
            .instrument(tracing::debug_span!("authz"));
        if let Err(error) = authorized.await {
            return respond::error(request.headers(), &error);
        }
        let mut response = self.endpoint.serve(request, context).await;
        match seat {
            // The place is taken until the body is sent: a list of many megabytes is work, too.
            Some(seat) => {
                seat.describe(response.headers_mut());
                attend(response, move || drop(seat))
            }
            None => response,
        }
    }
}

fn audit_id(request: &Request<Body>) -> Arc<str> {
    let given = request.headers().get(AUDIT_ID).and_then(|value| value.to_str().ok());
    match given.filter(|id| !id.is_empty() && id.len() <= AUDIT_ID_LENGTH) {
        Some(id) => id.into(),
        None => uuid::Uuid::new_v4().to_string().into(),
    }
}

/// Calls `done` when the body of `response` is sent or given up.
pub fn attend(response: Response<Body>, done: impl FnOnce() + Send + 'static) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let attended = Attended { body, done: Some(Box::new(done)) };
    Response::from_parts(parts, body::boxed(attended))
}

/// A body that tells when it is over.
struct Attended {
    body: Body,
    done: Option<Box<dyn FnOnce() + Send>>,
}

impl Drop for Attended {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done();
        }
    }
}

impl http_body::Body for Attended {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// The line written for each request at debug level, and at info level when it was slow.
struct RequestLog {
    method: http::Method,
    uri: http::Uri,
    agent: Option<HeaderValue>,
    long_running: bool,
}

/// Longer than this is worth a line without being asked.
const SLOW: Duration = Duration::from_secs(5);

impl RequestLog {
    fn new(parts: &http::request::Parts, info: &RequestInfo) -> Self {
        RequestLog {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            agent: parts.headers.get(http::header::USER_AGENT).cloned(),
            long_running: info.is_long_running(),
        }
    }

    fn write(&self, code: u16, elapsed: Duration) {
        let agent = self.agent.as_ref().and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let milliseconds = elapsed.as_secs_f64() * 1000.0;
        let (method, uri) = (&self.method, &self.uri);
        if !self.long_running && elapsed > SLOW {
            tracing::info!(%method, %uri, code, milliseconds, agent, "slow request");
        } else {
            tracing::debug!(%method, %uri, code, milliseconds, agent, "request");
        }
    }
}
