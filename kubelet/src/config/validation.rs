//! What the configuration may say: ranges, formats, and features this kubelet does not have.

use std::fmt;
use std::net::IpAddr;

use component_base::features::FeatureGates;
use kubelet_core::eviction;
use machinery::Quantity;

use super::KubeletConfiguration;

/// A field that is refused, with its value and the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub field: &'static str,
    pub value: String,
    pub rule: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.field, self.value, self.rule)
    }
}

/// Every refused field.
pub(super) fn check(config: &KubeletConfiguration) -> Vec<Refusal> {
    let mut found = Vec::new();
    ranges(config, &mut found);
    choices(config, &mut found);
    unsupported(config, &mut found);
    formats(config, &mut found);
    logging(config, &mut found);
    gates(config, &mut found);
    found
}

/// Logging begins before the file is read: what it would change is refused, not ignored.
fn logging(config: &KubeletConfiguration, found: &mut Vec<Refusal>) {
    let logging = &config.logging;
    if logging.verbosity != 0 {
        refuse(found, "logging.verbosity", logging.verbosity, "set it by the flag --v");
    }
    if logging.format == "json" {
        refuse(found, "logging.format", "\"json\"", "set it by the flag --logging-format");
    }
    if !logging.vmodule.is_empty() {
        refuse(found, "logging.vmodule", "set", "set it by the flag --vmodule");
    }
    if logging.options.text.split_stream || logging.options.json.split_stream {
        refuse(found, "logging.options", "splitStream", "not supported by this kubelet; remove the field");
    }
}

/// Feature gates: known ones, and of those only the ones that can be switched here.
fn gates(config: &KubeletConfiguration, found: &mut Vec<Refusal>) {
    if let Err(error) = FeatureGates::from_map(&config.feature_gates, &[]) {
        refuse(found, "featureGates", "set", error.to_string());
    }
}

fn refuse(found: &mut Vec<Refusal>, field: &'static str, value: impl fmt::Display, rule: impl Into<String>) {
    found.push(Refusal { field, value: value.to_string(), rule: rule.into() });
}

fn ranges(config: &KubeletConfiguration, found: &mut Vec<Refusal>) {
    let ports = [
        ("port", config.port, 1),
        ("healthzPort", config.healthz_port, 0),
        ("readOnlyPort", config.read_only_port, 0),
    ];
    for (field, value, least) in ports {
        if !(least..=65535).contains(&value) {
            refuse(found, field, value, format!("must be between {least} and 65535, inclusive"));
        }
    }
    let not_negative = [
        ("maxPods", config.max_pods),
        ("podsPerCore", config.pods_per_core),
        ("eventRecordQPS", config.event_record_qps),
        ("eventBurst", config.event_burst),
        ("registryPullQPS", config.registry_pull_qps),
        ("registryBurst", config.registry_burst),
        ("kubeAPIQPS", config.kube_api_qps),
        ("kubeAPIBurst", config.kube_api_burst),
        ("evictionMaxPodGracePeriod", config.eviction_max_pod_grace_period),
    ];
    for (field, value) in not_negative {
        if value < 0 {
            refuse(found, field, value, "must not be a negative number");
        }
    }
    let percents = [
        ("imageGCHighThresholdPercent", config.image_gc_high_threshold_percent),
        ("imageGCLowThresholdPercent", config.image_gc_low_threshold_percent),
    ];
    for (field, value) in percents {
        if !(0..=100).contains(&value) {
            refuse(found, field, value, "must be between 0 and 100, inclusive");
        }
    }
    if config.image_gc_low_threshold_percent >= config.image_gc_high_threshold_percent {
        refuse(
            found,
            "imageGCLowThresholdPercent",
            config.image_gc_low_threshold_percent,
            format!(
                "must be less than imageGCHighThresholdPercent {}",
                config.image_gc_high_threshold_percent
            ),
        );
    }
    if !(-1000..=1000).contains(&config.oom_score_adj) {
        refuse(found, "oomScoreAdj", config.oom_score_adj, "must be between -1000 and 1000, inclusive");
    }
    if config.node_lease_duration_seconds <= 0 {
        refuse(
            found,
            "nodeLeaseDurationSeconds",
            config.node_lease_duration_seconds,
            "must be greater than 0",
        );
    }
    if config.container_log_max_files < 2 {
        refuse(found, "containerLogMaxFiles", config.container_log_max_files, "must be greater than 1");
    }
    if config.container_log_max_workers < 1 {
        refuse(
            found,
            "containerLogMaxWorkers",
            config.container_log_max_workers,
            "must be a positive integer",
        );
    }
    let period = config.cpu_cfs_quota_period.0;
    if period.as_millis() < 1 || period.as_secs() > 1 {
        refuse(
            found,
            "cpuCFSQuotaPeriod",
            config.cpu_cfs_quota_period,
            "must be between 1ms and 1sec, inclusive",
        );
    }
    if config.serialize_image_pulls == Some(true)
        && config.max_parallel_image_pulls.is_some_and(|limit| limit > 1)
    {
        refuse(
            found,
            "maxParallelImagePulls",
            config.max_parallel_image_pulls.unwrap_or_default(),
            "cannot be larger than 1 unless serializeImagePulls is false",
        );
    }
    if config.max_parallel_image_pulls.is_some_and(|limit| limit < 1) {
        refuse(
            found,
            "maxParallelImagePulls",
            config.max_parallel_image_pulls.unwrap_or_default(),
            "must be a positive number",
        );
    }
    if let Some(period) = config.crash_loop_back_off.max_container_restart_period
        && !(1..=300).contains(&period.0.as_secs())
    {
        refuse(
            found,
            "crashLoopBackOff.maxContainerRestartPeriod",
            period,
            "must be set between 1s and 300s, inclusive",
        );
    }
}

/// Fields with a fixed set of values. An unsupported choice is named as such, so that nobody takes it for a typo.
fn choices(config: &KubeletConfiguration, found: &mut Vec<Refusal>) {
    let fields: [(&'static str, &str, &[&str], &[&str]); 10] = [
        ("authorization.mode", &config.authorization.mode, &["AlwaysAllow", "Webhook"], &[]),
        ("cgroupDriver", &config.cgroup_driver, &["cgroupfs", "systemd"], &[]),
        ("cpuManagerPolicy", &config.cpu_manager_policy, &["none"], &["static"]),
        ("memoryManagerPolicy", &config.memory_manager_policy, &["None"], &["Static", "BestEffort"]),
        (
            "topologyManagerPolicy",
            &config.topology_manager_policy,
            &["none"],
            &["best-effort", "restricted", "single-numa-node"],
        ),
        ("topologyManagerScope", &config.topology_manager_scope, &["container", "pod"], &[]),
        ("memorySwap.swapBehavior", &config.memory_swap.swap_behavior, &["", "NoSwap"], &["LimitedSwap"]),
        ("memoryReservationPolicy", &config.memory_reservation_policy, &["None"], &["TieredReservation"]),
        (
            "imagePullCredentialsVerificationPolicy",
            &config.image_pull_credentials_verification_policy,
            &["NeverVerify", "NeverVerifyPreloadedImages"],
            &["NeverVerifyAllowlistedImages", "AlwaysVerify"],
        ),
        (
            "configMapAndSecretChangeDetectionStrategy",
            &config.config_map_and_secret_change_detection_strategy,
            &["Watch"],
            &["Get", "Cache"],
        ),
    ];
    for (field, value, supported, known) in fields {
        if supported.contains(&value) {
            continue;
        }
        let rule = if known.contains(&value) {
            format!("not supported by this kubelet; supported: {supported:?}")
        } else {
            format!("supported values: {supported:?}")
        };
        refuse(found, field, format!("{value:?}"), rule);
    }
    if config.hairpin_mode != "promiscuous-bridge"
        && config.hairpin_mode != "hairpin-veth"
        && config.hairpin_mode != "none"
    {
        refuse(
            found,
            "hairpinMode",
            format!("{:?}", config.hairpin_mode),
            "supported values: [\"none\", \"hairpin-veth\", \"promiscuous-bridge\"]",
        );
    }
    if !matches!(config.tls_min_version.as_str(), "" | "VersionTLS12" | "VersionTLS13") {
        refuse(
            found,
            "tlsMinVersion",
            format!("{:?}", config.tls_min_version),
            "supported values: [\"VersionTLS12\", \"VersionTLS13\"]",
        );
    }
    if !matches!(config.logging.format.as_str(), "" | "text" | "json") {
        refuse(
            found,
            "logging.format",
            format!("{:?}", config.logging.format),
            "supported values: [\"json\", \"text\"]",
        );
    }
}

/// What upstream has and this kubelet has not. Each is refused rather than ignored.
fn unsupported(config: &KubeletConfiguration, found: &mut Vec<Refusal>) {
    let set: [(&'static str, bool); 25] = [
        ("contentType", config.content_type != "application/vnd.kubernetes.protobuf"),
        ("makeIPTablesUtilChains", !config.make_iptables_util_chains),
        ("iptablesMasqueradeBit", config.iptables_masquerade_bit != 14),
        ("iptablesDropBit", config.iptables_drop_bit != 15),
        ("showHiddenMetricsForVersion", !config.show_hidden_metrics_for_version.is_empty()),
        ("staticPodURL", !config.static_pod_url.is_empty()),
        ("staticPodURLHeader", !config.static_pod_url_header.is_empty()),
        ("readOnlyPort", config.read_only_port != 0),
        ("tlsCurvePreferences", !config.tls_curve_preferences.is_empty()),
        ("preloadedImagesVerificationAllowlist", !config.preloaded_images_verification_allowlist.is_empty()),
        ("enableContentionProfiling", config.enable_contention_profiling),
        ("kubeletCgroups", !config.kubelet_cgroups.is_empty()),
        ("systemCgroups", !config.system_cgroups.is_empty()),
        ("cpuManagerPolicyOptions", !config.cpu_manager_policy_options.is_empty()),
        ("topologyManagerPolicyOptions", !config.topology_manager_policy_options.is_empty()),
        ("qosReserved", !config.qos_reserved.is_empty()),
        ("runOnce", config.run_once),
        ("reservedSystemCPUs", !config.reserved_system_cpus.is_empty()),
        ("kernelMemcgNotification", config.kernel_memcg_notification),
        ("shutdownGracePeriod", config.shutdown_grace_period.0 != std::time::Duration::ZERO),
        ("shutdownGracePeriodByPodPriority", !config.shutdown_grace_period_by_pod_priority.is_empty()),
        ("reservedMemory", !config.reserved_memory.is_empty()),
        ("tracing", config.tracing.is_some()),
        ("userNamespaces", config.user_namespaces.is_some()),
        ("memoryThrottlingFactor", config.memory_throttling_factor.is_some_and(|factor| factor != 0.9)),
    ];
    for (field, is_set) in set {
        if is_set {
            refuse(found, field, "set", "not supported by this kubelet; remove the field");
        }
    }
    for name in &config.enforce_node_allocatable {
        match name.as_str() {
            "pods" | "none" | "" => {}
            "system-reserved"
            | "kube-reserved"
            | "system-reserved-compressible"
            | "kube-reserved-compressible" => {
                refuse(
                    found,
                    "enforceNodeAllocatable",
                    format!("{name:?}"),
                    "not supported by this kubelet; supported: [\"pods\", \"none\"]",
                );
            }
            _ => refuse(
                found,
                "enforceNodeAllocatable",
                format!("{name:?}"),
                "supported values: [\"none\", \"pods\"]",
            ),
        }
    }
    if !config.cgroups_per_qos && config.enforce_node_allocatable.iter().any(|name| name == "pods") {
        refuse(
            found,
            "enforceNodeAllocatable",
            "\"pods\"",
            "is not supported unless cgroupsPerQOS is set to true",
        );
    }
}

fn formats(config: &KubeletConfiguration, found: &mut Vec<Refusal>) {
    let addresses = [("address", &config.address), ("healthzBindAddress", &config.healthz_bind_address)];
    for (field, value) in addresses {
        if value.parse::<IpAddr>().is_err() {
            refuse(found, field, format!("{value:?}"), "must be a valid IP address");
        }
    }
    for server in &config.cluster_dns {
        if server.parse::<IpAddr>().is_err() {
            refuse(found, "clusterDNS", format!("{server:?}"), "must be a valid IP address");
        }
    }
    if Quantity::parse(&config.container_log_max_size).map(|size| size.value()).unwrap_or(0) <= 0 {
        refuse(
            found,
            "containerLogMaxSize",
            format!("{:?}", config.container_log_max_size),
            "must be a positive quantity, such as 10Mi",
        );
    }
    for (field, map) in [("systemReserved", &config.system_reserved), ("kubeReserved", &config.kube_reserved)]
    {
        for (name, value) in map {
            if !matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage" | "pid") {
                refuse(
                    found,
                    field,
                    format!("{name:?}"),
                    "supported resources: [\"cpu\", \"memory\", \"ephemeral-storage\", \"pid\"]",
                );
            } else if Quantity::parse(value).map(|quantity| quantity.sign()).unwrap_or(-1) < 0 {
                refuse(found, field, format!("{name}={value}"), "must be a quantity that is not negative");
            }
        }
    }
    for taint in &config.register_with_taints {
        if !matches!(taint.effect.as_str(), "NoSchedule" | "PreferNoSchedule" | "NoExecute")
            || taint.key.is_empty()
        {
            refuse(
                found,
                "registerWithTaints",
                format!("{}={}:{}", taint.key, taint.value, taint.effect),
                "needs a key and one of the effects NoSchedule, PreferNoSchedule, NoExecute",
            );
        }
    }
    if let Err(error) = eviction::parse_thresholds(
        &config.hard_thresholds(),
        &config.eviction_soft,
        &config.eviction_soft_grace_period,
        &config.eviction_minimum_reclaim,
    ) {
        refuse(found, "evictionHard", "invalid", error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(body: &str, expected: &[&str]) {
        let text = format!("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n{body}");
        let mut config: KubeletConfiguration =
            component_base::config::decode("test", &text).unwrap_or_else(|error| panic!("{error}"));
        config.fill_zeroes();
        let found: Vec<String> = check(&config).iter().map(Refusal::to_string).collect();
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn defaults_and_upstreams_choices_are_accepted() {
        check_text("", &[]);
        check_text("cgroupDriver: systemd\nclusterDNS: [10.96.0.10]\nsyncFrequency: 0s\n", &[]);
    }

    #[test]
    fn refusals_name_field_value_and_rule() {
        check_text("maxPods: -1", &["maxPods: -1: must not be a negative number"]);
        check_text(
            "cpuManagerPolicy: static",
            &["cpuManagerPolicy: \"static\": not supported by this kubelet; supported: [\"none\"]"],
        );
        check_text(
            "staticPodURL: http://x",
            &["staticPodURL: set: not supported by this kubelet; remove the field"],
        );
        check_text("clusterDNS: [dns]", &["clusterDNS: \"dns\": must be a valid IP address"]);
        check_text(
            "evictionHard: {memory.free: 1Mi}",
            &["evictionHard: invalid: unsupported eviction signal memory.free"],
        );
    }

    #[test]
    fn report_frequency_follows_the_update_frequency() {
        let mut config = KubeletConfiguration {
            node_status_update_frequency: super::super::GoDuration::seconds(4),
            ..KubeletConfiguration::default()
        };
        config.fill_zeroes();
        assert_eq!(config.node_status_report_frequency, super::super::GoDuration::seconds(4));
    }
}
