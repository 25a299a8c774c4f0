//! The command line, in upstream's names and defaults.
//!
//! Only what has an effect is here; a flag for something this program does not do is refused by name.

use std::path::PathBuf;
use std::time::Duration;

use component_base::flags::{parse_bool, parse_duration};
use component_base::logs::LoggingOptions;
use ipnet::IpNet;
use runtime::leader::LeaderElectionOptions;
use runtime::serving::{DelegationOptions, SecureServingOptions};

/// Daemon that runs the control loops shipped with Kubernetes
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "kube-controller-manager")]
pub struct Options {
    #[command(flatten)]
    pub serving: SecureServingOptions,
    #[command(flatten)]
    pub delegation: DelegationOptions,
    #[command(flatten)]
    pub leader_election: LeaderElectionOptions,
    #[command(flatten)]
    pub concurrency: Concurrency,
    #[command(flatten)]
    pub signing: SigningOptions,
    #[command(flatten)]
    pub nodes: NodeOptions,
    #[command(flatten)]
    pub logging: LoggingOptions,
    /// Path to kubeconfig file with authorization and master location information
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Requests per second to the API server; 0 leaves pacing to the server
    #[arg(long, default_value_t = 0.0)]
    pub kube_api_qps: f32,
    /// Requests sent at once before --kube-api-qps holds
    #[arg(long, default_value_t = 30)]
    pub kube_api_burst: u32,
    /// Controllers to enable: '*' all on by default, 'foo' the one named foo, '-foo' not the one named foo
    #[arg(long, value_delimiter = ',', default_value = "*")]
    pub controllers: Vec<String>,
    /// Use individual service account credentials for each controller
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = parse_bool)]
    pub use_service_account_credentials: bool,
    /// The instance prefix for the cluster; only cloud providers, which live elsewhere, make use of it
    #[arg(long, default_value = "kubernetes")]
    pub cluster_name: String,
    /// Root certificate authority published in every namespace and in service account token secrets
    #[arg(long)]
    pub root_ca_file: Option<PathBuf>,
    /// Private RSA or ECDSA key that signs service account token secrets
    #[arg(long)]
    pub service_account_private_key_file: Option<PathBuf>,
    /// Terminated pods that may exist before the pod garbage collector deletes some; 0 or less for any number
    #[arg(long, default_value_t = 12500)]
    pub terminated_pod_gc_threshold: i32,
    /// The maximum number of endpoints in one endpoint slice
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_endpoints_per_slice: u32,
    /// The period for syncing namespace life-cycle updates
    #[arg(long, default_value = "5m", value_parser = parse_duration)]
    pub namespace_sync_period: Duration,
    /// The period for syncing quota usage status in the system
    #[arg(long, default_value = "5m", value_parser = parse_duration)]
    pub resource_quota_sync_period: Duration,
    /// Enables the generic garbage collector; must be the same as the flag of kube-apiserver
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = parse_bool)]
    pub enable_garbage_collector: bool,
}

/// How many keys each controller handles at once.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Concurrency flags")]
pub struct Concurrency {
    /// Replica sets synced at once
    #[arg(long, default_value_t = 5)]
    pub concurrent_replicaset_syncs: usize,
    /// Replication controllers synced at once
    #[arg(long, default_value_t = 5)]
    pub concurrent_rc_syncs: usize,
    /// Deployments synced at once
    #[arg(long, default_value_t = 5)]
    pub concurrent_deployment_syncs: usize,
    /// Daemon sets synced at once
    #[arg(long, default_value_t = 2)]
    pub concurrent_daemonset_syncs: usize,
    /// Stateful sets synced at once
    #[arg(long, default_value_t = 5)]
    pub concurrent_statefulset_syncs: usize,
    /// Jobs synced at once
    #[arg(long, default_value_t = 5)]
    pub concurrent_job_syncs: usize,
    /// Cron jobs synced at once
    #[arg(long, default_value_t = 5)]
    pub concurrent_cron_job_syncs: usize,
    /// Services whose endpoints are synced at once
    #[arg(long, default_value_t = 5)]
    pub concurrent_endpoint_syncs: usize,
    /// Services whose endpoint slices are synced at once
    #[arg(long, default_value_t = 5)]
    pub concurrent_service_endpoint_syncs: usize,
    /// Services whose endpoints are mirrored at once
    #[arg(long, default_value_t = 5)]
    pub mirroring_concurrent_service_endpoint_syncs: usize,
    /// Namespaces synced at once
    #[arg(long, default_value_t = 10)]
    pub concurrent_namespace_syncs: usize,
    /// Garbage collector workers
    #[arg(long, default_value_t = 20)]
    pub concurrent_gc_syncs: usize,
    /// Resource quotas synced at once
    #[arg(long, default_value_t = 5)]
    pub concurrent_resource_quota_syncs: usize,
    /// Service account tokens synced at once
    #[arg(long, default_value_t = 5)]
    pub concurrent_serviceaccount_token_syncs: usize,
    /// Finished objects looked after at once
    #[arg(long, default_value_t = 5)]
    pub concurrent_ttl_after_finished_syncs: usize,
}

/// With what certificates are signed.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Certificate signing flags")]
pub struct SigningOptions {
    /// PEM certificate authority that signs for every signer without its own
    #[arg(long)]
    pub cluster_signing_cert_file: Option<PathBuf>,
    /// Key of --cluster-signing-cert-file
    #[arg(long)]
    pub cluster_signing_key_file: Option<PathBuf>,
    /// Longest duration of signed certificates
    #[arg(long, default_value = "8760h", value_parser = parse_duration)]
    pub cluster_signing_duration: Duration,
    /// Authority for kubernetes.io/kubelet-serving
    #[arg(long)]
    pub cluster_signing_kubelet_serving_cert_file: Option<PathBuf>,
    /// Key of --cluster-signing-kubelet-serving-cert-file
    #[arg(long)]
    pub cluster_signing_kubelet_serving_key_file: Option<PathBuf>,
    /// Authority for kubernetes.io/kube-apiserver-client-kubelet
    #[arg(long)]
    pub cluster_signing_kubelet_client_cert_file: Option<PathBuf>,
    /// Key of --cluster-signing-kubelet-client-cert-file
    #[arg(long)]
    pub cluster_signing_kubelet_client_key_file: Option<PathBuf>,
    /// Authority for kubernetes.io/kube-apiserver-client
    #[arg(long)]
    pub cluster_signing_kube_apiserver_client_cert_file: Option<PathBuf>,
    /// Key of --cluster-signing-kube-apiserver-client-cert-file
    #[arg(long)]
    pub cluster_signing_kube_apiserver_client_key_file: Option<PathBuf>,
    /// Authority for kubernetes.io/legacy-unknown
    #[arg(long)]
    pub cluster_signing_legacy_unknown_cert_file: Option<PathBuf>,
    /// Key of --cluster-signing-legacy-unknown-cert-file
    #[arg(long)]
    pub cluster_signing_legacy_unknown_key_file: Option<PathBuf>,
}

/// What concerns nodes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Node flags")]
pub struct NodeOptions {
    /// Should CIDRs for Pods be allocated
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = parse_bool)]
    pub allocate_node_cidrs: bool,
    /// CIDR ranges for pods, one for each IP family; needs --allocate-node-cidrs
    #[arg(long, value_delimiter = ',')]
    pub cluster_cidr: Vec<IpNet>,
    /// CIDR ranges of services, kept out of the pods' ranges
    #[arg(long, value_delimiter = ',')]
    pub service_cluster_ip_range: Vec<IpNet>,
    /// Mask size of a node's CIDR; 24 for IPv4 and 64 for IPv6 by default
    #[arg(long)]
    pub node_cidr_mask_size: Option<u8>,
    /// Mask size of a node's IPv4 CIDR in a dual-stack cluster
    #[arg(long)]
    pub node_cidr_mask_size_ipv4: Option<u8>,
    /// Mask size of a node's IPv6 CIDR in a dual-stack cluster
    #[arg(long)]
    pub node_cidr_mask_size_ipv6: Option<u8>,
    /// How often node statuses are looked at
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub node_monitor_period: Duration,
    /// How long a running node may be silent before it counts as unhealthy
    #[arg(long, default_value = "50s", value_parser = parse_duration)]
    pub node_monitor_grace_period: Duration,
    /// How long a starting node may be silent before it counts as unhealthy
    #[arg(long, default_value = "1m", value_parser = parse_duration)]
    pub node_startup_grace_period: Duration,
    /// Nodes per second whose pods are evicted when a zone is healthy
    #[arg(long, default_value_t = 0.1)]
    pub node_eviction_rate: f32,
    /// The same when a zone is unhealthy; 0 in small clusters
    #[arg(long, default_value_t = 0.01)]
    pub secondary_node_eviction_rate: f32,
    /// Clusters of more nodes than this are large
    #[arg(long, default_value_t = 50)]
    pub large_cluster_size_threshold: usize,
    /// Fraction of nodes not ready that makes a zone unhealthy
    #[arg(long, default_value_t = 0.55)]
    pub unhealthy_zone_threshold: f32,
}

impl component_base::Options for Options {
    fn logging(&self) -> &LoggingOptions {
        &self.logging
    }
}

/// A combination of flags that cannot work.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// Ranges without leave to hand them out.
    #[error("--cluster-cidr needs --allocate-node-cidrs=true")]
    CidrWithoutAllocation,
    /// Leave to hand ranges out, but none given.
    #[error("--allocate-node-cidrs=true needs --cluster-cidr")]
    AllocationWithoutCidr,
    /// More than one range of a family.
    #[error("--{flag}: invalid value {value:?}: expected one CIDR, or one for each IP family")]
    Families {
        /// Flag.
        flag: &'static str,
        /// Its value.
        value: String,
    },
    /// Half of a pair.
    #[error("--{certificate} and --{key} must be given together")]
    HalfPair {
        /// Flag of the certificate.
        certificate: &'static str,
        /// Flag of the key.
        key: &'static str,
    },
}

impl Options {
    /// Refuses combinations that cannot work.
    pub fn validate(&self) -> Result<(), OptionsError> {
        if !self.nodes.cluster_cidr.is_empty() && !self.nodes.allocate_node_cidrs {
            return Err(OptionsError::CidrWithoutAllocation);
        }
        if self.nodes.cluster_cidr.is_empty() && self.nodes.allocate_node_cidrs {
            return Err(OptionsError::AllocationWithoutCidr);
        }
        let ranges = [
            ("cluster-cidr", &self.nodes.cluster_cidr),
            ("service-cluster-ip-range", &self.nodes.service_cluster_ip_range),
        ];
        for (flag, ranges) in ranges {
            let v4 = ranges.iter().filter(|range| matches!(range, IpNet::V4(_))).count();
            if v4 > 1 || ranges.len() - v4 > 1 {
                let value = ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                return Err(OptionsError::Families { flag, value });
            }
        }
        let signing = &self.signing;
        let given = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| !path.as_os_str().is_empty());
        let pairs = [
            (
                "cluster-signing-cert-file",
                &signing.cluster_signing_cert_file,
                "cluster-signing-key-file",
                &signing.cluster_signing_key_file,
            ),
            (
                "cluster-signing-kubelet-serving-cert-file",
                &signing.cluster_signing_kubelet_serving_cert_file,
                "cluster-signing-kubelet-serving-key-file",
                &signing.cluster_signing_kubelet_serving_key_file,
            ),
            (
                "cluster-signing-kubelet-client-cert-file",
                &signing.cluster_signing_kubelet_client_cert_file,
                "cluster-signing-kubelet-client-key-file",
                &signing.cluster_signing_kubelet_client_key_file,
            ),
            (
                "cluster-signing-kube-apiserver-client-cert-file",
                &signing.cluster_signing_kube_apiserver_client_cert_file,
                "cluster-signing-kube-apiserver-client-key-file",
                &signing.cluster_signing_kube_apiserver_client_key_file,
            ),
            (
                "cluster-signing-legacy-unknown-cert-file",
                &signing.cluster_signing_legacy_unknown_cert_file,
                "cluster-signing-legacy-unknown-key-file",
                &signing.cluster_signing_legacy_unknown_key_file,
            ),
        ];
        for (certificate, certificate_path, key, key_path) in pairs {
            if given(certificate_path) != given(key_path) {
                return Err(OptionsError::HalfPair { certificate, key });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn check(flags: &str, expected: Result<(), OptionsError>) {
        let words = std::iter::once("kube-controller-manager").chain(flags.split_whitespace());
        let options = Options::try_parse_from(words).expect("flags are known");
        assert_eq!(options.validate(), expected, "{flags}");
    }

    #[test]
    fn kubeadms_manifest_is_understood() {
        check(
            "--allocate-node-cidrs=true --authentication-kubeconfig=/a --authorization-kubeconfig=/a --bind-address=127.0.0.1 \
             --client-ca-file=/ca --cluster-cidr=10.244.0.0/16 --cluster-name=kubernetes --cluster-signing-cert-file=/ca \
             --cluster-signing-key-file=/key --controllers=*,bootstrapsigner,tokencleaner --kubeconfig=/a --leader-elect=true \
             --requestheader-client-ca-file=/front --root-ca-file=/ca --service-account-private-key-file=/sa \
             --service-cluster-ip-range=10.96.0.0/12 --use-service-account-credentials=true",
            Ok(()),
        );
    }

    #[test]
    fn contradictions_are_refused() {
        check("--cluster-cidr=10.0.0.0/8", Err(OptionsError::CidrWithoutAllocation));
        check("--allocate-node-cidrs", Err(OptionsError::AllocationWithoutCidr));
        check(
            "--allocate-node-cidrs --cluster-cidr=10.0.0.0/16,10.1.0.0/16",
            Err(OptionsError::Families { flag: "cluster-cidr", value: "10.0.0.0/16,10.1.0.0/16".into() }),
        );
        check(
            "--cluster-signing-cert-file=/ca",
            Err(OptionsError::HalfPair {
                certificate: "cluster-signing-cert-file",
                key: "cluster-signing-key-file",
            }),
        );
    }
}
