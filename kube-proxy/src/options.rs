//! Command line; names and defaults are upstream's.

use component_base::flags::parse_bool;
use component_base::logs::LoggingOptions;

/// Flags of kube-proxy. With `--config`, the file decides and only `--hostname-override` is heard.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "kube-proxy", about = "Makes Services work on this node by nftables rules")]
pub struct Options {
    /// The path to the configuration file
    #[arg(long, value_name = "FILE", default_value = "")]
    pub config: String,
    /// Path to kubeconfig file with authorization information; without it the service account of the pod is used
    #[arg(long, value_name = "FILE", default_value = "")]
    pub kubeconfig: String,
    /// If non-empty, will be used as the name of the node that kube-proxy is running on instead of the host's name
    #[arg(long, value_name = "NAME", default_value = "")]
    pub hostname_override: String,
    /// The CIDR range of the pods in the cluster; traffic to cluster IPs from elsewhere is masqueraded
    #[arg(long, value_name = "CIDR[,CIDR]", default_value = "")]
    pub cluster_cidr: String,
    /// SNAT all traffic sent to Service cluster IPs
    #[arg(long, value_name = "true|false", default_value = "false", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = parse_bool)]
    pub masquerade_all: bool,
    /// Which proxy mode to use: only nftables
    #[arg(long, value_name = "MODE", default_value = "nftables")]
    pub proxy_mode: String,
    /// CIDRs of addresses on which NodePort services answer; empty means every address but loopback
    #[arg(long, value_name = "CIDR[,CIDR]", value_delimiter = ',')]
    pub nodeport_addresses: Vec<String>,
    /// The IP address with port for the health check server to serve on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:10256")]
    pub healthz_bind_address: String,
    /// The IP address with port for the metrics server to serve on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:10249")]
    pub metrics_bind_address: String,
    /// Remove all nftables rules of kube-proxy and exit
    #[arg(long, default_value = "false", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = parse_bool)]
    pub cleanup: bool,
    /// Logging.
    #[command(flatten)]
    pub logging: LoggingOptions,
}

impl component_base::Options for Options {
    fn logging(&self) -> &LoggingOptions {
        &self.logging
    }
}
