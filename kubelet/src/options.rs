//! The command line: upstream's flags, laid over the configuration file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use component_base::flags::{parse_bool, parse_duration};
use component_base::logs::LoggingOptions;

use crate::config::{GoDuration, KubeletConfiguration, RegisterTaint};

/// The kubelet runs the pods of this node.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "kubelet", about = "The kubelet is the primary \"node agent\" that runs on each node.")]
pub struct Options {
    /// The Kubelet will load its initial configuration from this file. Omit this flag to use the defaults.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Path to a directory to specify drop-ins (files ending in .conf), merged over the configuration file
    #[arg(long)]
    pub config_dir: Option<PathBuf>,
    /// Path to a kubeconfig file, specifying how to connect to the API server. Omitting it enables standalone mode.
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Path to a kubeconfig file that will be used to get a client certificate, when --kubeconfig does not exist
    #[arg(long)]
    pub bootstrap_kubeconfig: Option<PathBuf>,
    /// The directory where the TLS certificates are located
    #[arg(long, default_value = "/var/lib/kubelet/pki")]
    pub cert_dir: PathBuf,
    /// Directory path for managing kubelet files (volume mounts, etc)
    #[arg(long, default_value = "/var/lib/kubelet")]
    pub root_dir: PathBuf,
    /// If non-empty, will use this string as identification instead of the actual hostname
    #[arg(long, default_value = "")]
    pub hostname_override: String,
    /// IP address (or comma-separated dual-stack IP addresses) of the node
    #[arg(long, default_value = "")]
    pub node_ip: String,
    /// Labels to add when registering the node: 'key1=value1,key2=value2'
    #[arg(long, default_value = "")]
    pub node_labels: String,
    /// The provider for cloud services: empty, or 'external'
    #[arg(long, default_value = "")]
    pub cloud_provider: String,
    /// The image of sandboxes, which garbage collection leaves alone; the runtime's configuration decides which it is
    #[arg(long, default_value = "")]
    pub pod_infra_container_image: String,
    /// Dead containers to keep per container
    #[arg(long, default_value_t = 1)]
    pub maximum_dead_containers_per_container: usize,
    /// Minimum age of a dead container before it is removed
    #[arg(long, default_value = "0s", value_parser = parse_duration)]
    pub minimum_container_ttl_duration: std::time::Duration,
    #[command(flatten)]
    pub logging: LoggingOptions,
    #[command(flatten)]
    pub overrides: Overrides,
}

/// Flags for fields of the configuration file; a flag that is given wins.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Configuration overrides (deprecated: set them in the file given by --config)")]
pub struct Overrides {
    /// Port of the kubelet's server
    #[arg(long)]
    pub port: Option<i32>,
    /// Address the kubelet's server listens at
    #[arg(long)]
    pub address: Option<String>,
    /// Port of /healthz, 0 to disable
    #[arg(long)]
    pub healthz_port: Option<i32>,
    /// Address of /healthz
    #[arg(long)]
    pub healthz_bind_address: Option<String>,
    /// Directory or file of static pod manifests
    #[arg(long)]
    pub pod_manifest_path: Option<String>,
    /// Endpoint of the container runtime, such as unix:///run/containerd/containerd.sock
    #[arg(long)]
    pub container_runtime_endpoint: Option<String>,
    /// Endpoint of the image service, when it is another
    #[arg(long)]
    pub image_service_endpoint: Option<String>,
    /// cgroupfs or systemd
    #[arg(long)]
    pub cgroup_driver: Option<String>,
    /// Root cgroup of pods
    #[arg(long)]
    pub cgroup_root: Option<String>,
    /// Whether pods have cgroups by quality of service
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub cgroups_per_qos: Option<bool>,
    /// What to enforce of the node's allocatable resources
    #[arg(long, value_delimiter = ',')]
    pub enforce_node_allocatable: Option<Vec<String>>,
    /// Name servers of the cluster
    #[arg(long, value_delimiter = ',')]
    pub cluster_dns: Option<Vec<String>>,
    /// Domain of the cluster
    #[arg(long)]
    pub cluster_domain: Option<String>,
    /// The host's resolver configuration
    #[arg(long)]
    pub resolv_conf: Option<String>,
    /// Most pods on this node
    #[arg(long)]
    pub max_pods: Option<i32>,
    /// Most processes of a pod
    #[arg(long)]
    pub pod_max_pids: Option<i64>,
    /// Address range of pods in standalone mode
    #[arg(long)]
    pub pod_cidr: Option<String>,
    /// Unique identifier of the node in an external database
    #[arg(long)]
    pub provider_id: Option<String>,
    /// Register the node with the API server
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub register_node: Option<bool>,
    /// Taints to register the node with: key=value:effect,...
    #[arg(long)]
    pub register_with_taints: Option<String>,
    /// Fail to start when swap is on
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub fail_swap_on: Option<bool>,
    /// Renew the client certificate
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub rotate_certificates: Option<bool>,
    /// Request the serving certificate from the cluster
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub rotate_server_certificates: Option<bool>,
    /// Serving certificate
    #[arg(long)]
    pub tls_cert_file: Option<String>,
    /// Key of the serving certificate
    #[arg(long)]
    pub tls_private_key_file: Option<String>,
    /// Authorities of client certificates
    #[arg(long)]
    pub client_ca_file: Option<String>,
    /// Whether anonymous requests reach authorization
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub anonymous_auth: Option<bool>,
    /// Whether bearer tokens are reviewed by the API server
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub authentication_token_webhook: Option<bool>,
    /// AlwaysAllow or Webhook
    #[arg(long)]
    pub authorization_mode: Option<String>,
    /// RuntimeDefault as the seccomp profile of containers that name none
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub seccomp_default: Option<bool>,
    /// Longest time a call to the runtime may take
    #[arg(long, value_parser = parse_duration)]
    pub runtime_request_timeout: Option<std::time::Duration>,
    /// Between refreshes of volumes
    #[arg(long, value_parser = parse_duration)]
    pub sync_frequency: Option<std::time::Duration>,
    /// Between readings of the manifests
    #[arg(long, value_parser = parse_duration)]
    pub file_check_frequency: Option<std::time::Duration>,
    /// Between updates of the node's status
    #[arg(long, value_parser = parse_duration)]
    pub node_status_update_frequency: Option<std::time::Duration>,
    /// Percent of disk use from which images are deleted
    #[arg(long)]
    pub image_gc_high_threshold: Option<i32>,
    /// Percent of disk use down to which images are deleted
    #[arg(long)]
    pub image_gc_low_threshold: Option<i32>,
    /// Pull images one at a time
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub serialize_image_pulls: Option<bool>,
    /// Hard eviction thresholds: memory.available<1Gi,...
    #[arg(long)]
    pub eviction_hard: Option<String>,
    /// Resources kept for the system: cpu=200m,memory=500Mi,...
    #[arg(long)]
    pub system_reserved: Option<String>,
    /// Resources kept for Kubernetes
    #[arg(long)]
    pub kube_reserved: Option<String>,
    /// oom_score_adj of the kubelet
    #[arg(long)]
    pub oom_score_adj: Option<i32>,
    /// Largest log file before rotation
    #[arg(long)]
    pub container_log_max_size: Option<String>,
    /// Log files to keep per container
    #[arg(long)]
    pub container_log_max_files: Option<i32>,
    /// Feature gates: key=value,...
    #[arg(long)]
    pub feature_gates: Option<String>,
}

/// A flag that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid value {value:?} for --{flag}: {rule}")]
pub struct FlagError {
    pub flag: &'static str,
    pub value: String,
    pub rule: String,
}

impl component_base::Options for Options {
    fn logging(&self) -> &LoggingOptions {
        &self.logging
    }
}

impl Overrides {
    /// Lays the flags over the configuration.
    pub fn apply(&self, config: &mut KubeletConfiguration) -> Result<(), FlagError> {
        fn set<T: Clone>(field: &mut T, flag: &Option<T>) {
            if let Some(value) = flag {
                field.clone_from(value);
            }
        }
        let duration = |field: &mut GoDuration, flag: Option<std::time::Duration>| {
            if let Some(value) = flag {
                *field = GoDuration(value);
            }
        };
        set(&mut config.port, &self.port);
        set(&mut config.address, &self.address);
        set(&mut config.healthz_port, &self.healthz_port);
        set(&mut config.healthz_bind_address, &self.healthz_bind_address);
        set(&mut config.static_pod_path, &self.pod_manifest_path);
        set(&mut config.container_runtime_endpoint, &self.container_runtime_endpoint);
        set(&mut config.image_service_endpoint, &self.image_service_endpoint);
        set(&mut config.cgroup_driver, &self.cgroup_driver);
        set(&mut config.cgroup_root, &self.cgroup_root);
        set(&mut config.cgroups_per_qos, &self.cgroups_per_qos);
        set(&mut config.enforce_node_allocatable, &self.enforce_node_allocatable);
        set(&mut config.cluster_dns, &self.cluster_dns);
        set(&mut config.cluster_domain, &self.cluster_domain);
        set(&mut config.max_pods, &self.max_pods);
        set(&mut config.pod_pids_limit, &self.pod_max_pids);
        set(&mut config.pod_cidr, &self.pod_cidr);
        set(&mut config.provider_id, &self.provider_id);
        set(&mut config.register_node, &self.register_node);
        set(&mut config.fail_swap_on, &self.fail_swap_on);
        set(&mut config.rotate_certificates, &self.rotate_certificates);
        set(&mut config.server_tls_bootstrap, &self.rotate_server_certificates);
        set(&mut config.tls_cert_file, &self.tls_cert_file);
        set(&mut config.tls_private_key_file, &self.tls_private_key_file);
        set(&mut config.authentication.x509.client_ca_file, &self.client_ca_file);
        set(&mut config.authentication.anonymous.enabled, &self.anonymous_auth);
        set(&mut config.authentication.webhook.enabled, &self.authentication_token_webhook);
        set(&mut config.authorization.mode, &self.authorization_mode);
        set(&mut config.seccomp_default, &self.seccomp_default);
        set(&mut config.image_gc_high_threshold_percent, &self.image_gc_high_threshold);
        set(&mut config.image_gc_low_threshold_percent, &self.image_gc_low_threshold);
        set(&mut config.oom_score_adj, &self.oom_score_adj);
        set(&mut config.container_log_max_size, &self.container_log_max_size);
        set(&mut config.container_log_max_files, &self.container_log_max_files);
        duration(&mut config.runtime_request_timeout, self.runtime_request_timeout);
        duration(&mut config.sync_frequency, self.sync_frequency);
        duration(&mut config.file_check_frequency, self.file_check_frequency);
        duration(&mut config.node_status_update_frequency, self.node_status_update_frequency);
        if self.resolv_conf.is_some() {
            config.resolv_conf.clone_from(&self.resolv_conf);
        }
        if self.serialize_image_pulls.is_some() {
            config.serialize_image_pulls = self.serialize_image_pulls;
        }
        if let Some(text) = &self.register_with_taints {
            config.register_with_taints = parse_taints(text)?;
        }
        if let Some(text) = &self.eviction_hard {
            config.eviction_hard = Some(parse_pairs("eviction-hard", text, '<')?);
        }
        if let Some(text) = &self.system_reserved {
            config.system_reserved = parse_pairs("system-reserved", text, '=')?;
        }
        if let Some(text) = &self.kube_reserved {
            config.kube_reserved = parse_pairs("kube-reserved", text, '=')?;
        }
        if let Some(text) = &self.feature_gates {
            for (name, value) in parse_pairs("feature-gates", text, '=')? {
                let value =
                    parse_bool(&value).map_err(|rule| FlagError { flag: "feature-gates", value, rule })?;
                config.feature_gates.insert(name, value);
            }
        }
        Ok(())
    }
}

/// `key=value,key=value`, or with another separator.
pub fn parse_pairs(
    flag: &'static str,
    text: &str,
    separator: char,
) -> Result<BTreeMap<String, String>, FlagError> {
    text.split(',')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.split_once(separator) {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok((key.trim().to_owned(), value.trim().to_owned()))
            }
            _ => {
                Err(FlagError { flag, value: pair.to_owned(), rule: format!("expected key{separator}value") })
            }
        })
        .collect()
}

/// `key=value:effect,key:effect`.
fn parse_taints(text: &str) -> Result<Vec<RegisterTaint>, FlagError> {
    text.split(',')
        .filter(|taint| !taint.is_empty())
        .map(|taint| {
            let (pair, effect) = taint.rsplit_once(':').ok_or_else(|| FlagError {
                flag: "register-with-taints",
                value: taint.to_owned(),
                rule: "expected key=value:effect".to_owned(),
            })?;
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok(RegisterTaint {
                key: key.to_owned(),
                value: value.to_owned(),
                effect: effect.to_owned(),
                time_added: None,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn flags_win_over_the_file() {
        let options = Options::try_parse_from([
            "kubelet",
            "--max-pods=7",
            "--register-with-taints=a=b:NoSchedule,c:NoExecute",
            "--eviction-hard=memory.available<1Gi",
            "--fail-swap-on=false",
            "--seccomp-default",
        ])
        .expect("valid");
        let mut config = KubeletConfiguration::default();
        options.overrides.apply(&mut config).expect("applied");
        assert_eq!(config.max_pods, 7);
        assert!(!config.fail_swap_on && config.seccomp_default);
        assert_eq!(config.register_with_taints.len(), 2);
        assert_eq!(config.hard_thresholds().get("memory.available").map(String::as_str), Some("1Gi"));
        assert!(parse_taints("novalue").is_err());
        assert!(parse_pairs("x", "a", '=').is_err());
    }
}
