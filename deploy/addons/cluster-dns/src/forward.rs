//! Names outside of the cluster: asked of the name servers of `resolv.conf`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use hickory_proto::op::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// How long one server is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Largest answer by UDP.
const LARGEST: usize = 4096;

/// The servers to ask, in order.
#[derive(Clone, Debug, Default)]
pub struct Forwarder {
    servers: Vec<SocketAddr>,
}

impl Forwarder {
    /// Reads `nameserver` lines. Addresses in `own` are left out: asking oneself would go round in circles.
    pub fn from_resolv_conf(path: &Path, own: &[IpAddr]) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        Ok(Self { servers: servers(&text, own) })
    }

    /// Asks one server after the other with the query as it came. `None` when none of them answers.
    pub async fn ask(&self, query: &[u8]) -> Option<Message> {
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
