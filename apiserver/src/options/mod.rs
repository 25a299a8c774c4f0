//! Command line of kube-apiserver, under upstream's names and defaults.
//!
//! A flag that is here acts. One of upstream's that is not here is refused by the parser.

pub mod authentication;
pub mod ip_range;
pub mod serving;
pub mod storage;
pub mod validation;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser};
use component_base::flags::{parse_bool, parse_duration};
use component_base::logs::LoggingOptions;

pub use authentication::{AuthenticationOptions, RequestHeaderOptions, ServiceAccountOptions};
pub use ip_range::IpRange;
pub use serving::ServingOptions;
pub use storage::EtcdOptions;

/// The Kubernetes API server validates and configures data for the api objects which include pods,
/// services and others. It services REST operations and provides the frontend to the cluster's shared
/// state through which all other components interact.
#[derive(Clone, Debug, Parser)]
#[command(name = "kube-apiserver")]
pub struct Options {
    #[command(flatten)]
    pub serving: ServingOptions,
    #[command(flatten)]
    pub etcd: EtcdOptions,
    #[command(flatten)]
    pub authentication: AuthenticationOptions,
    #[command(flatten)]
    pub audit: AuditOptions,
    #[command(flatten)]
    pub kubelet: KubeletOptions,
    #[command(flatten)]
    pub generic: GenericOptions,
    #[command(flatten)]
    pub logging: LoggingOptions,
}

impl component_base::Options for Options {
    fn logging(&self) -> &LoggingOptions {
        &self.logging
    }
}

/// What concerns the cluster and the server as a whole.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Generic flags")]
pub struct GenericOptions {
    /// Ordered list of plug-ins to do authorization on secure port: AlwaysAllow, AlwaysDeny, Node, RBAC
    #[arg(long, value_delimiter = ',', default_value = "AlwaysAllow", value_name = "MODES")]
    pub authorization_mode: Vec<String>,
    /// Admission plugins that should be enabled in addition to default enabled ones
    #[arg(long, value_delimiter = ',', value_name = "PLUGINS", action = ArgAction::Append)]
    pub enable_admission_plugins: Vec<String>,
    /// Admission plugins that should be disabled although they are in the default enabled plugins list
    #[arg(long, value_delimiter = ',', value_name = "PLUGINS", action = ArgAction::Append)]
    pub disable_admission_plugins: Vec<String>,
    /// File with admission control configuration
    #[arg(long, value_name = "FILE")]
    pub admission_control_config_file: Option<PathBuf>,
    /// Indicates the tolerationSeconds of the toleration for notReady:NoExecute that is added by default to every pod
    /// that does not already have such a toleration
    #[arg(long, default_value_t = 300, value_name = "SECONDS", allow_negative_numbers = true)]
    pub default_not_ready_toleration_seconds: i64,
    /// Indicates the tolerationSeconds of the toleration for unreachable:NoExecute that is added by default to every
    /// pod that does not already have such a toleration
    #[arg(long, default_value_t = 300, value_name = "SECONDS", allow_negative_numbers = true)]
    pub default_unreachable_toleration_seconds: i64,
    /// If true, allow privileged containers
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = ArgAction::Set)]
    pub allow_privileged: bool,
    /// A CIDR notation IP range from which to assign service cluster IPs; two for dual-stack
    #[arg(long, value_delimiter = ',', default_value = "10.0.0.0/24", value_name = "CIDRS")]
    pub service_cluster_ip_range: Vec<IpRange>,
    /// A port range to reserve for services with NodePort visibility, inclusive at both ends
    #[arg(long, default_value = "30000-32767", value_name = "RANGE")]
    pub service_node_port_range: ip_range::PortRange,
    /// If non-zero, the Kubernetes master service will be of type NodePort, using this as the value of the port
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    pub kubernetes_service_node_port: u16,
    /// Amount of time to retain events
    #[arg(long, value_parser = parse_duration, default_value = "1h0m0s", value_name = "DURATION")]
    pub event_ttl: Duration,
    /// The maximum number of non-mutating requests in flight at a given time; 0 for no limit
    #[arg(long, default_value_t = 400, value_name = "COUNT")]
    pub max_requests_inflight: usize,
    /// The maximum number of mutating requests in flight at a given time; 0 for no limit
    #[arg(long, default_value_t = 200, value_name = "COUNT")]
    pub max_mutating_requests_inflight: usize,
    /// Serve requests by priority and fairness within the sum of the two limits, instead of by the limits alone
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = ArgAction::Set)]
    pub enable_priority_and_fairness: bool,
    /// How long a request may take before it is timed out
    #[arg(long, value_parser = parse_duration, default_value = "1m0s", value_name = "DURATION")]
    pub request_timeout: Duration,
    /// The minimum number of seconds a watch is kept open before it is timed out
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    pub min_request_timeout: u32,
    /// Time to delay the termination, during which the server keeps serving requests normally
    #[arg(long, value_parser = parse_duration, default_value = "0s", value_name = "DURATION")]
    pub shutdown_delay_duration: Duration,
    /// A set of key=value pairs that enable or disable built-in APIs: api/all, api/ga, api/beta, <group>/<version>, <group>/<version>/<resource>
    #[arg(long, value_delimiter = ',', value_name = "KEY=VALUE", action = ArgAction::Append)]
    pub runtime_config: Vec<String>,
    /// A set of key=value pairs that describe feature gates
    #[arg(long, value_name = "NAME=BOOL,...", action = ArgAction::Append)]
    pub feature_gates: Vec<String>,
    /// Use an endpoint reconciler: lease or none
    #[arg(long, default_value = "lease", value_name = "TYPE", value_parser = ["lease", "none"])]
    pub endpoint_reconciler_type: String,
}

/// What is written down about requests.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Auditing flags")]
pub struct AuditOptions {
    /// Path to the file that defines the audit policy configuration
    #[arg(long, value_name = "FILE")]
    pub audit_policy_file: Option<PathBuf>,
    /// If set, all requests coming to the apiserver will be logged to this file; '-' means standard out
    #[arg(long, value_name = "FILE")]
    pub audit_log_path: Option<String>,
    /// The maximum number of days to retain old audit log files
    #[arg(long, default_value_t = 0, value_name = "DAYS")]
    pub audit_log_maxage: u64,
    /// The maximum number of old audit log files to retain; 0 for no restriction
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    pub audit_log_maxbackup: usize,
    /// The maximum size in megabytes of the audit log file before it gets rotated
    #[arg(long, default_value_t = 0, value_name = "MEGABYTES")]
    pub audit_log_maxsize: u64,
    /// blocking, or blocking-strict to fail a request whose arrival cannot be written
    #[arg(long, default_value = "blocking", value_name = "MODE", value_parser = ["blocking", "blocking-strict"])]
    pub audit_log_mode: String,
    /// Format of saved audits
    #[arg(long, default_value = "json", value_name = "FORMAT", value_parser = ["json"])]
    pub audit_log_format: String,
}

/// How kubelets are reached.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Kubelet flags")]
pub struct KubeletOptions {
    /// Path to a client cert file for TLS
    #[arg(long, value_name = "FILE")]
    pub kubelet_client_certificate: Option<PathBuf>,
    /// Path to a client key file for TLS
    #[arg(long, value_name = "FILE")]
    pub kubelet_client_key: Option<PathBuf>,
    /// Path to a cert file for the certificate authority of kubelets
    #[arg(long, value_name = "FILE")]
    pub kubelet_certificate_authority: Option<PathBuf>,
    /// Accept any serving certificate of kubelets. Insecure: who can take a kubelet's address reads and changes what
    /// users exchange with pods. For clusters whose kubelets make themselves certificates
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = ArgAction::Set)]
    pub kubelet_insecure_tls: bool,
    /// List of the preferred NodeAddressTypes to use for kubelet connections
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP",
        value_name = "TYPES"
    )]
    pub kubelet_preferred_address_types: Vec<String>,
    /// Timeout for kubelet operations
    #[arg(long, value_parser = parse_duration, default_value = "5s", value_name = "DURATION")]
    pub kubelet_timeout: Duration,
    /// Client certificate used to prove the identity of the aggregator when it must call out during a request
    #[arg(long, value_name = "FILE")]
    pub proxy_client_cert_file: Option<PathBuf>,
    /// Private key for the client certificate used to prove the identity of the aggregator
    #[arg(long, value_name = "FILE")]
    pub proxy_client_key_file: Option<PathBuf>,
}

impl Options {
    /// The defaults, for callers that build options in code.
    pub fn with_defaults() -> Options {
        // The parser knows the defaults; an empty command line cannot fail.
        Options::try_parse_from(["kube-apiserver"]).unwrap_or_else(|error| error.exit())
    }
}

#[cfg(test)]
mod tests;
