//! A scripted API server in this process, for unit tests of clients.
//!
//! Answers are given in the order they were scripted for a method and path; the last one stays. A request
//! nobody scripted gets a 404 and is reported by [`FakeServer::unexpected`].

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::client::{Client, JSON, PROTOBUF};
use crate::config::Config;

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pieces: Vec<Bytes>,
    /// Whether the connection stays open after the last piece, as that of a watch does.
    open: bool,
}

impl Answer {
    /// JSON with a status code.
    pub fn json(status: u16, body: &serde_json::Value) -> Answer {
        Answer::bytes(status, JSON, body.to_string())
    }

    /// An object in protobuf.
    pub fn object<T: machinery::Resource>(object: &T) -> Answer {
        Answer::bytes(200, PROTOBUF, object.to_protobuf_object())
    }

    /// A failure.
    pub fn status(status: &machinery::status::StatusError) -> Answer {
        use machinery::Message as _;
        let mut body = status.status.to_value();
        body["kind"] = "Status".into();
        body["apiVersion"] = "v1".into();
        Answer::json(status.code(), &body)
    }

    /// Any body.
    pub fn bytes(status: u16, content_type: &str, body: impl Into<Bytes>) -> Answer {
        Answer {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            pieces: vec![body.into()],
            open: false,
        }
    }

    /// A watch that sends JSON events and stays open.
    pub fn watch(events: &[serde_json::Value]) -> Answer {
        let pieces = events.iter().map(|event| Bytes::from(format!("{event}\n"))).collect();
        Answer { status: 200, headers: vec![("content-type", JSON.to_owned())], pieces, open: true }
    }

    /// The same, ended by the server after the last event.
    pub fn ended(mut self) -> Answer {
        self.open = false;
        self
    }

    /// Adds a header.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Answer {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Received {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[derive(Default)]
struct Script {
    answers: HashMap<(Method, String), VecDeque<Answer>>,
    received: Vec<Received>,
    unexpected: Vec<String>,
}

/// The server; it ends when dropped.
pub struct FakeServer {
    address: std::net::SocketAddr,
    script: Arc<Mutex<Script>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl FakeServer {
    /// Listens on a free port of the loopback address.
    pub async fn start() -> std::io::Result<FakeServer> {
        FakeServer::start_at(([127, 0, 0, 1], 0).into()).await
    }

    /// Listens on this address, as a server that comes back does.
    pub async fn start_at(address: std::net::SocketAddr) -> std::io::Result<FakeServer> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let script = Arc::<Mutex<Script>>::default();
        let shared = Arc::clone(&script);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service =
                        hyper::service::service_fn(move |request| answer(Arc::clone(&script), request));
                    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    // A test that ends drops its connections; nobody is interested in how.
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(FakeServer { address, script, accepting })
    }

    /// Scripts the next answer for a method and a path (without query).
    pub fn on(&self, method: Method, path: &str, answer: Answer) -> &FakeServer {
        self.script.lock().answers.entry((method, path.to_owned())).or_default().push_back(answer);
        self
    }

    /// A client of this server.
    pub fn client(&self) -> crate::Result<Client> {
        Client::new(Config::new(&self.url())?)
    }

    /// `http://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.script.lock().received.clone()
    }

    /// Requests nobody scripted.
    pub fn unexpected(&self) -> Vec<String> {
        self.script.lock().unexpected.clone()
    }
}

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

async fn answer(
    script: Arc<Mutex<Script>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    // A client that went away mid-body is a test's business; the request counts as it came.
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let answer = {
        let mut script = script.lock();
        let target = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let key = (head.method.clone(), head.uri.path().to_owned());
        let answer = script.answers.get_mut(&key).and_then(|answers| match answers.len() {
            0 | 1 => answers.front().cloned(),
            _ => answers.pop_front(),
        });
        if answer.is_none() {
            script.unexpected.push(format!("{} {target}", head.method));
        }
        script.received.push(Received { method: head.method, target, headers: head.headers, body });
        answer.unwrap_or_else(|| Answer::bytes(404, "text/plain", "404 page not found\n"))
    };
    let (sender, receiver) = mpsc::unbounded_channel();
    for piece in answer.pieces {
        // The receiver is alive: it is moved into the body below.
        let _ = sender.send(piece);
    }
    // Keeping the sender keeps the body open until the connection goes.
    let kept = answer.open.then_some(sender);
    let stream = futures_util::stream::unfold((receiver, kept), |(mut receiver, kept)| async move {
        let piece = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(piece)), (receiver, kept)))
    });
    let mut response = Response::new(StreamBody::new(SyncStream(Box::pin(stream))).boxed());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// Stream of body frames, boxed so that its type can be named.
struct SyncStream<S>(std::pin::Pin<Box<S>>);

impl<S: futures_util::Stream> futures_util::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}
