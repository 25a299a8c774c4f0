//! Names outside of the cluster: asked of the name servers of `resolv.conf`.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// How long one server is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Largest answer by UDP.
const LARGEST: usize = 4096;

/// Foreign answers that are kept at most; beyond, the cache begins anew.
const MOST_KEPT: usize = 10_000;

/// The servers to ask, in order, and the answers that they gave.
#[derive(Debug, Default)]
pub struct Forwarder {
    servers: Vec<SocketAddr>,
    keep: Duration,
    kept: Mutex<HashMap<Query, (Instant, Message)>>,
}

impl Forwarder {
    /// Asks `servers`, and keeps their answers for as long as they allow, but not longer than `keep`.
    pub fn new(servers: Vec<SocketAddr>, keep: Duration) -> Self {
        Self { servers, keep, kept: Mutex::default() }
    }

    /// Reads `nameserver` lines. Addresses in `own` are left out: asking oneself would go round in circles.
    pub fn servers_of(path: &Path, own: &[IpAddr]) -> io::Result<Vec<SocketAddr>> {
        Ok(servers(&std::fs::read_to_string(path)?, own))
    }

    /// The answer to a question that came as the bytes `query`. `None` when no server answers.
    pub async fn ask(&self, question: &Query, query: &[u8]) -> Option<Message> {
        let now = Instant::now();
        if let Some((until, message)) = self.kept.lock().get(question)
            && *until > now
        {
            return Some(message.clone());
        }
        let message = self.ask_servers(query).await?;
        let shortest = message.all_sections().map(|record| record.ttl).min().unwrap_or(0);
        let keep = self.keep.min(Duration::from_secs(shortest.into()));
        if !keep.is_zero() {
            let mut kept = self.kept.lock();
            if kept.len() >= MOST_KEPT {
                kept.clear();
            }
            kept.insert(question.clone(), (now + keep, message.clone()));
        }
        Some(message)
    }

    /// Asks one server after the other.
    async fn ask_servers(&self, query: &[u8]) -> Option<Message> {
        for server in &self.servers {
            match tokio::time::timeout(PATIENCE, ask_one(*server, query)).await {
                Ok(Ok(message)) => return Some(message),
                Ok(Err(error)) => tracing::debug!(%server, %error, "a name server failed"),
                Err(_) => tracing::debug!(%server, "a name server did not answer"),
            }
        }
        None
    }
}

fn servers(text: &str, own: &[IpAddr]) -> Vec<SocketAddr> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let addresses = lines.filter_map(|words| match words.as_slice() {
        ["nameserver", address, ..] => address.parse::<IpAddr>().ok(),
        _ => None,
    });
    addresses.filter(|address| !own.contains(address)).map(|address| (address, 53).into()).collect()
}

async fn ask_one(server: SocketAddr, query: &[u8]) -> io::Result<Message> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut answer = vec![0; LARGEST];
    loop {
        let length = socket.recv(&mut answer).await?;
        // An answer to another question is somebody's attempt to deceive us.
        if length < 2 || query.get(..2) != answer.get(..2) {
            continue;
        }
        let message = parse(&answer[..length])?;
        return if message.metadata.truncation { ask_by_tcp(server, query).await } else { Ok(message) };
    }
}

async fn ask_by_tcp(server: SocketAddr, query: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(query).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    parse(&answer)
}

fn parse(bytes: &[u8]) -> io::Result<Message> {
    Message::from_vec(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_and_nonsense_are_left_out() {
        let text = "# comment\nsearch example.com\nnameserver 10.96.0.10\nnameserver 192.0.2.1\nnameserver nonsense\n";
        assert_eq!(servers(text, &[[10, 96, 0, 10].into()]), [SocketAddr::from(([192, 0, 2, 1], 53))]);
    }
}
