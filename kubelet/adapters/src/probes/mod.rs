//! The kubelet's [`Prober`] port: asks containers over the network whether they are well.
//!
//! The texts are Go's, word for word where users meet them in events.

mod dial;
mod grpc;
mod http;
mod tls;

use std::time::Duration;

use async_trait::async_trait;
use kubelet_core::ports::{GrpcProbe, HttpProbe, ProbeAnswer, Prober, TcpProbe};

/// What probes call themselves.
const USER_AGENT: &str = "kube-probe/1.36";

/// Probes by sockets of this machine.
#[derive(Clone, Debug)]
pub struct NetworkProber {
    tls: tls::Connector,
}

impl NetworkProber {
    /// A prober, ready at once.
    pub fn new() -> NetworkProber {
        NetworkProber { tls: tls::Connector::new() }
    }
}

impl Default for NetworkProber {
    fn default() -> NetworkProber {
        NetworkProber::new()
    }
}

#[async_trait]
impl Prober for NetworkProber {
    async fn http_get(&self, probe: &HttpProbe, timeout: Duration) -> ProbeAnswer {
        http::get(&self.tls, probe, timeout).await
    }

    async fn tcp_connect(&self, probe: &TcpProbe, timeout: Duration) -> ProbeAnswer {
        let address = dial::join(&probe.host, probe.port);
        match tokio::time::timeout(timeout, dial::connect(&probe.host, probe.port)).await {
            Ok(Ok(_)) => ProbeAnswer::Success(String::new()),
            Ok(Err(error)) => ProbeAnswer::Failure(error),
            Err(_) => ProbeAnswer::Failure(format!("dial tcp {address}: i/o timeout")),
        }
    }

    async fn grpc_check(&self, probe: &GrpcProbe, timeout: Duration) -> ProbeAnswer {
        grpc::check(probe, timeout).await
    }
}

#[cfg(test)]
mod tests;
