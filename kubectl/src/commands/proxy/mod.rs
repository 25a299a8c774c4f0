//! `kubectl proxy`: the API on a local port, with the credentials of this user (`kubectl/pkg/cmd/proxy`).

mod files;
mod filter;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use client::Client;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::message;
use crate::{Factory, Result, Streams};
use files::Found;
use filter::Filter;

/// Hosts that are this machine.
pub const ACCEPT_HOSTS: &str = r"^localhost$,^127\.0\.0\.1$,^\[::1\]$";
/// Paths that run commands in containers.
pub const REJECT_PATHS: &str = "^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach";
/// The port without a flag.
const PORT: u16 = 8001;
/// The largest request that is passed on: what the server takes is less.
const LARGEST_REQUEST: usize = 64 << 20;
/// Headers for one connection, not for what is behind it.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
];

/// Arguments of `proxy`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The port on which to run the proxy. Set to 0 to pick a random port
    #[arg(long, short = 'p', default_value_t = PORT)]
    pub port: u16,
    /// The IP address on which to serve on
    #[arg(long, default_value = "127.0.0.1")]
    pub address: String,
    /// Unix socket on which to run the proxy
    #[arg(long, short = 'u')]
    pub unix_socket: Option<PathBuf>,
    /// Also serve static files from the given directory under the specified prefix
    #[arg(long, short = 'w')]
    pub www: Option<PathBuf>,
    /// Prefix to serve static files under, if static file directory is specified
    #[arg(long, short = 'P', default_value = "/static/")]
    pub www_prefix: String,
    /// Prefix to serve the proxied API under
    #[arg(long, default_value = "/")]
    pub api_prefix: String,
    /// Regular expression for paths that the proxy should accept
    #[arg(long, default_value = "^.*")]
    pub accept_paths: String,
    /// Regular expression for paths that the proxy should reject, even when accepted by --accept-paths
    #[arg(long, default_value = REJECT_PATHS)]
    pub reject_paths: String,
    /// Regular expression for hosts that the proxy should accept
    #[arg(long, default_value = ACCEPT_HOSTS)]
    pub accept_hosts: String,
    /// Regular expression for HTTP methods that the proxy should reject
    #[arg(long, default_value = "^$")]
    pub reject_methods: String,
    /// If true, disable request filtering in the proxy. This is dangerous
    #[arg(long)]
    pub disable_filter: bool,
    /// If true, enables automatic path appending of the kube context server path to each request
    #[arg(long)]
    pub append_server_path: bool,
    /// The keep-alive period for an active network connection; the client's own is used when it is 0
    #[arg(long, default_value = "0s", value_parser = keepalive)]
    pub keepalive: Duration,
}

fn keepalive(text: &str) -> std::result::Result<Duration, String> {
    let period = component_base::flags::parse_duration(text)?;
    if period.is_zero() {
        return Ok(period);
    }
    Err("only 0 is supported: the period of connections to the server cannot be chosen".to_owned())
}

/// Runs `proxy` until interrupted.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if args.port != PORT && args.unix_socket.is_some() {
        return Err(message("cannot set --unix-socket and --port at the same time"));
    }
    let proxy = Arc::new(Proxy::new(&args, factory.client()?.clone(), streams)?);
    let shown = match &args.unix_socket {
        Some(path) => {
            let listener = unix(path)?;
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    serve(&proxy, stream);
                }
            });
            path.display().to_string()
        }
        None => {
            let bound = tokio::net::TcpListener::bind((args.address.trim_matches(['[', ']']), args.port)).await;
            let listener = bound
                .map_err(|error| message(format!("listen tcp {}:{}: {error}", args.address, args.port)))?;
            let at = listener.local_addr()?;
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    serve(&proxy, stream);
                }
            });
            at.to_string()
        }
    };
    writeln!(streams.out, "Starting to serve on {shown}")?;
    streams.flush()?;
    tokio::signal::ctrl_c().await?;
    // As the end of a process by this signal is reported.
    Err(crate::Error::Exit(130))
}

/// A socket for this user alone, in the place of one that was left behind.
fn unix(path: &std::path::Path) -> Result<tokio::net::UnixListener> {
    use std::os::unix::fs::FileTypeExt as _;
    if std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let listener = tokio::net::UnixListener::bind(path);
    nix::sys::stat::umask(before);
    listener.map_err(|error| message(format!("listen unix {}: {error}", path.display())))
}

fn serve(proxy: &Arc<Proxy>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let proxy = Arc::clone(proxy);
    tokio::spawn(async move {
        let service = service_fn(move |request| {
            let proxy = Arc::clone(&proxy);
            async move { Ok::<_, std::convert::Infallible>(proxy.answer(request).await) }
        });
        // How a connection ends is the business of the one who made it.
        let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
    });
}

type AnyBody = BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// What answers requests.
struct Proxy {
    client: Client,
    filter: Option<Filter>,
    api_prefix: String,
    www: Option<(String, PathBuf)>,
    append_server_path: bool,
}

impl Proxy {
    fn new(args: &Args, client: Client, streams: &mut Streams) -> Result<Proxy> {
        let ended = |prefix: &str| if prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") };
        let server_path = client.config().server.path().to_owned();
        if !args.append_server_path && !matches!(server_path.as_str(), "" | "/") {
            writeln!(streams.err, "Warning: Your kube context contains a server path {server_path}, use --append-server-path to automatically append the path to each request")?;
        }
        let filter = if args.disable_filter {
            if args.unix_socket.is_none() {
                writeln!(streams.err, "Warning: Request filter disabled, your proxy is vulnerable to XSRF attacks, please be cautious")?;
            }
            None
        } else {
            let (paths, hosts) = (&args.accept_paths, &args.accept_hosts);
            Some(Filter::new(paths, &args.reject_paths, hosts, &args.reject_methods)?)
        };
        if let Some(folder) = args.www.as_ref().filter(|folder| !folder.is_dir()) {
            writeln!(streams.err, "Warning: Static file directory {} is not a directory", folder.display())?;
        }
        Ok(Proxy {
            client,
            filter,
            api_prefix: ended(&args.api_prefix),
            www: args.www.clone().map(|folder| (ended(&args.www_prefix), folder)),
            append_server_path: args.append_server_path,
        })
    }

    async fn answer<B: Body<Data = Bytes>>(&self, request: Request<B>) -> Response<AnyBody>
    where
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path().to_owned();
        if let Some((prefix, folder)) = &self.www
            && prefix.len() >= self.api_prefix.len()
            && let Some(rest) = path.strip_prefix(prefix.as_str())
        {
            return match files::find(folder, rest) {
                Found::File(kind, content) => full(StatusCode::OK, kind, content),
                Found::Listing(page) => full(StatusCode::OK, "text/html; charset=utf-8", page),
                Found::Nothing => plain(StatusCode::NOT_FOUND, "404 page not found"),
            };
        }
        // The API's own beginning stays; any other prefix is taken off.
        let path = if self.api_prefix.starts_with("/api") {
            path.starts_with(&self.api_prefix).then_some(path)
        } else {
            path.strip_prefix(&self.api_prefix).map(|rest| format!("/{}", rest.trim_start_matches('/')))
        };
        let Some(path) = path else { return plain(StatusCode::NOT_FOUND, "404 page not found") };
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| request.uri().host()).unwrap_or_default();
        if self.filter.as_ref().is_some_and(|filter| !filter.accepts(request.method().as_str(), &path, host)) {
            return plain(StatusCode::FORBIDDEN, "Forbidden");
        }
        if request.headers().contains_key(header::UPGRADE) {
            return self.tunnel(request, &path).await;
        }
        self.forward(request, &path).await
    }

    /// Where the server is asked: `path` and the query of the request.
    fn target(&self, uri: &http::Uri, path: &str) -> String {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if self.append_server_path {
            return format!("{path}{query}");
        }
        // A whole address is taken as it is, without the path of the configured one.
        let server = &self.client.config().server;
        let authority = server.authority().map_or("", |authority| authority.as_str());
        format!("{}://{authority}{path}{query}", server.scheme_str().unwrap_or("https"))
    }

    /// Passes on a request for another protocol, then the bytes of both sides.
    async fn tunnel<B: Body<Data = Bytes>>(&self, mut request: Request<B>, path: &str) -> Response<AnyBody> {
        let near = hyper::upgrade::on(&mut request);
        let (head, _) = request.into_parts();
        let uri = self.target(&head.uri, path);
        let mut out = match Request::builder().method(head.method).uri(uri).body(Bytes::new()) {
            Ok(out) => out,
            Err(error) => return plain(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        *out.headers_mut() = head.headers;
        out.headers_mut().remove(header::HOST);
        let answer = match client::upgrade::tunnel(&self.client, out).await {
            Ok(answer) => answer,
            Err(error) => return plain(StatusCode::BAD_GATEWAY, &component_base::run::error_chain(&error)),
        };
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let (mut head, body) = answer.into_parts();
            head.headers = passed_on(&head.headers);
            return Response::from_parts(head, body.map_err(Into::into).boxed());
        }
        let mut switched = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed());
        *switched.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        // The headers of this hop are what the protocol is agreed on with.
        *switched.headers_mut() = answer.headers().clone();
        tokio::spawn(async move {
            let (Ok(near), Ok(far)) = tokio::join!(near, hyper::upgrade::on(answer)) else { return };
            let (mut near, mut far) = (TokioIo::new(near), TokioIo::new(far));
            // How the conversation ends is between the two.
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
        switched
    }

    async fn forward<B: Body<Data = Bytes>>(&self, request: Request<B>, path: &str) -> Response<AnyBody>
    where
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let body = match http_body_util::Limited::new(body, LARGEST_REQUEST).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return plain(StatusCode::PAYLOAD_TOO_LARGE, &error.to_string()),
        };
        let uri = self.target(&head.uri, path);
        let mut out = match Request::builder().method(head.method).uri(uri).body(body) {
            Ok(out) => out,
            Err(error) => return plain(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        *out.headers_mut() = passed_on(&head.headers);
        out.headers_mut().remove(header::HOST);
        match self.client.send(out).await {
            Ok(response) => {
                let (mut head, body) = response.into_parts();
                head.headers = passed_on(&head.headers);
                head.version = http::Version::HTTP_11;
                Response::from_parts(head, body.map_err(Into::into).boxed())
            }
            Err(error) => plain(StatusCode::BAD_GATEWAY, &component_base::run::error_chain(&error)),
        }
    }
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers
}

fn full(status: StatusCode, kind: &'static str, content: impl Into<Bytes>) -> Response<AnyBody> {
    let mut response = Response::new(Full::new(content.into()).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    response
}

/// A line of text, as Go's `http.Error`.
fn plain(status: StatusCode, text: &str) -> Response<AnyBody> {
    full(status, "text/plain; charset=utf-8", format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use serde_json::json;

    use super::*;

    async fn ask(server: &FakeServer, flags: &[&str], path: &str, host: &str) -> (u16, String) {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("proxy"));
        let matches = command.get_matches_from(std::iter::once(&"proxy").chain(flags));
        let args = <Args as clap::FromArgMatches>::from_arg_matches(&matches).expect("sound flags");
        let (mut streams, _, _) = Streams::buffers("");
        let proxy = Proxy::new(&args, server.client().expect("a client"), &mut streams).expect("a proxy");
        let request = Request::get(path).header("host", host).header("x-own", "1").body(Full::new(Bytes::new()));
        let response = proxy.answer(request.expect("a request")).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn requests_are_passed_on_or_refused() {
        let server = FakeServer::start().await.expect("a server");
        server.on(Method::GET, "/api/v1/pods", Answer::json(200, &json!({"kind": "PodList"})));
        let (status, body) = ask(&server, &[], "/api/v1/pods?limit=1", "localhost:8001").await;
        assert_eq!((status, body.as_str()), (200, r#"{"kind":"PodList"}"#));
        let received = server.received();
        let request = received.last().expect("it came");
        assert_eq!(request.target, "/api/v1/pods?limit=1");
        assert_eq!(request.headers.get("x-own").map(http::HeaderValue::as_bytes), Some(&b"1"[..]));
        let refused = ask(&server, &[], "/api/v1/pods", "evil.example").await;
        assert_eq!(refused, (403, "Forbidden\n".to_owned()));
        let refused = ask(&server, &[], "/api/v1/namespaces/x/pods/p/exec", "localhost").await;
        assert_eq!(refused.0, 403);
        assert_eq!(server.received().len(), 1);
        let (status, _) = ask(&server, &["--api-prefix=/k8s"], "/k8s/api/v1/pods", "localhost").await;
        assert_eq!(status, 200);
        let (status, _) = ask(&server, &["--api-prefix=/k8s"], "/api/v1/pods", "localhost").await;
        assert_eq!(status, 404);
    }

    #[tokio::test]
    async fn other_protocols_pass_both_ways() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = server.local_addr().expect("bound");
        let serving = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.expect("a connection");
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.expect("a request"));
            }
            let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n";
            stream.write_all(answer).await.expect("answered");
            let mut word = [0; 4];
            stream.read_exact(&mut word).await.expect("a word");
            assert_eq!(&word, b"ping");
            stream.write_all(b"pong").await.expect("written");
            stream.shutdown().await.expect("ended");
            String::from_utf8_lossy(&asked).to_ascii_lowercase()
        });
        let client = client::Config::new(&format!("http://{address}")).and_then(Client::new).expect("a client");
        let command = <Args as clap::Args>::augment_args(clap::Command::new("proxy"));
        let args = <Args as clap::FromArgMatches>::from_arg_matches(&command.get_matches_from(["proxy"]));
        let (mut streams, _, _) = Streams::buffers("");
        let proxy = Proxy::new(&args.expect("no flags"), client, &mut streams).expect("a proxy");
        let (mut near, far) = tokio::io::duplex(1024);
        serve(&Arc::new(proxy), far);
        let request = b"POST /api/v1/namespaces/x/pods/p/portforward?a=b HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nping";
        near.write_all(request).await.expect("asked");
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 101 "), "{answer}");
        assert!(answer.contains("upgrade: spdy/3.1") && answer.ends_with("\r\n\r\npong"), "{answer}");
        let asked = serving.await.expect("served");
        assert!(asked.starts_with("post /api/v1/namespaces/x/pods/p/portforward?a=b http/1.1\r\n"), "{asked}");
        assert!(asked.contains("upgrade: spdy/3.1") && asked.contains("connection: upgrade"), "{asked}");
    }

    #[tokio::test]
    async fn files_are_served_below_their_prefix() {
        let server = FakeServer::start().await.expect("a server");
        let folder = crate::commands::scratch::Folder::new("kubectl-test-").expect("a folder");
        folder.write("x.txt", "text").expect("a file");
        let www = format!("--www={}", folder.path().display());
        let found = ask(&server, &[&www], "/static/x.txt", "localhost").await;
        assert_eq!(found, (200, "text".to_owned()));
        let (status, _) = ask(&server, &[&www], "/static/../x", "localhost").await;
        assert_eq!(status, 404);
    }
}
