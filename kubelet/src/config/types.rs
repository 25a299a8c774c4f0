//! The fields of the configuration, with upstream's names and defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::GoDuration;

/// `KubeletConfiguration`. A zero duration or an empty text means the default, as upstream reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct KubeletConfiguration {
    pub enable_server: bool,
    pub static_pod_path: String,
    pub pod_logs_dir: String,
    pub sync_frequency: GoDuration,
    pub file_check_frequency: GoDuration,
    pub http_check_frequency: GoDuration,
    #[serde(rename = "staticPodURL")]
    pub static_pod_url: String,
    #[serde(rename = "staticPodURLHeader")]
    pub static_pod_url_header: BTreeMap<String, Vec<String>>,
    pub address: String,
    pub port: i32,
    pub read_only_port: i32,
    pub tls_cert_file: String,
    pub tls_private_key_file: String,
    pub tls_cipher_suites: Vec<String>,
    pub tls_curve_preferences: Vec<i32>,
    pub tls_min_version: String,
    pub rotate_certificates: bool,
    #[serde(rename = "serverTLSBootstrap")]
    pub server_tls_bootstrap: bool,
    pub authentication: Authentication,
    pub authorization: Authorization,
    #[serde(rename = "registryPullQPS")]
    pub registry_pull_qps: i32,
    pub registry_burst: i32,
    pub image_pull_credentials_verification_policy: String,
    pub preloaded_images_verification_allowlist: Vec<String>,
    #[serde(rename = "eventRecordQPS")]
    pub event_record_qps: i32,
    pub event_burst: i32,
    pub enable_debugging_handlers: bool,
    pub enable_contention_profiling: bool,
    pub healthz_port: i32,
    pub healthz_bind_address: String,
    pub oom_score_adj: i32,
    pub cluster_domain: String,
    #[serde(rename = "clusterDNS")]
    pub cluster_dns: Vec<String>,
    pub streaming_connection_idle_timeout: GoDuration,
    pub node_status_update_frequency: GoDuration,
    pub node_status_report_frequency: GoDuration,
    pub node_lease_duration_seconds: i32,
    #[serde(rename = "imageMinimumGCAge")]
    pub image_minimum_gc_age: GoDuration,
    #[serde(rename = "imageMaximumGCAge")]
    pub image_maximum_gc_age: GoDuration,
    #[serde(rename = "imageGCHighThresholdPercent")]
    pub image_gc_high_threshold_percent: i32,
    #[serde(rename = "imageGCLowThresholdPercent")]
    pub image_gc_low_threshold_percent: i32,
    pub volume_stats_agg_period: GoDuration,
    pub kubelet_cgroups: String,
    pub system_cgroups: String,
    pub cgroup_root: String,
    #[serde(rename = "cgroupsPerQOS")]
    pub cgroups_per_qos: bool,
    pub cgroup_driver: String,
    pub cpu_manager_policy: String,
    #[serde(rename = "singleProcessOOMKill")]
    pub single_process_oom_kill: Option<bool>,
    pub cpu_manager_policy_options: BTreeMap<String, String>,
    pub cpu_manager_reconcile_period: GoDuration,
    pub memory_manager_policy: String,
    pub topology_manager_policy: String,
    pub topology_manager_scope: String,
    pub topology_manager_policy_options: BTreeMap<String, String>,
    pub qos_reserved: BTreeMap<String, String>,
    pub runtime_request_timeout: GoDuration,
    pub hairpin_mode: String,
    pub max_pods: i32,
    #[serde(rename = "podCIDR")]
    pub pod_cidr: String,
    pub pod_pids_limit: i64,
    /// Missing: `/etc/resolv.conf`. Empty: no name resolution by the host.
    pub resolv_conf: Option<String>,
    pub run_once: bool,
    #[serde(rename = "cpuCFSQuota")]
    pub cpu_cfs_quota: bool,
    #[serde(rename = "cpuCFSQuotaPeriod")]
    pub cpu_cfs_quota_period: GoDuration,
    pub node_status_max_images: i32,
    pub max_open_files: i64,
    pub content_type: String,
    #[serde(rename = "kubeAPIQPS")]
    pub kube_api_qps: i32,
    #[serde(rename = "kubeAPIBurst")]
    pub kube_api_burst: i32,
    pub serialize_image_pulls: Option<bool>,
    pub max_parallel_image_pulls: Option<i32>,
    pub eviction_hard: Option<BTreeMap<String, String>>,
    pub eviction_soft: BTreeMap<String, String>,
    pub eviction_soft_grace_period: BTreeMap<String, String>,
    pub eviction_pressure_transition_period: GoDuration,
    pub eviction_max_pod_grace_period: i32,
    pub eviction_minimum_reclaim: BTreeMap<String, String>,
    pub merge_default_eviction_settings: bool,
    pub pods_per_core: i32,
    pub enable_controller_attach_detach: bool,
    pub protect_kernel_defaults: bool,
    #[serde(rename = "makeIPTablesUtilChains")]
    pub make_iptables_util_chains: bool,
    pub iptables_masquerade_bit: i32,
    pub iptables_drop_bit: i32,
    pub feature_gates: BTreeMap<String, bool>,
    pub fail_swap_on: bool,
    pub memory_swap: MemorySwap,
    pub container_log_max_size: String,
    pub container_log_max_files: i32,
    pub container_log_max_workers: i32,
    pub container_log_monitor_interval: GoDuration,
    pub config_map_and_secret_change_detection_strategy: String,
    pub system_reserved: BTreeMap<String, String>,
    pub kube_reserved: BTreeMap<String, String>,
    #[serde(rename = "reservedSystemCPUs")]
    pub reserved_system_cpus: String,
    pub show_hidden_metrics_for_version: String,
    pub system_reserved_cgroup: String,
    pub kube_reserved_cgroup: String,
    pub enforce_node_allocatable: Vec<String>,
    pub allowed_unsafe_sysctls: Vec<String>,
    pub volume_plugin_dir: String,
    #[serde(rename = "providerID")]
    pub provider_id: String,
    pub kernel_memcg_notification: bool,
    pub logging: Logging,
    pub enable_system_log_handler: bool,
    pub enable_system_log_query: bool,
    pub shutdown_grace_period: GoDuration,
    pub shutdown_grace_period_critical_pods: GoDuration,
    pub shutdown_grace_period_by_pod_priority: Vec<serde_json::Value>,
    pub crash_loop_back_off: CrashLoopBackOff,
    pub reserved_memory: Vec<serde_json::Value>,
    pub enable_profiling_handler: bool,
    pub enable_debug_flags_handler: bool,
    pub seccomp_default: bool,
    pub memory_throttling_factor: Option<f64>,
    pub memory_reservation_policy: String,
    pub register_with_taints: Vec<RegisterTaint>,
    pub register_node: bool,
    pub tracing: Option<serde_json::Value>,
    pub local_storage_capacity_isolation: bool,
    pub container_runtime_endpoint: String,
    pub image_service_endpoint: String,
    #[serde(rename = "failCgroupV1")]
    pub fail_cgroup_v1: bool,
    pub user_namespaces: Option<serde_json::Value>,
}

/// `authentication`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Authentication {
    pub x509: X509Authentication,
    pub webhook: WebhookAuthentication,
    pub anonymous: AnonymousAuthentication,
}

/// `authentication.x509`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct X509Authentication {
    #[serde(rename = "clientCAFile")]
    pub client_ca_file: String,
}

/// `authentication.webhook`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookAuthentication {
    pub enabled: bool,
    #[serde(rename = "cacheTTL")]
    pub cache_ttl: GoDuration,
}

impl Default for WebhookAuthentication {
    fn default() -> WebhookAuthentication {
        WebhookAuthentication { enabled: true, cache_ttl: GoDuration::seconds(120) }
    }
}

/// `authentication.anonymous`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct AnonymousAuthentication {
    pub enabled: bool,
}

/// `authorization`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Authorization {
    /// `AlwaysAllow` or `Webhook`.
    pub mode: String,
    pub webhook: WebhookAuthorization,
}

impl Default for Authorization {
    fn default() -> Authorization {
        Authorization { mode: "Webhook".to_owned(), webhook: WebhookAuthorization::default() }
    }
}

/// `authorization.webhook`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookAuthorization {
    #[serde(rename = "cacheAuthorizedTTL")]
    pub cache_authorized_ttl: GoDuration,
    #[serde(rename = "cacheUnauthorizedTTL")]
    pub cache_unauthorized_ttl: GoDuration,
}

impl Default for WebhookAuthorization {
    fn default() -> WebhookAuthorization {
        WebhookAuthorization {
            cache_authorized_ttl: GoDuration::seconds(300),
            cache_unauthorized_ttl: GoDuration::seconds(30),
        }
    }
}

/// `memorySwap`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct MemorySwap {
    /// `NoSwap` (or empty) or `LimitedSwap`.
    pub swap_behavior: String,
}

/// `crashLoopBackOff`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CrashLoopBackOff {
    /// Longest wait before a crashed container restarts.
    pub max_container_restart_period: Option<GoDuration>,
}

/// An element of `registerWithTaints`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterTaint {
    pub key: String,
    pub value: String,
    pub effect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_added: Option<String>,
}

/// `logging`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Logging {
    /// `text` (or empty) or `json`.
    pub format: String,
    pub flush_frequency: Option<serde_json::Value>,
    pub verbosity: u32,
    pub vmodule: Vec<serde_json::Value>,
    pub options: LogFormatOptions,
}

/// `logging.options`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct LogFormatOptions {
    pub text: LogTextOptions,
    pub json: LogJsonOptions,
}

/// `logging.options.text`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct LogTextOptions {
    pub split_stream: bool,
    pub info_buffer_size: Option<serde_json::Value>,
}

/// `logging.options.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct LogJsonOptions {
    pub split_stream: bool,
    pub info_buffer_size: Option<serde_json::Value>,
}

impl Default for KubeletConfiguration {
    fn default() -> KubeletConfiguration {
        KubeletConfiguration {
            enable_server: true,
            static_pod_path: String::new(),
            pod_logs_dir: "/var/log/pods".to_owned(),
            sync_frequency: GoDuration::seconds(60),
            file_check_frequency: GoDuration::seconds(20),
            http_check_frequency: GoDuration::seconds(20),
            static_pod_url: String::new(),
            static_pod_url_header: BTreeMap::new(),
            address: "0.0.0.0".to_owned(),
            port: 10250,
            read_only_port: 0,
            tls_cert_file: String::new(),
            tls_private_key_file: String::new(),
            tls_cipher_suites: Vec::new(),
            tls_curve_preferences: Vec::new(),
            tls_min_version: String::new(),
            rotate_certificates: false,
            server_tls_bootstrap: false,
            authentication: Authentication::default(),
            authorization: Authorization::default(),
            registry_pull_qps: 5,
            registry_burst: 10,
            image_pull_credentials_verification_policy: "NeverVerifyPreloadedImages".to_owned(),
            preloaded_images_verification_allowlist: Vec::new(),
            event_record_qps: 50,
            event_burst: 100,
            enable_debugging_handlers: true,
            enable_contention_profiling: false,
            healthz_port: 10248,
            healthz_bind_address: "127.0.0.1".to_owned(),
            oom_score_adj: kubelet_core::qos::KUBELET_OOM_SCORE,
            cluster_domain: String::new(),
            cluster_dns: Vec::new(),
            streaming_connection_idle_timeout: GoDuration::seconds(4 * 3600),
            // Zero until it is known whether the file sets the update frequency, which the report frequency follows.
            node_status_update_frequency: GoDuration::default(),
            node_status_report_frequency: GoDuration::default(),
            node_lease_duration_seconds: 40,
            image_minimum_gc_age: GoDuration::seconds(120),
            image_maximum_gc_age: GoDuration::default(),
            image_gc_high_threshold_percent: 85,
            image_gc_low_threshold_percent: 80,
            volume_stats_agg_period: GoDuration::seconds(60),
            kubelet_cgroups: String::new(),
            system_cgroups: String::new(),
            cgroup_root: String::new(),
            cgroups_per_qos: true,
            cgroup_driver: "cgroupfs".to_owned(),
            cpu_manager_policy: "none".to_owned(),
            single_process_oom_kill: None,
            cpu_manager_policy_options: BTreeMap::new(),
            cpu_manager_reconcile_period: GoDuration::seconds(10),
            memory_manager_policy: "None".to_owned(),
            topology_manager_policy: "none".to_owned(),
            topology_manager_scope: "container".to_owned(),
            topology_manager_policy_options: BTreeMap::new(),
            qos_reserved: BTreeMap::new(),
            runtime_request_timeout: GoDuration::seconds(120),
            hairpin_mode: "promiscuous-bridge".to_owned(),
            max_pods: 110,
            pod_cidr: String::new(),
            pod_pids_limit: -1,
            resolv_conf: None,
            run_once: false,
            cpu_cfs_quota: true,
            cpu_cfs_quota_period: GoDuration(std::time::Duration::from_millis(100)),
            node_status_max_images: 50,
            max_open_files: 1_000_000,
            content_type: "application/vnd.kubernetes.protobuf".to_owned(),
            kube_api_qps: 50,
            kube_api_burst: 100,
            serialize_image_pulls: None,
            max_parallel_image_pulls: None,
            eviction_hard: None,
            eviction_soft: BTreeMap::new(),
            eviction_soft_grace_period: BTreeMap::new(),
            eviction_pressure_transition_period: GoDuration::seconds(300),
            eviction_max_pod_grace_period: 0,
            eviction_minimum_reclaim: BTreeMap::new(),
            merge_default_eviction_settings: false,
            pods_per_core: 0,
            enable_controller_attach_detach: true,
            protect_kernel_defaults: false,
            make_iptables_util_chains: true,
            iptables_masquerade_bit: 14,
            iptables_drop_bit: 15,
            feature_gates: BTreeMap::new(),
            fail_swap_on: true,
            memory_swap: MemorySwap::default(),
            container_log_max_size: "10Mi".to_owned(),
            container_log_max_files: 5,
            container_log_max_workers: 1,
            container_log_monitor_interval: GoDuration::seconds(10),
            config_map_and_secret_change_detection_strategy: "Watch".to_owned(),
            system_reserved: BTreeMap::new(),
            kube_reserved: BTreeMap::new(),
            reserved_system_cpus: String::new(),
            show_hidden_metrics_for_version: String::new(),
            system_reserved_cgroup: String::new(),
            kube_reserved_cgroup: String::new(),
            enforce_node_allocatable: vec!["pods".to_owned()],
            allowed_unsafe_sysctls: Vec::new(),
            volume_plugin_dir: "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/".to_owned(),
            provider_id: String::new(),
            kernel_memcg_notification: false,
            logging: Logging::default(),
            enable_system_log_handler: true,
            enable_system_log_query: false,
            shutdown_grace_period: GoDuration::default(),
            shutdown_grace_period_critical_pods: GoDuration::default(),
            shutdown_grace_period_by_pod_priority: Vec::new(),
            crash_loop_back_off: CrashLoopBackOff::default(),
            reserved_memory: Vec::new(),
            enable_profiling_handler: true,
            enable_debug_flags_handler: true,
            seccomp_default: false,
            memory_throttling_factor: None,
            memory_reservation_policy: "None".to_owned(),
            register_with_taints: Vec::new(),
            register_node: true,
            tracing: None,
            local_storage_capacity_isolation: true,
            container_runtime_endpoint: "unix:///run/containerd/containerd.sock".to_owned(),
            image_service_endpoint: String::new(),
            fail_cgroup_v1: true,
            user_namespaces: None,
        }
    }
}

impl KubeletConfiguration {
    /// Gives zero values the defaults they stand for.
    pub(super) fn fill_zeroes(&mut self) {
        let defaults = KubeletConfiguration::default();
        let duration = |field: &mut GoDuration, default: GoDuration| {
            if *field == GoDuration::default() {
                *field = default;
            }
        };
        let number = |field: &mut i32, default: i32| {
            if *field == 0 {
                *field = default;
            }
        };
        let text = |field: &mut String, default: &str| {
            if field.is_empty() {
                *field = default.to_owned();
            }
        };
        let report = if self.node_status_update_frequency == GoDuration::default() {
            GoDuration::seconds(300)
        } else {
            self.node_status_update_frequency
        };
        duration(&mut self.node_status_report_frequency, report);
        duration(&mut self.node_status_update_frequency, GoDuration::seconds(10));
        duration(&mut self.sync_frequency, defaults.sync_frequency);
        duration(&mut self.file_check_frequency, defaults.file_check_frequency);
        duration(&mut self.http_check_frequency, defaults.http_check_frequency);
        duration(&mut self.streaming_connection_idle_timeout, defaults.streaming_connection_idle_timeout);
        duration(&mut self.image_minimum_gc_age, defaults.image_minimum_gc_age);
        duration(&mut self.volume_stats_agg_period, defaults.volume_stats_agg_period);
        duration(&mut self.cpu_manager_reconcile_period, defaults.cpu_manager_reconcile_period);
        duration(&mut self.runtime_request_timeout, defaults.runtime_request_timeout);
        duration(&mut self.eviction_pressure_transition_period, defaults.eviction_pressure_transition_period);
        duration(&mut self.cpu_cfs_quota_period, defaults.cpu_cfs_quota_period);
        duration(&mut self.container_log_monitor_interval, defaults.container_log_monitor_interval);
        let webhook = &mut self.authorization.webhook;
        duration(&mut self.authentication.webhook.cache_ttl, GoDuration::seconds(120));
        duration(&mut webhook.cache_authorized_ttl, GoDuration::seconds(300));
        duration(&mut webhook.cache_unauthorized_ttl, GoDuration::seconds(30));
        number(&mut self.port, defaults.port);
        number(&mut self.registry_burst, defaults.registry_burst);
        number(&mut self.event_burst, defaults.event_burst);
        number(&mut self.node_lease_duration_seconds, defaults.node_lease_duration_seconds);
        number(&mut self.max_pods, defaults.max_pods);
        number(&mut self.kube_api_burst, defaults.kube_api_burst);
        text(&mut self.address, &defaults.address);
        text(&mut self.pod_logs_dir, &defaults.pod_logs_dir);
        text(&mut self.authorization.mode, &defaults.authorization.mode);
        text(&mut self.healthz_bind_address, &defaults.healthz_bind_address);
        text(&mut self.cgroup_driver, &defaults.cgroup_driver);
        text(&mut self.cpu_manager_policy, &defaults.cpu_manager_policy);
        text(&mut self.memory_manager_policy, &defaults.memory_manager_policy);
        text(&mut self.topology_manager_policy, &defaults.topology_manager_policy);
        text(&mut self.topology_manager_scope, &defaults.topology_manager_scope);
        text(&mut self.hairpin_mode, &defaults.hairpin_mode);
        text(&mut self.content_type, &defaults.content_type);
        text(&mut self.container_log_max_size, &defaults.container_log_max_size);
        text(
            &mut self.config_map_and_secret_change_detection_strategy,
            &defaults.config_map_and_secret_change_detection_strategy,
        );
        text(&mut self.volume_plugin_dir, &defaults.volume_plugin_dir);
        text(&mut self.container_runtime_endpoint, &defaults.container_runtime_endpoint);
        text(&mut self.memory_reservation_policy, &defaults.memory_reservation_policy);
        text(
            &mut self.image_pull_credentials_verification_policy,
            &defaults.image_pull_credentials_verification_policy,
        );
        if self.pod_pids_limit < 0 {
            self.pod_pids_limit = -1;
        }
    }

    /// How many images may be pulled at a time; `None` for no limit.
    pub fn parallel_image_pulls(&self) -> Option<usize> {
        let serialize = self
            .serialize_image_pulls
            .unwrap_or_else(|| self.max_parallel_image_pulls.is_none_or(|limit| limit < 2));
        if serialize {
            return Some(1);
        }
        self.max_parallel_image_pulls.and_then(|limit| usize::try_from(limit).ok())
    }

    /// The hard eviction thresholds in force.
    pub fn hard_thresholds(&self) -> BTreeMap<String, String> {
        let defaults = || {
            kubelet_core::eviction::DEFAULT_HARD
                .iter()
                .map(|(signal, value)| ((*signal).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        match &self.eviction_hard {
            None => defaults(),
            Some(own) if self.merge_default_eviction_settings => {
                let mut merged = defaults();
                merged.extend(own.clone());
                merged
            }
            Some(own) => own.clone(),
        }
    }
}
