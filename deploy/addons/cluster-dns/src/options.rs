//! Command line.

use std::path::PathBuf;

use component_base::logs::LoggingOptions;

/// Flags of cluster-dns.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "cluster-dns", about = "Answers DNS queries for the names of Services and pods")]
pub struct Options {
    /// The Corefile
    #[arg(long, value_name = "FILE", default_value = "Corefile")]
    pub conf: PathBuf,
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
