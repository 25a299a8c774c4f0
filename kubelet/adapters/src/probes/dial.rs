//! TCP connections, with errors in Go's words.

use std::io;
use std::net::IpAddr;

use nix::errno::Errno;
use tokio::net::TcpStream;

/// Host and port as they stand in a URL: IPv6 addresses in brackets.
pub(super) fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Connects, or says why not: `dial tcp 10.0.0.1:80: connect: connection refused`.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let connected = match host.parse::<IpAddr>() {
        Ok(address) => TcpStream::connect((address, port)).await,
        Err(_) => match tokio::net::lookup_host((host, port)).await {
            Ok(mut found) => match found.next() {
                Some(address) => TcpStream::connect(address).await,
                None => return Err(no_such_host(host)),
            },
            Err(_) => return Err(no_such_host(host)),
        },
    };
    connected.map_err(|error| format!("dial tcp {}: connect: {}", join(host, port), described(&error)))
}

fn no_such_host(host: &str) -> String {
    format!("dial tcp: lookup {host}: no such host")
}

/// The kernel's words for an error, as Go writes them.
pub(super) fn described(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_lowercase(),
        None => error.to_string(),
    }
}
