//! Flags of the store.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use component_base::flags::{parse_bool, parse_duration};

/// Where and how objects are stored.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Etcd flags")]
pub struct EtcdOptions {
    /// List of etcd servers to connect with (scheme://ip:port), comma separated
    #[arg(long, value_delimiter = ',', value_name = "URLS", action = ArgAction::Append)]
    pub etcd_servers: Vec<String>,
    /// SSL Certificate Authority file used to secure etcd communication
    #[arg(long, value_name = "FILE")]
    pub etcd_cafile: Option<PathBuf>,
    /// SSL certification file used to secure etcd communication
    #[arg(long, value_name = "FILE")]
    pub etcd_certfile: Option<PathBuf>,
    /// SSL key file used to secure etcd communication
    #[arg(long, value_name = "FILE")]
    pub etcd_keyfile: Option<PathBuf>,
    /// The prefix to prepend to all resource paths in etcd
    #[arg(long, default_value = "/registry", value_name = "PREFIX")]
    pub etcd_prefix: String,
    /// The interval of compaction requests; 0 for none
    #[arg(long, value_parser = parse_duration, default_value = "5m0s", value_name = "DURATION")]
    pub etcd_compaction_interval: Duration,
    /// The storage backend for persistence
    #[arg(long, default_value = "etcd3", value_name = "BACKEND", value_parser = ["etcd3"])]
    pub storage_backend: String,
    /// The media type to use to store objects in storage
    #[arg(long, default_value = "application/vnd.kubernetes.protobuf", value_name = "TYPE", value_parser = ["application/vnd.kubernetes.protobuf"])]
    pub storage_media_type: String,
    /// The file containing configuration for encryption providers to be used for storing secrets in etcd
    #[arg(long, value_name = "FILE")]
    pub encryption_provider_config: Option<PathBuf>,
    /// Whether the encryption provider configuration is read again when it changes
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = ArgAction::Set)]
    pub encryption_provider_config_automatic_reload: bool,
}
