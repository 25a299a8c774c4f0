//! A server for tests that shows a given certificate.

use component_base::tls::{
    Reloaded,
    server::{ServerOptions, certified_key, server_config},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// Answers every request with `body`; gives the address.
pub(crate) async fn serve(certificate: &str, key: &str, body: String) -> String {
    let identity = certified_key(certificate.as_bytes(), key.as_bytes()).expect("an identity");
    let mut options = ServerOptions::new(Reloaded::fixed(identity));
    options.alpn = vec!["http/1.1"];
    let acceptor = tokio_rustls::TlsAcceptor::from(server_config(&options).expect("TLS"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Who does not believe the certificate goes away.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}
