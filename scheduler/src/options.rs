//! Command line; names and defaults are upstream's.

use component_base::logs::LoggingOptions;
use runtime::leader::LeaderElectionOptions;
use runtime::serving::{DelegationOptions, SecureServingOptions};

/// Flags of kube-scheduler.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "kube-scheduler", about = "Gives pods their nodes")]
pub struct Options {
    /// The path to the configuration file
    #[arg(long, value_name = "FILE", default_value = "")]
    pub config: String,
    /// Path to kubeconfig file with authorization and API server location
    #[arg(long, value_name = "FILE", default_value = "")]
    pub kubeconfig: String,
    /// Serving.
    #[command(flatten)]
    pub serving: SecureServingOptions,
    /// Delegation.
    #[command(flatten)]
    pub delegation: DelegationOptions,
    /// Leader election.
    #[command(flatten)]
    pub leader_election: LeaderElectionOptions,
    /// Logging.
    #[command(flatten)]
    pub logging: LoggingOptions,
}

impl component_base::Options for Options {
    fn logging(&self) -> &LoggingOptions {
        &self.logging
    }
}
