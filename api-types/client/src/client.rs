//! The client: one server, one identity, any number of requests at once.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use machinery::meta::v1::{PartialObjectMetadata, Status};
use machinery::status::{ServerResponse, StatusError};
use machinery::{GroupResource, Message as _, Resource};

use crate::api::Api;
use crate::config::Config;
use crate::credentials::{Authentication, TokenProvider};
use crate::dynamic::{DynamicApi, DynamicResource};
use crate::error::Error;
use crate::observer::{Answered, RequestObserver};
use crate::rate_limit::RateLimit;
use crate::transport::{Connection, Transport};
use crate::warning::{self, WarningHandler};

/// Media type of Kubernetes protobuf.
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// Media type of JSON.
pub const JSON: &str = "application/json";

/// How often a request is sent again when the server says "later", as client-go.
const MAX_RETRIES: u32 = 10;
/// Longest `Retry-After` that is obeyed; beyond it the caller is told.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
/// An error body is read up to here.
const MAX_ERROR_BODY: usize = 1 << 20;

struct Shared {
    config: Config,
    transport: Arc<Transport>,
    authentication: Authentication,
    rate_limit: Option<RateLimit>,
    user_agent: HeaderValue,
    warnings: OnceLock<Arc<dyn WarningHandler>>,
}

/// A client of one API server; clones share connections, credentials and rate limit.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("server", &self.shared.config.server).finish_non_exhaustive()
    }
}

impl Client {
    /// Checks the configuration and reads its files; connects on first use.
    pub fn new(config: Config) -> Result<Client, Error> {
        let transport = Arc::new(Transport::new(config.clone())?);
        let authentication = Authentication::new(&config)?;
        Client::assemble(config, transport, authentication)
    }

    /// A client that shares this one's connections but takes its tokens from `provider`. Only sensible
    /// when this client presents no client certificate, which the server would prefer.
    pub fn with_token_provider(
        &self,
        provider: Arc<dyn TokenProvider>,
        user_agent: &str,
    ) -> Result<Client, Error> {
        let config = self.shared.config.clone().with_user_agent(user_agent);
        Client::assemble(config, Arc::clone(&self.shared.transport), Authentication::from_provider(provider))
    }

    /// Tells `observer` of every request of this client, and of those that share its connections. The first
    /// observer stays.
    pub fn observe(&self, observer: Arc<dyn RequestObserver>) {
        if self.shared.transport.observer.set(observer).is_err() {
            tracing::debug!("this client has an observer already");
        }
    }

    /// Tells `handler` of the warnings of the server, which otherwise go to the log. The first handler stays.
    pub fn on_warning(&self, handler: Arc<dyn WarningHandler>) {
        if self.shared.warnings.set(handler).is_err() {
            tracing::debug!("this client has a handler of warnings already");
        }
    }

    /// For those who ask again until an answer comes: tells users once, whoever asks, that the server is away;
    /// the next answer tells that it is back.
    pub fn note_unanswered(&self, error: &Error) {
        let cause: &(dyn std::error::Error + 'static) = match error {
            // Without the path, which differs from one who asks to the next.
            Error::Transport { source, .. } => source.as_ref(),
            other => other,
        };
        let chain = std::iter::successors(Some(cause), |error| error.source());
        let text: Vec<String> = chain.map(ToString::to_string).collect();
        self.shared.transport.unreachable(&format!("{}: {}", self.shared.config.server, text.join(": ")));
    }

    fn assemble(
        config: Config,
        transport: Arc<Transport>,
        authentication: Authentication,
    ) -> Result<Client, Error> {
        let user_agent = HeaderValue::try_from(config.user_agent.as_str())
            .map_err(|_| Error::Config(format!("user agent {:?} cannot be sent", config.user_agent)))?;
        let rate_limit = config.rate_limit.map(|(rate, burst)| RateLimit::new(rate, burst));
        let warnings = OnceLock::new();
        Ok(Client {
            shared: Arc::new(Shared { config, transport, authentication, rate_limit, user_agent, warnings }),
        })
    }

    /// The configuration this client was made with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Namespace of requests that name none.
    pub fn default_namespace(&self) -> &str {
        &self.shared.config.default_namespace
    }

    /// All objects of a kind, in every namespace.
    pub fn all<T: Resource>(&self) -> Api<T> {
        Api::of_kind(self.clone(), None)
    }

    /// The objects of a kind in one namespace.
    pub fn namespaced<T: Resource>(&self, namespace: &str) -> Api<T> {
        Api::of_kind(self.clone(), Some(namespace))
    }

    /// Metadata alone of the objects of any resource, custom ones included.
    pub fn metadata(
        &self,
        resource: &DynamicResource,
        namespace: Option<&str>,
    ) -> Api<PartialObjectMetadata> {
        Api::metadata_of(self.clone(), resource, namespace)
    }

    /// The objects of any resource as JSON.
    pub fn dynamic(&self, resource: &DynamicResource, namespace: Option<&str>) -> DynamicApi {
        DynamicApi::new(self.clone(), resource.clone(), namespace)
    }

    /// Sends a request and returns whatever the server answers. The URI may be a path, which then is
    /// relative to the server. Authentication, retries and the rate limit apply.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>, Error> {
        let (mut head, body) = request.into_parts();
        head.uri = self.absolute(&head.uri)?;
        head.version = http::Version::HTTP_11;
        head.headers.entry(USER_AGENT).or_insert_with(|| self.shared.user_agent.clone());
        let mut attempt = Attempts::default();
        let observer = self.shared.transport.observer.get();
        let host = head.uri.authority().map(|authority| authority.to_string()).unwrap_or_default();
        loop {
            if let Some(limit) = &self.shared.rate_limit {
                let begun = Instant::now();
                limit.wait().await;
                if let Some(observer) = observer {
                    observer.limited(&head.method, &host, begun.elapsed());
                }
            }
            let mut headers = head.headers.clone();
            let rejected = attempt.unauthorized;
            let identity =
                self.shared.authentication.apply(&self.shared.config, &mut headers, rejected).await?;
            let pool = self.shared.transport.pool(identity)?;
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = head.method.clone();
            *request.uri_mut() = head.uri.clone();
            *request.headers_mut() = headers;
            let outcome = pool.request(request).await;
            let code = outcome.as_ref().ok().map(Response::status);
            if let Some(observer) = observer {
                observer.attempted(&head.method, &host, code);
            }
            let again = || {
                if let Some(observer) = observer {
                    observer.retried(&head.method, &host, code);
                }
            };
            if code.is_some() {
                self.shared.transport.reached();
            }
            match outcome {
                Ok(response) => match attempt.after_answer(&response, self.shared.authentication.can_renew())
                {
                    Some(delay) => {
                        tracing::debug!(status = %response.status(), ?delay, uri = %head.uri, "sending the request again");
                        again();
                        tokio::time::sleep(delay).await;
                    }
                    None => {
                        self.hear_warnings(response.headers());
                        return Ok(response);
                    }
                },
                Err(error) => {
                    let connecting = error.is_connect();
                    match attempt.after_failure(&head.method, connecting, self.shared.config.connect_attempts)
                    {
                        Some(delay) => {
                            again();
                            tokio::time::sleep(delay).await;
                        }
                        None => {
                            return Err(Error::Transport {
                                method: head.method,
                                url: head.uri.to_string(),
                                source: error.into(),
                                connecting,
                            });
                        }
                    }
                }
            }
        }
    }

    fn hear_warnings(&self, headers: &HeaderMap) {
        match self.shared.warnings.get() {
            Some(handler) => warning::hand_over(headers, handler.as_ref()),
            None => warning::hand_over(headers, &warning::Logged),
        }
    }

    /// Like [`Client::send`], but an answer that is no success becomes [`Error::Status`].
    pub async fn request(&self, request: Request<Bytes>) -> Result<Response<Incoming>, Error> {
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let response = self.send(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = http_body_util::Limited::new(body, MAX_ERROR_BODY).collect().await;
        // A body that breaks off still leaves the code to report.
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Err(Error::Status(to_status(&method, &path, head.status, &head.headers, &body)))
    }

    /// Like [`Client::request`], with the whole body read; [`Config::timeout`] covers both.
    pub async fn request_bytes(
        &self,
        request: Request<Bytes>,
    ) -> Result<(http::response::Parts, Bytes), Error> {
        let (method, url) = (request.method().clone(), request.uri().to_string());
        let (begun, request_bytes) = (Instant::now(), request.body().len());
        let host = request.uri().authority().or(self.shared.config.server.authority());
        let host = host.map(|authority| authority.to_string()).unwrap_or_default();
        let whole = async {
            let (head, body) = self.request(request).await?.into_parts();
            let body = body.collect().await.map_err(|error| Error::Transport {
                method: method.clone(),
                url: url.clone(),
                source: error.into(),
                connecting: false,
            })?;
            Ok((head, body.to_bytes()))
        };
        let outcome: Result<(http::response::Parts, Bytes), Error> = match self.shared.config.timeout {
            None => whole.await,
            Some(timeout) => tokio::time::timeout(timeout, whole).await.unwrap_or_else(|_| {
                Err(Error::Timeout { method: method.clone(), url: url.clone(), timeout })
            }),
        };
        if let Some(observer) = self.shared.transport.observer.get() {
            let response_bytes = outcome.as_ref().ok().map(|(_, body)| body.len());
            observer.answered(
                &method,
                &host,
                Answered { after: begun.elapsed(), request_bytes, response_bytes },
            );
        }
        outcome
    }

    /// GET of a path, as text.
    pub async fn get_text(&self, path: &str) -> Result<String, Error> {
        let request =
            Request::get(path).body(Bytes::new()).map_err(|error| Error::Request(error.to_string()))?;
        let (_, body) = self.request_bytes(request).await?;
        String::from_utf8(body.to_vec()).map_err(|error| Error::decode("text", error))
    }

    /// GET of a path, as JSON.
    pub async fn get_json(&self, path: &str) -> Result<serde_json::Value, Error> {
        let request = Request::get(path)
            .header(http::header::ACCEPT, JSON)
            .body(Bytes::new())
            .map_err(|error| Error::Request(error.to_string()))?;
        let (_, body) = self.request_bytes(request).await?;
        serde_json::from_slice(&body).map_err(|error| Error::decode("JSON", error))
    }

    /// A connection of its own and the headers of an authenticated request, for upgrades.
    pub(crate) async fn dedicated(&self, headers: &mut HeaderMap) -> Result<Box<dyn Connection>, Error> {
        headers.entry(USER_AGENT).or_insert_with(|| self.shared.user_agent.clone());
        let identity = self.shared.authentication.apply(&self.shared.config, headers, false).await?;
        self.shared.transport.connect(identity).await
    }

    /// `path` (with query) at the configured server.
    pub(crate) fn absolute(&self, uri: &Uri) -> Result<Uri, Error> {
        if uri.authority().is_some() {
            return Ok(uri.clone());
        }
        let server = &self.shared.config.server;
        let prefix = server.path().trim_end_matches('/');
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut parts = server.clone().into_parts();
        parts.path_and_query = Some(
            format!("{prefix}{path}")
                .parse()
                .map_err(|error| Error::Request(format!("path {path:?}: {error}")))?,
        );
        Uri::from_parts(parts).map_err(|error| Error::Request(error.to_string()))
    }
}

/// Decides whether and when a request is sent again.
#[derive(Default)]
struct Attempts {
    retries: u32,
    connects: u32,
    broken: bool,
    unauthorized: bool,
}

impl Attempts {
    /// After an answer: a pause when the server asked for one, or once at once with new credentials.
    fn after_answer<B>(&mut self, response: &Response<B>, can_renew: bool) -> Option<Duration> {
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED && can_renew && !self.unauthorized {
            self.unauthorized = true;
            return Some(Duration::ZERO);
        }
        let may_retry = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        let delay = Duration::from_secs(seconds);
        if !may_retry || self.retries >= MAX_RETRIES || delay > MAX_RETRY_AFTER {
            return None;
        }
        self.retries += 1;
        Some(delay)
    }

    /// After a failure without an answer. A request that reached nobody may be sent again; one that was
    /// cut off only when it changes nothing.
    fn after_failure(
        &mut self,
        method: &Method,
        connecting: bool,
        connect_attempts: u32,
    ) -> Option<Duration> {
        if connecting {
            self.connects += 1;
            let pause = Duration::from_millis(100) * 2_u32.saturating_pow(self.connects.min(6));
            return (self.connects < connect_attempts).then_some(pause);
        }
        if matches!(*method, Method::GET | Method::HEAD) && !self.broken {
            self.broken = true;
            return Some(Duration::ZERO);
        }
        None
    }
}

/// The failure an answer means: the server's own `Status`, or one made from its code.
pub(crate) fn to_status(
    method: &Method,
    path: &str,
    code: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> StatusError {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let status = if content_type.starts_with(PROTOBUF) {
        machinery::codec::protobuf::unwrap(body)
            .ok()
            .filter(|envelope| envelope.kind == "Status")
            .and_then(|envelope| Status::decode(envelope.raw).ok())
    } else {
        serde_json::from_slice::<serde_json::Value>(body)
            .ok()
            .filter(|value| value["kind"] == "Status")
            .and_then(|value| Status::from_value(&value).ok())
    };
    if let Some(status) = status.filter(|status| status.status != "Success") {
        return StatusError::from(status);
    }
    let (resource, name) = resource_of(path);
    let retry_after = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    ServerResponse {
        code: code.as_u16(),
        method: method.as_str(),
        resource: &resource,
        name: &name,
        message: text.trim(),
        retry_after_seconds: retry_after,
        unexpected: true,
    }
    .to_error()
}

/// The resource and name a request path is about, for messages.
fn resource_of(path: &str) -> (GroupResource, String) {
    let mut parts = path.trim_matches('/').split('/');
    let group = match parts.next() {
        Some("api") => "",
        Some("apis") => parts.next().unwrap_or_default(),
        _ => return (GroupResource::new("", ""), String::new()),
    };
    let rest: Vec<&str> = parts.skip(1).collect();
    let (resource, name) = match rest.as_slice() {
        ["namespaces", _, resource, tail @ ..] => (*resource, tail.first()),
        [resource, tail @ ..] => (*resource, tail.first()),
        [] => ("", None),
    };
    (GroupResource::new(group.to_owned(), resource.to_owned()), name.copied().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_their_resource() {
        let check = |path: &str, group: &str, resource: &str, name: &str| {
            assert_eq!(
                resource_of(path),
                (GroupResource::new(group.to_owned(), resource.to_owned()), name.to_owned()),
                "{path}"
            );
        };
        check("/api/v1/namespaces/a/pods/b/log", "", "pods", "b");
        check("/api/v1/namespaces/a", "", "namespaces", "a");
        check("/apis/apps/v1/deployments", "apps", "deployments", "");
        check("/healthz", "", "", "");
    }

    #[test]
    fn requests_are_repeated_within_limits() {
        let answer = |status: u16, after: Option<&str>| {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).expect("valid");
            if let Some(after) = after {
                response.headers_mut().insert(RETRY_AFTER, after.parse().expect("valid"));
            }
            response
        };
        let mut attempts = Attempts::default();
        assert_eq!(attempts.after_answer(&answer(429, None), true), None);
        assert_eq!(attempts.after_answer(&answer(200, Some("1")), true), None);
        assert_eq!(attempts.after_answer(&answer(429, Some("9999")), true), None);
        for _ in 0..MAX_RETRIES {
            assert_eq!(attempts.after_answer(&answer(503, Some("1")), true), Some(Duration::from_secs(1)));
        }
        assert_eq!(attempts.after_answer(&answer(429, Some("1")), true), None);
        assert_eq!(attempts.after_answer(&answer(401, None), false), None);
        assert_eq!(attempts.after_answer(&answer(401, None), true), Some(Duration::ZERO));
        assert_eq!(attempts.after_answer(&answer(401, None), true), None);
        assert_eq!(attempts.after_failure(&Method::POST, false, 3), None);
        assert!(attempts.after_failure(&Method::GET, false, 3).is_some());
        assert!(attempts.after_failure(&Method::GET, false, 3).is_none());
        assert!(attempts.after_failure(&Method::POST, true, 3).is_some());
        assert!(attempts.after_failure(&Method::POST, true, 3).is_some());
        assert!(attempts.after_failure(&Method::POST, true, 3).is_none());
    }

    /// Collects the levels of what is told.
    #[derive(Clone, Default)]
    struct Told(Arc<parking_lot::Mutex<Vec<tracing::Level>>>);

    impl tracing::Subscriber for Told {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() <= tracing::Level::INFO
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            self.0.lock().push(*event.metadata().level());
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn a_server_that_is_away_is_told_once_whoever_asks() {
        let client = Client::new(Config::new("http://127.0.0.1:1").expect("address")).expect("client");
        let told = Told::default();
        tracing::subscriber::with_default(told.clone(), || {
            client.shared.transport.reached();
            for path in ["pods", "nodes", "services", "pods"] {
                client.note_unanswered(&Error::Transport {
                    method: Method::GET,
                    url: format!("http://127.0.0.1:1/api/v1/{path}"),
                    source: "connection refused".into(),
                    connecting: true,
                });
            }
            client.shared.transport.reached();
            client.shared.transport.reached();
        });
        assert_eq!(*told.0.lock(), [tracing::Level::WARN, tracing::Level::INFO]);
    }
}
