//! The server with a real containerd: by certificate, by WebSocket, by SPDY, and by upstream's kubectl.

mod cluster;
mod kubectl;
mod node;

use std::time::Duration;

use client::spdy::{Role, Session};
use client::upgrade::WebSocketBytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;

use self::node::TestNode;

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends messages, and collects what comes on each channel until the server closes.
async fn converse(node: &TestNode, path: &str, send: &[(u8, &[u8])]) -> [Vec<u8>; 4] {
    let protocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
    let opened = client::upgrade::open_websocket(&node.client, path, &protocols).await.expect("opened");
    let (mut socket, protocol) = opened;
    assert_eq!(protocol, "v5.channel.k8s.io");
    for (channel, content) in send {
        let message = [&[*channel], *content].concat();
        socket.send(Message::Binary(message.into())).await.expect("sent");
    }
    let mut channels: [Vec<u8>; 4] = Default::default();
    let all = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Binary(content) = message
                && let Some((channel, content)) = content.split_first()
            {
                channels[usize::from(*channel)].extend_from_slice(content);
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("the server closes");
    channels
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_and_streams() {
    let Some(node) = TestNode::start(21).await else { return };
    node.run_pod("echo started; sleep 1000").await;
    certificates_decide(&node).await;
    plain_pages(&node).await;
    websocket_v5(&node).await;
    spdy_of_old_clients(&node).await;
    forwarded_ports(&node).await;
}

async fn certificates_decide(node: &TestNode) {
    let stranger = node.stranger.get("/pods").await;
    assert_eq!(stranger, (401, "Unauthorized".to_owned()));
    let (status, pods) = node.get("/pods").await;
    assert_eq!(status, 200);
    assert!(pods.starts_with(r#"{"kind":"PodList","apiVersion":"v1","#), "{pods}");
    assert!(pods.contains(r#""name":"web""#), "{pods}");
}

async fn plain_pages(node: &TestNode) {
    let check = async |path: &str, status: u16, part: &str| {
        let (got, body) = node.get(path).await;
        assert_eq!(got, status, "{path}: {body}");
        assert!(body.contains(part), "{path}: {body}");
    };
    check("/healthz", 200, "ok").await;
    check("/runningpods/", 200, r#""name":"main""#).await;
    check("/configz", 200, r#"{"kubeletconfig":{"podCIDR":"10.0.0.0/24"}}"#).await;
    check("/metrics", 200, "kubelet_http_requests_total").await;
    check("/metrics", 200, "kubelet_volume_stats_inodes").await;
    check("/containerLogs/default/web/main", 200, "started\n").await;
    check("/containerLogs/default/web/main?tailLines=x", 400, "Unable to decode query").await;
    check("/containerLogs/default/web/main?previous=1", 400, "previous terminated container").await;
    check("/containerLogs/default/web/other", 404, r#"container "other" not found in pod "web""#).await;
    check("/containerLogs/default/none/main", 404, r#"pod "none" does not exist"#).await;
    check("/exec/default/web/main?command=ls&output=1", 400, "Upgrade request required").await;
    check("/exec/default/web/main?command=ls", 400, "you must specify at least 1 of stdin, stdout, stderr")
        .await;
    check("/exec/default/web/other?command=ls&output=1", 500, r#"container not found ("other")"#).await;
    check("/run/default/web/main?cmd=ls", 405, "Method Not Allowed").await;
    check("/nothing", 404, "Page Not Found").await;
    check("/debug/pprof/heap", 405, "profiling endpoint is disabled").await;
    let ran = node.post("/run/default/web/main?cmd=echo+one+two").await;
    assert_eq!(ran, (200, "one two\n".to_owned()));
    let failed = node.post("/run/default/web/main?cmd=cat+/none").await;
    assert_eq!(failed.0, 500);
    assert!(failed.1.starts_with("command 'cat /none' exited with 1: cat: can't open"), "{failed:?}");
    let checkpoint = node.post("/checkpoint/default/web/main").await;
    assert_eq!(checkpoint.0, 501);
}

async fn websocket_v5(node: &TestNode) {
    let exec = |command: &str, streams: &str| {
        format!("/exec/default/web/main?command=/bin/sh&command=-c&command={command}&{streams}")
    };
    let [_, out, err, status] =
        converse(node, &exec("echo+out;+echo+err+1%3E%262;+exit+7", "output=1&error=1"), &[]).await;
    assert_eq!((text(&out), text(&err)), ("out\n".to_owned(), "err\n".to_owned()));
    assert!(text(&status).contains(r#""reason":"ExitCode","message":"7""#), "{}", text(&status));

    // The end of the input is told by a message of its own.
    let large = vec![b'x'; 300_000];
    let mut send: Vec<(u8, &[u8])> = large.chunks(32 << 10).map(|piece| (0, piece)).collect();
    send.push((255, &[0]));
    let [_, out, _, status] = converse(node, &exec("cat", "input=1&output=1"), &send).await;
    assert_eq!(out.len(), large.len());
    assert!(text(&status).contains(r#""status":"Success""#), "{}", text(&status));

    // A terminal has a size, and errors come with the output.
    let resize = br#"{"Width":123,"Height":45}"#;
    let script = "read+line;+stty+size+%7C%7C+true;+echo+%24line+1%3E%262";
    let path = exec(script, "input=1&output=1&error=1&tty=1");
    let [_, out, err, _] = converse(node, &path, &[(4, resize), (0, b"typed\n")]).await;
    assert!(text(&out).contains("typed\r\n") && err.is_empty(), "{}", text(&out));

    // What fails in the runtime is told on the error channel.
    let path = "/exec/default/web/main?command=/none&output=1";
    let [_, _, _, status] = converse(node, path, &[]).await;
    assert!(text(&status).contains(r#""status":"Failure""#), "{}", text(&status));
}

async fn spdy_of_old_clients(node: &TestNode) {
    let path = "/exec/default/web/main?command=cat&input=1&output=1";
    let connection =
        node.upgrade(path, "SPDY/3.1", &[("X-Stream-Protocol-Version", "v4.channel.k8s.io")]).await;
    let session = Session::start(connection, Role::Client);
    let open = async |kind: &str| {
        session.open(vec![("streamtype".to_owned(), kind.to_owned())]).await.expect("stream")
    };
    let (mut error, mut stdin, mut stdout) = (open("error").await, open("stdin").await, open("stdout").await);
    stdin.write_all(b"hello").await.expect("written");
    stdin.shutdown().await.expect("ended");
    let (mut said, mut status) = (String::new(), Vec::new());
    stdout.read_to_string(&mut said).await.expect("read");
    // The runtime resets the stream when all is said.
    let _ = error.read_to_end(&mut status).await;
    let status = text(&status);
    assert_eq!(said, "hello");
    assert!(status.contains(r#""status":"Success""#), "{status}");
}

async fn forwarded_ports(node: &TestNode) {
    let script = "mkdir /tmp/www; echo content >/tmp/www/index.html; httpd -p 8080 -h /tmp/www";
    let serve = ["/bin/sh", "-c", script].map(str::to_owned);
    node.runtime().exec(&node.container_id(), &serve, PATIENCE).await.expect("server starts");
    let protocol = "SPDY/3.1+portforward.k8s.io";
    let opened = client::upgrade::open_websocket(&node.client, "/portForward/default/web", &[protocol]).await;
    let session = Session::start(WebSocketBytes::new(opened.expect("opened").0), Role::Client);
    let headers = |kind: &str| -> Vec<(String, String)> {
        let pairs = [("streamtype", kind), ("port", "8080"), ("requestid", "0")];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    let _error = session.open(headers("error")).await.expect("error stream");
    let mut data = session.open(headers("data")).await.expect("data stream");
    data.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").await.expect("asked");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, data.read_to_end(&mut answer)).await;
    read.expect("an answer").expect("read");
    assert!(text(&answer).ends_with("content\n"), "{}", text(&answer));
}
