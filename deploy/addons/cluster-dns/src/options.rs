//! Command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use component_base::logs::LoggingOptions;

/// Flags of cluster-dns.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "cluster-dns", about = "Answers DNS queries for the names of Services and pods")]
pub struct Options {
    /// Domain of the cluster
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// Address and port for queries, UDP and TCP
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:53")]
    pub listen: SocketAddr,
    /// Address and port for /health and /livez
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8080")]
    pub health_listen: SocketAddr,
    /// Address and port for /ready and /readyz: ready when all names are known
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8181")]
    pub ready_listen: SocketAddr,
    /// Address and port for /metrics
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:9153")]
    pub metrics_listen: SocketAddr,
    /// File with the name servers that are asked for names outside of the cluster
    #[arg(long, value_name = "FILE", default_value = "/etc/resolv.conf")]
    pub resolv_conf: PathBuf,
    /// Seconds for which answers about the cluster may be kept
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub ttl: u32,
    /// Path to a kubeconfig file; without it the service account of the pod is used
    #[arg(long, value_name = "FILE", default_value = "")]
    pub kubeconfig: String,
    /// Logging.
    #[command(flatten)]
    pub logging: LoggingOptions,
}

impl component_base::Options for Options {
    fn logging(&self) -> &LoggingOptions {
        &self.logging
    }
}
