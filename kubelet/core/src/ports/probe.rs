//! Network probes of containers. Exec probes go through [`super::Runtime::exec`].

use std::time::Duration;

use async_trait::async_trait;

/// Asks a container over the network whether it is well.
#[async_trait]
pub trait Prober: Send + Sync {
    /// HTTP GET. 200–399 is success; redirects to the same host are followed (at most 10), others are
    /// success with a warning in the answer, as upstream. Certificates are not verified (upstream's contract).
    async fn http_get(&self, probe: &HttpProbe, timeout: Duration) -> ProbeAnswer;

    /// Opens a TCP connection.
    async fn tcp_connect(&self, probe: &TcpProbe, timeout: Duration) -> ProbeAnswer;

    /// Calls `grpc.health.v1.Health/Check`.
    async fn grpc_check(&self, probe: &GrpcProbe, timeout: Duration) -> ProbeAnswer;
}

/// What a probe found. The text is what upstream puts after `probe failed: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    Success(String),
    /// Success, but the user should know.
    Warning(String),
    /// The container answered badly, or not at all.
    Failure(String),
    /// The probe could not be carried out; counts as neither.
    Unknown(String),
}

/// An HTTP request to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpProbe {
    /// `http` or `https`.
    pub scheme: String,
    pub host: String,
    pub port: u16,
    /// Path with query, beginning with `/`.
    pub path: String,
    /// In order, names as given; `Host` replaces the host header.
    pub headers: Vec<(String, String)>,
}

/// A TCP address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpProbe {
    pub host: String,
    pub port: u16,
}

/// A gRPC health service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrpcProbe {
    pub host: String,
    pub port: u16,
    pub service: String,
}
