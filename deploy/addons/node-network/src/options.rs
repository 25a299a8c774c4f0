//! Command line.

use std::path::PathBuf;

use component_base::logs::LoggingOptions;
use ipnet::IpNet;

/// Flags of node-network.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "node-network", about = "Connects the pods of this node with those of others")]
pub struct Options {
    /// Path to a kubeconfig file; without it the service account of the pod is used
    #[arg(long, value_name = "FILE", default_value = "")]
    pub kubeconfig: String,
    /// Name of this node
    #[arg(long, value_name = "NAME")]
    pub node_name: String,
    /// Ranges of all pods: what leaves them is masqueraded
    #[arg(long, value_name = "CIDR[,CIDR]", value_delimiter = ',')]
    pub cluster_cidr: Vec<IpNet>,
    /// Directory for the CNI configuration
    #[arg(long, value_name = "DIRECTORY", default_value = "/etc/cni/net.d")]
    pub cni_config_dir: PathBuf,
    /// Largest packet of pods; 0 takes that of the interface with the default route
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub mtu: u32,
    /// Logging.
    #[command(flatten)]
    pub logging: LoggingOptions,
}

impl component_base::Options for Options {
    fn logging(&self) -> &LoggingOptions {
        &self.logging
    }
}
