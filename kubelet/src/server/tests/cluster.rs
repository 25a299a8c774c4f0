//! The least API server kubectl needs to reach a node: discovery, one pod, and bytes handed on.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::node::TestNode;

const POD: &str = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"default","uid":"u1"},
"spec":{"containers":[{"name":"main","stdin":true}]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#;

/// Documents by path.
const DOCUMENTS: [(&str, &str); 4] = [
    ("/api", r#"{"kind":"APIVersions","versions":["v1"]}"#),
    ("/apis", r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[]}"#),
    (
        "/api/v1",
        r#"{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods","singularName":"pod","namespaced":true,"kind":"Pod","verbs":["get","list"]}]}"#,
    ),
    ("/api/v1/namespaces/default/pods/web", POD),
];

/// Subresources of the pod: their path at the node, and how their query is written there.
const STREAMS: [(&str, &str); 4] = [
    ("exec", "/exec/default/web/main"),
    ("attach", "/attach/default/web/main"),
    ("portforward", "/portForward/default/web"),
    ("log", "/containerLogs/default/web/main"),
];

const FLAGS: [(&str, &str); 4] = [
    ("stdin=true", "input=1"),
    ("stdout=true", "output=1"),
    ("stderr=true", "error=1"),
    ("tty=true", "tty=1"),
];

/// Listens on a port of its own, in front of the node.
pub async fn serve(node: &Arc<TestNode>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let address = listener.local_addr().expect("address");
    let node = Arc::downgrade(node);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Some(node) = node.upgrade() else { return };
            tokio::spawn(connection(stream, node.address, node.tls.clone()));
        }
    });
    address
}

/// One request for one connection: hands its bytes to the node, or answers with a document.
async fn connection(mut client: TcpStream, node: SocketAddr, tls: tokio_rustls::TlsConnector) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("text");
    let (first, rest) = head.split_once("\r\n").expect("a request");
    let mut words = first.split(' ');
    let (method, target) = (words.next().expect("method"), words.next().expect("target"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let below = path.strip_prefix("/api/v1/namespaces/default/pods/web/");
    let Some((_, there)) = below.and_then(|below| STREAMS.iter().find(|(name, _)| *name == below)) else {
        let document = DOCUMENTS.iter().find(|(known, _)| *known == path).map(|(_, document)| *document);
        let (status, body) = match document {
            Some(document) => ("200 OK", document),
            None => ("404 Not Found", ""),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let _ = client.write_all(answer.as_bytes()).await;
        return;
    };
    let query = FLAGS.iter().fold(query.to_owned(), |query, (ours, theirs)| query.replace(ours, theirs));
    let upgrades = rest.to_ascii_lowercase().contains("\r\nupgrade:");
    let close = if upgrades { "" } else { "Connection: close\r\n" };
    let stream = TcpStream::connect(node).await.expect("node");
    let name = ServerName::try_from("127.0.0.1").expect("name");
    let mut stream = tls.connect(name, stream).await.expect("handshake");
    let request = format!("{method} {there}?{query} HTTP/1.1\r\n{close}{rest}");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let _ = tokio::io::copy_bidirectional(&mut client, &mut stream).await;
    let _ = client.shutdown().await;
}
