//! The configurations of the kubelet and of kube-proxy that kubeadm hands out to all nodes.
//!
//! They belong to those components; kubeadm keeps them as they were written, knows only the names of their
//! fields, and fills in what follows from the cluster.

use serde_json::{Map, Value, json};

use super::v1beta4::ClusterConfiguration;
use crate::constants;

/// One configuration document of another component, without apiVersion and kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComponentConfig {
    pub fields: Map<String, Value>,
    /// Whether the user wrote it; what kubeadm made itself may be made anew by an upgrade.
    pub user_supplied: bool,
    /// Names of the fields the user set.
    given: Vec<String>,
}

/// The group and version of the kubelet's document.
pub const KUBELET_API_VERSION: &str = "kubelet.config.k8s.io/v1beta1";
/// The group and version of kube-proxy's document.
pub const KUBE_PROXY_API_VERSION: &str = "kubeproxy.config.k8s.io/v1alpha1";
/// Where kube-proxy's pod sees its kubeconfig.
const KUBE_PROXY_KUBECONFIG: &str = "/var/lib/kube-proxy/kubeconfig.conf";
/// The resolver file to use where systemd-resolved owns /etc/resolv.conf.
const SYSTEMD_RESOLVED_FILE: &str = "/run/systemd/resolve/resolv.conf";

/// All fields of a KubeletConfiguration.
pub const KUBELET_FIELDS: &[&str] = &[
    "apiVersion",
    "kind",
    "address",
    "allowedUnsafeSysctls",
    "authentication",
    "authorization",
    "cgroupDriver",
    "cgroupRoot",
    "cgroupsPerQOS",
    "clusterDNS",
    "clusterDomain",
    "configMapAndSecretChangeDetectionStrategy",
    "containerLogMaxFiles",
    "containerLogMaxSize",
    "containerLogMaxWorkers",
    "containerLogMonitorInterval",
    "containerRuntimeEndpoint",
    "contentType",
    "cpuCFSQuota",
    "cpuCFSQuotaPeriod",
    "cpuManagerPolicy",
    "cpuManagerPolicyOptions",
    "cpuManagerReconcilePeriod",
    "crashLoopBackOff",
    "enableContentionProfiling",
    "enableControllerAttachDetach",
    "enableDebugFlagsHandler",
    "enableDebuggingHandlers",
    "enableProfilingHandler",
    "enableServer",
    "enableSystemLogHandler",
    "enableSystemLogQuery",
    "enforceNodeAllocatable",
    "eventBurst",
    "eventRecordQPS",
    "evictionHard",
    "evictionMaxPodGracePeriod",
    "evictionMinimumReclaim",
    "evictionPressureTransitionPeriod",
    "evictionSoft",
    "evictionSoftGracePeriod",
    "failCgroupV1",
    "failSwapOn",
    "featureGates",
    "fileCheckFrequency",
    "hairpinMode",
    "healthzBindAddress",
    "healthzPort",
    "httpCheckFrequency",
    "imageGCHighThresholdPercent",
    "imageGCLowThresholdPercent",
    "imageMaximumGCAge",
    "imageMinimumGCAge",
    "imagePullCredentialsVerificationPolicy",
    "imageServiceEndpoint",
    "iptablesDropBit",
    "iptablesMasqueradeBit",
    "kernelMemcgNotification",
    "kubeAPIBurst",
    "kubeAPIQPS",
    "kubeReserved",
    "kubeReservedCgroup",
    "kubeletCgroups",
    "localStorageCapacityIsolation",
    "logging",
    "makeIPTablesUtilChains",
    "maxOpenFiles",
    "maxParallelImagePulls",
    "maxPods",
    "memoryManagerPolicy",
    "memoryReservationPolicy",
    "memorySwap",
    "memoryThrottlingFactor",
    "mergeDefaultEvictionSettings",
    "nodeLeaseDurationSeconds",
    "nodeStatusMaxImages",
    "nodeStatusReportFrequency",
    "nodeStatusUpdateFrequency",
    "oomScoreAdj",
    "podCIDR",
    "podLogsDir",
    "podPidsLimit",
    "podsPerCore",
    "port",
    "preloadedImagesVerificationAllowlist",
    "protectKernelDefaults",
    "providerID",
    "qosReserved",
    "readOnlyPort",
    "registerNode",
    "registerWithTaints",
    "registryBurst",
    "registryPullQPS",
    "reservedMemory",
    "reservedSystemCPUs",
    "resolvConf",
    "rotateCertificates",
    "runOnce",
    "runtimeRequestTimeout",
    "seccompDefault",
    "serializeImagePulls",
    "serverTLSBootstrap",
    "showHiddenMetricsForVersion",
    "shutdownGracePeriod",
    "shutdownGracePeriodByPodPriority",
    "shutdownGracePeriodCriticalPods",
    "singleProcessOOMKill",
    "staticPodPath",
    "staticPodURL",
    "staticPodURLHeader",
    "streamingConnectionIdleTimeout",
    "syncFrequency",
    "systemCgroups",
    "systemReserved",
    "systemReservedCgroup",
    "tlsCertFile",
    "tlsCipherSuites",
    "tlsCurvePreferences",
    "tlsMinVersion",
    "tlsPrivateKeyFile",
    "topologyManagerPolicy",
    "topologyManagerPolicyOptions",
    "topologyManagerScope",
    "tracing",
    "userNamespaces",
    "volumePluginDir",
    "volumeStatsAggPeriod",
];
/// All fields of a KubeProxyConfiguration.
pub const KUBE_PROXY_FIELDS: &[&str] = &[
    "apiVersion",
    "kind",
    "bindAddress",
    "bindAddressHardFail",
    "clientConnection",
    "clusterCIDR",
    "configSyncPeriod",
    "conntrack",
    "detectLocal",
    "detectLocalMode",
    "enableProfiling",
    "featureGates",
    "healthzBindAddress",
    "hostnameOverride",
    "iptables",
    "ipvs",
    "logging",
    "metricsBindAddress",
    "mode",
    "nftables",
    "nodePortAddresses",
    "oomScoreAdj",
    "portRange",
    "showHiddenMetricsForVersion",
    "windowsRunAsService",
    "winkernel",
];

impl ComponentConfig {
    /// What a user wrote.
    pub fn written(fields: Map<String, Value>) -> Self {
        let given = fields.keys().cloned().collect();
        Self { fields, user_supplied: true, given }
    }

    /// Whether a field has its value from the user.
    pub fn user_set(&self, field: &str) -> bool {
        self.given.iter().any(|given| given == field)
    }

    /// The document as it is written to files and ConfigMaps.
    pub fn to_value(&self, api_version: &str, kind: &str) -> Value {
        let mut document = self.fields.clone();
        document.insert("apiVersion".to_owned(), json!(api_version));
        document.insert("kind".to_owned(), json!(kind));
        Value::Object(document)
    }

    /// A text field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Sets a field nobody set; warns when the user chose something else than kubeadm would.
    fn default(&mut self, kind: &str, path: &[&str], value: Value) {
        let Some((last, parents)) = path.split_last() else { return };
        let mut fields = &mut self.fields;
        for parent in parents {
            let entry = fields.entry((*parent).to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if !entry.is_object() {
                *entry = Value::Object(Map::new());
            }
            match entry {
                Value::Object(inner) => fields = inner,
                _ => return,
            }
        }
        match fields.get(*last) {
            Some(given) if !is_unset(given) => {
                if *given != value {
                    tracing::warn!(
                        "the recommended value for {:?} in {kind:?} is: {value}; the provided value is: {given}",
                        path.join(".")
                    );
                }
            }
            _ => {
                fields.insert((*last).to_owned(), value);
            }
        }
    }
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// What kubeadm wants of the host's kubelets to know.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostHabits {
    /// systemd is the first process, so it also manages control groups.
    pub systemd: bool,
    /// systemd-resolved writes /etc/resolv.conf, whose only server then is a local address.
    pub systemd_resolved: bool,
}

/// The kubelet's configuration for a cluster.
pub fn kubelet(
    given: Option<ComponentConfig>,
    cluster: &ClusterConfiguration,
    habits: HostHabits,
) -> ComponentConfig {
    let kind = "KubeletConfiguration";
    let mut config = given.unwrap_or_default();
    let dns = crate::render::addresses::dns_address(&cluster.networking.service_subnet)
        .map_or_else(|| "10.96.0.10".to_owned(), |address| address.to_string());
    let ca = format!("{}/ca.crt", cluster.certificates_dir.trim_end_matches('/'));
    let defaults: [(&[&str], Value); 12] = [
        (&["staticPodPath"], json!(constants::MANIFESTS_DIR)),
        (&["clusterDNS"], json!([dns])),
        (&["clusterDomain"], json!(cluster.networking.dns_domain)),
        (&["authentication", "x509", "clientCAFile"], json!(ca)),
        (&["authentication", "anonymous", "enabled"], json!(false)),
        (&["authentication", "webhook", "enabled"], json!(true)),
        (&["authorization", "mode"], json!("Webhook")),
        (&["healthzBindAddress"], json!("127.0.0.1")),
        (&["healthzPort"], json!(constants::KUBELET_HEALTHZ_PORT)),
        (&["rotateCertificates"], json!(true)),
        // So that the API server can verify whom it hands commands and reads logs from.
        (&["serverTLSBootstrap"], json!(true)),
        (&["cgroupDriver"], json!(if habits.systemd { "systemd" } else { "cgroupfs" })),
    ];
    for (path, value) in defaults {
        config.default(kind, path, value);
    }
    if habits.systemd_resolved {
        config.default(kind, &["resolvConf"], json!(SYSTEMD_RESOLVED_FILE));
    }
    config
}

/// kube-proxy's configuration for a cluster.
pub fn kube_proxy(
    given: Option<ComponentConfig>,
    cluster: &ClusterConfiguration,
    advertise_address: &str,
) -> ComponentConfig {
    let kind = "KubeProxyConfiguration";
    let mut config = given.unwrap_or_default();
    let everywhere = if advertise_address.contains(':') { "::" } else { "0.0.0.0" };
    config.default(kind, &["bindAddress"], json!(everywhere));
    config.default(kind, &["clientConnection", "kubeconfig"], json!(KUBE_PROXY_KUBECONFIG));
    // Our kube-proxy programs nftables; saying so makes upstream's do the same when it takes over.
    config.default(kind, &["mode"], json!("nftables"));
    if !cluster.networking.pod_subnet.is_empty() {
        config.default(kind, &["clusterCIDR"], json!(cluster.networking.pod_subnet));
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> ClusterConfiguration {
        let mut cluster = ClusterConfiguration::default();
        super::super::defaults::cluster(&mut cluster);
        cluster
    }

    #[test]
    fn the_kubelet_is_told_about_the_cluster() {
        let config = kubelet(None, &cluster(), HostHabits { systemd: true, systemd_resolved: true });
        assert_eq!(config.fields["clusterDNS"], json!(["10.96.0.10"]));
        assert_eq!(config.fields["authentication"]["x509"]["clientCAFile"], "/etc/kubernetes/pki/ca.crt");
        assert_eq!(config.fields["authentication"]["anonymous"]["enabled"], false);
        assert_eq!(config.fields["cgroupDriver"], "systemd");
        assert_eq!(config.fields["resolvConf"], SYSTEMD_RESOLVED_FILE);
        assert!(!config.user_supplied);
        for field in config.fields.keys() {
            assert!(KUBELET_FIELDS.contains(&field.as_str()), "{field} is no field of the kubelet");
        }
    }

    #[test]
    fn what_the_user_wrote_stays() {
        let fields =
            json!({"cgroupDriver": "systemd", "authorization": {"mode": "AlwaysAllow"}, "maxPods": 7});
        let given = ComponentConfig::written(fields.as_object().expect("an object").clone());
        let config = kubelet(Some(given), &cluster(), HostHabits::default());
        assert_eq!(config.fields["cgroupDriver"], "systemd");
        assert_eq!(config.fields["authorization"]["mode"], "AlwaysAllow");
        assert_eq!(config.fields["maxPods"], 7);
        assert!(config.user_supplied);
    }

    #[test]
    fn kube_proxy_follows_the_address_family() {
        assert_eq!(kube_proxy(None, &cluster(), "10.0.0.1").fields["bindAddress"], "0.0.0.0");
        assert_eq!(kube_proxy(None, &cluster(), "fd00::1").fields["bindAddress"], "::");
        assert!(!kube_proxy(None, &cluster(), "10.0.0.1").fields.contains_key("clusterCIDR"));
    }
}
