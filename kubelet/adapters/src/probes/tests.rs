//! Probes against small servers on the loopback.

use std::sync::Arc;

use proto::grpc_health::health_check_response::ServingStatus;
use proto::grpc_health::health_server::{Health, HealthServer};
use proto::grpc_health::{HealthCheckRequest, HealthCheckResponse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

/// Answers every connection with what `answer` makes of the request's head; answers nothing for `None`.
async fn serve(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let port = listener.local_addr().expect("address").port();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                match answer(&String::from_utf8_lossy(&head)) {
                    Some(text) => drop(stream.write_all(text.as_bytes()).await),
                    None => std::future::pending::<()>().await,
                }
            });
        }
    });
    port
}

fn plain(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

async fn get(port: u16, path: &str, headers: &[(&str, &str)], timeout: Duration) -> ProbeAnswer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let probe = HttpProbe {
        scheme: "http".to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
        path: path.to_owned(),
        headers,
    };
    NetworkProber::new().http_get(&probe, timeout).await
}

fn answers(head: &str) -> Option<String> {
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    match path.as_str() {
        "/echo" => Some(plain("200 OK", "", head)),
        "/bad" => Some(plain("500 Oops", "", "secret")),
        "/edge" => Some(plain("399 Edge", "", "b")),
        "/to-echo" => Some(plain("302 Found", "Location: /echo\r\n", "")),
        "/away" => Some(plain("302 Found", "Location: http://elsewhere/\r\n", "bye")),
        "/loop" => Some(plain("302 Found", "Location: loop\r\n", "")),
        "/large" => Some(plain("200 OK", "", &"x".repeat(20_000))),
        _ => None,
    }
}

#[tokio::test]
async fn http_by_status_and_redirect() {
    let port = serve(answers).await;
    let failure = |text: &str| ProbeAnswer::Failure(text.to_owned());
    let ProbeAnswer::Success(head) = get(port, "/echo", &[], PATIENCE).await else { panic!("not well") };
    for line in ["User-Agent: kube-probe/1.36\r\n", "Accept: */*\r\n", "Connection: close\r\n"] {
        assert!(head.contains(line), "{head}");
    }
    assert!(head.contains(&format!("Host: 127.0.0.1:{port}\r\n")), "{head}");
    assert!(matches!(get(port, "/to-echo", &[], PATIENCE).await, ProbeAnswer::Success(_)));
    assert_eq!(get(port, "/bad", &[], PATIENCE).await, failure("HTTP probe failed with statuscode: 500"));
    let warning =
        |body: &str| ProbeAnswer::Warning(format!("Probe terminated redirects, Response body: {body}"));
    assert_eq!(get(port, "/edge", &[], PATIENCE).await, warning("b"));
    assert_eq!(get(port, "/away", &[], PATIENCE).await, warning("bye"));
    let endless = format!("Get \"http://127.0.0.1:{port}/loop\": stopped after 10 redirects");
    assert_eq!(get(port, "/loop", &[], PATIENCE).await, failure(&endless));
    let ProbeAnswer::Success(large) = get(port, "/large", &[], PATIENCE).await else { panic!("not well") };
    assert_eq!(large.len(), 10 << 10);
}

#[tokio::test]
async fn http_with_headers_of_ones_own() {
    let port = serve(answers).await;
    let headers =
        [("Host", "example.com"), ("user-agent", "mine"), ("Accept", ""), ("X-Two", "1"), ("X-Two", "2")];
    let ProbeAnswer::Success(head) = get(port, "/echo", &headers, PATIENCE).await else { panic!("not well") };
    for line in ["Host: example.com\r\n", "User-Agent: mine\r\n", "X-Two: 1\r\nX-Two: 2\r\n"] {
        assert!(head.contains(line), "{head}");
    }
    assert!(!head.contains("Accept"), "{head}");
    let refused = get(port, "/echo", &[("no good", "1")], PATIENCE).await;
    assert_eq!(refused, ProbeAnswer::Failure("net/http: invalid header field name \"no good\"".to_owned()));
}

#[tokio::test]
async fn http_that_does_not_answer() {
    let port = serve(answers).await;
    let late = get(port, "/never", &[], SHORT).await;
    let text = format!(
        "Get \"http://127.0.0.1:{port}/never\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    );
    assert_eq!(late, ProbeAnswer::Failure(text));
    let closed = closed_port().await;
    let text = format!(
        "Get \"http://127.0.0.1:{closed}/\": dial tcp 127.0.0.1:{closed}: connect: connection refused"
    );
    assert_eq!(get(closed, "/", &[], PATIENCE).await, ProbeAnswer::Failure(text));
}

async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.expect("listen").local_addr().expect("address").port()
}

#[tokio::test]
async fn tcp() {
    let port = serve(answers).await;
    let prober = NetworkProber::new();
    let probe = |port| TcpProbe { host: "127.0.0.1".to_owned(), port };
    assert_eq!(prober.tcp_connect(&probe(port), PATIENCE).await, ProbeAnswer::Success(String::new()));
    let closed = closed_port().await;
    let text = format!("dial tcp 127.0.0.1:{closed}: connect: connection refused");
    assert_eq!(prober.tcp_connect(&probe(closed), PATIENCE).await, ProbeAnswer::Failure(text));
}

struct Service;

#[tonic::async_trait]
impl Health for Service {
    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, tonic::Status> {
        let status = match request.into_inner().service.as_str() {
            "" => ServingStatus::Serving,
            "down" => ServingStatus::NotServing,
            "slow" => std::future::pending().await,
            other => return Err(tonic::Status::not_found(format!("no {other}"))),
        };
        Ok(tonic::Response::new(HealthCheckResponse { status: status.into() }))
    }
}

#[tokio::test]
async fn grpc() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let port = listener.local_addr().expect("address").port();
    let server = tonic::transport::Server::builder().add_service(HealthServer::new(Service));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let check = |service: &str, port: u16, timeout| {
        let probe = GrpcProbe { host: "127.0.0.1".to_owned(), port, service: service.to_owned() };
        async move { NetworkProber::new().grpc_check(&probe, timeout).await }
    };
    assert_eq!(check("", port, PATIENCE).await, ProbeAnswer::Success("service healthy".to_owned()));
    let failure = |text: &str| ProbeAnswer::Failure(text.to_owned());
    let down = failure("service unhealthy (responded with \"NOT_SERVING\")");
    assert_eq!(check("down", port, PATIENCE).await, down);
    let unknown = failure("error: health rpc probe failed: rpc error: code = NotFound desc = no x");
    assert_eq!(check("x", port, PATIENCE).await, unknown);
    assert_eq!(
        check("slow", port, SHORT).await,
        failure("timeout: health rpc did not complete within 200ms")
    );
    let closed = closed_port().await;
    let text = format!(
        "timeout: failed to connect service \"127.0.0.1:{closed}\" within 1s: context deadline exceeded"
    );
    assert_eq!(check("", closed, Duration::from_secs(1)).await, failure(&text));
}
