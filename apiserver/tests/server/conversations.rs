//! Logs, exec and proxies through to a kubelet that this test plays.

use std::sync::Arc;

use component_base::tls::server::{ClientCertificates, ServerOptions, certified_key, server_config};
use component_base::tls::{Authority, ExtendedUsage, Reloaded};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::{TestServer, authority, issue};

/// A kubelet with a certificate of `own`: answers logs, echoes what it gets after an upgrade,
/// and tells whom it talks to.
async fn kubelet(own: &Authority) -> u16 {
    let (certificate, key) = issue(own, "n1", &[], ExtendedUsage::ServerAuth, -1..1);
    let chain = format!("{certificate}{}", own.certificate_pem());
    let identity = Reloaded::fixed(certified_key(chain.as_bytes(), key.as_bytes()).unwrap());
    let mut options = ServerOptions::new(identity).with_clients(ClientCertificates::Request);
    options.alpn = vec!["http/1.1"];
    let acceptor = tokio_rustls::TlsAcceptor::from(server_config(&options).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not believe the certificate goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let shows = stream.get_ref().1.peer_certificates().is_some();
                let head = read_head(&mut stream).await;
                let request_line = head.lines().next().unwrap_or_default().to_string();
                if head.to_ascii_lowercase().contains("upgrade: echo") {
                    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Kubelet: yes\r\n\r\n";
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    let (mut read, mut write) = tokio::io::split(stream);
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                    return;
                }
                let body = format!("{request_line} certificate={shows}\n");
                let code =
                    if request_line.contains("/broken/") { "500 Internal Server Error" } else { "200 OK" };
                let answer = format!("HTTP/1.1 {code}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// What the server is told about the certificates of kubelets.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    /// The authority that signed them.
    Authority,
    /// Another authority.
    OtherAuthority,
    /// To accept any.
    Insecure,
    Nothing,
}

async fn cluster() -> TestServer {
    cluster_told(Told::Authority).await
}

async fn cluster_told(told: Told) -> TestServer {
    let kubelets = authority("kubelet-ca");
    let server = TestServer::start(|options, folder| {
        let known = match told {
            Told::Authority => Some(kubelets.certificate_pem()),
            Told::OtherAuthority => Some(authority("other").certificate_pem()),
            Told::Insecure | Told::Nothing => None,
        };
        options.kubelet.kubelet_insecure_tls = told == Told::Insecure;
        options.kubelet.kubelet_certificate_authority = known.map(|pem| {
            let file = folder.join("kubelet-ca.crt");
            std::fs::write(&file, pem).unwrap();
            file
        });
        let ca = authority("kubelet-clients");
        let (certificate, key) =
            issue(&ca, "kube-apiserver-kubelet-client", &[], ExtendedUsage::ClientAuth, -1..1);
        let (certificate_file, key_file) = (folder.join("kubelet.crt"), folder.join("kubelet.key"));
        std::fs::write(&certificate_file, certificate).unwrap();
        std::fs::write(&key_file, key).unwrap();
        options.kubelet.kubelet_client_certificate = Some(certificate_file);
        options.kubelet.kubelet_client_key = Some(key_file);
        options.kubelet.kubelet_preferred_address_types = vec!["InternalIP".into()];
    })
    .await;
    let admin = server.admin();
    let port = kubelet(&kubelets).await;
    assert_eq!(admin.post("/api/v1/nodes", json!({"metadata": {"name": "n1"}})).await.code, 201);
    let status = json!({"metadata": {"name": "n1"}, "status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }});
    let written = admin.send("PUT", "/api/v1/nodes/n1/status", &[], status).await;
    assert_eq!(written.code, 200, "{}", written.text);
    server.make_default_account("default").await;
    for (name, node, containers) in [
        ("p", "n1", vec!["c"]),
        ("two", "n1", vec!["a", "b"]),
        ("broken", "n1", vec!["c"]),
        ("pending", "", vec!["c"]),
    ] {
        let containers: Vec<_> = containers.iter().map(|name| json!({"name": name, "image": "i"})).collect();
        let mut spec = json!({"containers": containers});
        if !node.is_empty() {
            spec["nodeName"] = json!(node);
        }
        let pod = json!({"metadata": {"name": name}, "spec": spec});
        let written = admin.post("/api/v1/namespaces/default/pods", pod).await;
        assert_eq!(written.code, 201, "{}", written.text);
    }
    server
}

#[tokio::test]
async fn logs_come_from_the_kubelet() {
    let server = cluster().await;
    let admin = server.admin();
    let log = |pod: &str, query: &str| format!("/api/v1/namespaces/default/pods/{pod}/log{query}");
    let answer = admin.get(&log("p", "?tailLines=5&follow=true")).await;
    assert_eq!(
        answer.text,
        "GET /containerLogs/default/p/c?follow=true&tailLines=5 HTTP/1.1 certificate=true\n"
    );
    assert_eq!(answer.headers["content-type"], "text/plain");
    assert_eq!(admin.get(&log("pending", "")).await.text, "");
    let two = admin.get(&log("two", "")).await;
    assert_eq!(two.code, 400);
    assert_eq!(two.message(), "a container name must be specified for pod two, choose one of: [a b]");
    assert_eq!(
        admin.get(&log("two", "?container=x")).await.message(),
        "container x is not valid for pod two"
    );
    let negative = admin.get(&log("p", "?tailLines=-1")).await;
    assert_eq!(negative.code, 422);
    assert_eq!(admin.get(&log("broken", "")).await.code, 500);
    assert_eq!(admin.get(&log("none", "")).await.code, 404);
}

#[tokio::test]
async fn kubelets_are_verified_unless_a_user_asks_otherwise() {
    let path = "/api/v1/namespaces/default/pods/p/log";
    for (told, code, text) in [
        (Told::Insecure, 200, "GET /containerLogs/default/p/c HTTP/1.1 certificate=true"),
        (
            Told::OtherAuthority,
            500,
            "UnknownIssuer: the kubelet must serve with a certificate for this address",
        ),
        (Told::Nothing, 500, "kube-apiserver was started without --kubelet-certificate-authority"),
    ] {
        let server = cluster_told(told).await;
        let answer = server.admin().get(path).await;
        assert_eq!(answer.code, code, "{}", answer.text);
        assert!(answer.text.contains(text), "{}", answer.text);
        // A user may want a log though the kubelet's certificate is bad.
        let anyway = server.admin().get(&format!("{path}?insecureSkipTLSVerifyBackend=true")).await;
        assert_eq!(anyway.code, 200, "{}", anyway.text);
        server.stop().await;
    }
}

#[tokio::test]
async fn nodes_are_proxied() {
    let server = cluster().await;
    let answer = server.admin().get("/api/v1/nodes/n1/proxy/stats/summary?x=1").await;
    // The loopback address of this test is no place a server may be sent to.
    assert_eq!(answer.code, 400, "{}", answer.text);
    assert_eq!(answer.message(), "address not allowed");
}

/// Opens a TLS connection to the server with the administrator's certificate.
async fn connect(server: &TestServer) -> tokio_rustls::client::TlsStream<TcpStream> {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    let mut roots = rustls::RootCertStore::empty();
    let authority = server.authority().certificate_pem();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let (certificate, key) =
        issue(server.authority(), "admin", &["system:masters"], ExtendedUsage::ClientAuth, -1..1);
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn upgraded_connections_carry_bytes_both_ways() {
    let server = cluster().await;
    let mut stream = connect(&server).await;
    let path = "/api/v1/namespaces/default/pods/p/exec?command=cat&stdin=true";
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.to_ascii_lowercase().contains("x-kubelet: yes"), "{head}");
    for text in ["hello", "again"] {
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut echoed = vec![0; text.len()];
        stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(echoed, text.as_bytes());
    }
    drop(stream);
    let plain = server.admin().post("/api/v1/namespaces/default/pods/p/exec?command=ls", json!({})).await;
    assert_eq!(plain.code, 400);
    assert_eq!(plain.message(), "Upgrade request required");
    let none = server.admin().post("/api/v1/namespaces/default/pods/p/exec", json!({})).await;
    assert_eq!(none.code, 400);
}
