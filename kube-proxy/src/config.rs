//! `KubeProxyConfiguration` of `kubeproxy.config.k8s.io/v1alpha1`, and what it comes to.

use std::net::SocketAddr;
use std::path::Path;

use component_base::config::{ConfigError, VersionedConfig};
use ipnet::IpNet;
use kube_proxy_core::skeleton::Settings;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::options::Options;

/// A configuration that cannot be followed.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file is no configuration.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// A field with a value that cannot be followed.
    #[error("{field}: invalid value {value:?}: {rule}")]
    Field {
        /// Field of the file, or flag.
        field: &'static str,
        /// Its value.
        value: String,
        /// What would be accepted.
        rule: &'static str,
    },
}

fn field(field: &'static str, value: impl Into<String>, rule: &'static str) -> SettingsError {
    SettingsError::Field { field, value: value.into(), rule }
}

/// The file. Sections of other modes (`iptables`, `ipvs`, `winkernel`) are read and, as upstream does in nftables
/// mode, have no effect.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KubeProxyConfiguration {
    bind_address: String,
    bind_address_hard_fail: bool,
    client_connection: ClientConnection,
    #[serde(rename = "clusterCIDR")]
    cluster_cidr: String,
    config_sync_period: String,
    conntrack: Conntrack,
    detect_local: serde_json::Value,
    detect_local_mode: String,
    enable_profiling: bool,
    feature_gates: std::collections::BTreeMap<String, bool>,
    healthz_bind_address: String,
    hostname_override: String,
    iptables: serde_json::Value,
    ipvs: serde_json::Value,
    logging: serde_json::Value,
    metrics_bind_address: String,
    mode: String,
    nftables: Nftables,
    node_port_addresses: Option<Vec<String>>,
    oom_score_adj: Option<i32>,
    port_range: String,
    show_hidden_metrics_for_version: String,
    winkernel: serde_json::Value,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ClientConnection {
    accept_content_types: String,
    burst: i32,
    content_type: String,
    kubeconfig: String,
    qps: f32,
}

/// Settings of connection tracking; durations in Go's form.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Conntrack {
    /// Connections for each CPU; 0 leaves the kernel's limit.
    pub max_per_core: Option<i32>,
    /// At least so many connections.
    pub min: Option<i32>,
    /// `nf_conntrack_tcp_timeout_established`
    pub tcp_established_timeout: Option<String>,
    /// `nf_conntrack_tcp_timeout_close_wait`
    pub tcp_close_wait_timeout: Option<String>,
    /// `nf_conntrack_tcp_be_liberal`
    pub tcp_be_liberal: bool,
    /// `nf_conntrack_udp_timeout`
    pub udp_timeout: Option<String>,
    /// `nf_conntrack_udp_timeout_stream`
    pub udp_stream_timeout: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Nftables {
    masquerade_all: bool,
    masquerade_bit: Option<u32>,
    min_sync_period: String,
    sync_period: String,
}

impl VersionedConfig for KubeProxyConfiguration {
    const API_VERSION: &'static str = "kubeproxy.config.k8s.io/v1alpha1";
    const KIND: &'static str = "KubeProxyConfiguration";
}

/// What the proxy runs with.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Kubeconfig; empty means the pod's service account.
    pub kubeconfig: String,
    /// Name of the node; empty means the host's name.
    pub node_name: String,
    /// Where `/healthz` answers, if anywhere.
    pub healthz: Option<SocketAddr>,
    /// Where `/metrics` answers, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// Settings of the rules, the same for both families.
    pub rules: Settings,
    /// All pod ranges; a family without one is masqueraded only by `masqueradeAll`.
    pub cluster_cidrs: Vec<IpNet>,
    /// Connection tracking.
    pub conntrack: Conntrack,
    /// `oom_score_adj` of the process.
    pub oom_score_adj: i32,
    /// The file in force, for `/configz`.
    pub shown: serde_json::Value,
}

/// Works the settings out from the command line and the file that it names.
pub fn settings(options: &Options) -> Result<ProxySettings, SettingsError> {
    let mut file = if options.config.is_empty() {
        KubeProxyConfiguration {
            client_connection: ClientConnection {
                kubeconfig: options.kubeconfig.clone(),
                ..Default::default()
            },
            cluster_cidr: options.cluster_cidr.clone(),
            mode: options.proxy_mode.clone(),
            nftables: Nftables { masquerade_all: options.masquerade_all, ..Nftables::default() },
            node_port_addresses: Some(options.nodeport_addresses.clone()),
            healthz_bind_address: options.healthz_bind_address.clone(),
            metrics_bind_address: options.metrics_bind_address.clone(),
            ..KubeProxyConfiguration::default()
        }
    } else {
        component_base::config::load(Path::new(&options.config))?
    };
    if !options.hostname_override.is_empty() {
        file.hostname_override.clone_from(&options.hostname_override);
    }
    if !matches!(file.mode.as_str(), "" | "nftables") {
        return Err(field("mode", file.mode, "this kube-proxy works by nftables; use \"nftables\""));
    }
    if !matches!(file.detect_local_mode.as_str(), "" | "ClusterCIDR") {
        return Err(field("detectLocalMode", file.detect_local_mode, "only \"ClusterCIDR\" is supported"));
    }
    if let Some((gate, _)) = file.feature_gates.iter().next() {
        return Err(field(
            "featureGates",
            gate.clone(),
            "kube-proxy has no feature gates that can be switched",
        ));
    }
    let bit = file.nftables.masquerade_bit.unwrap_or(kube_proxy_core::skeleton::MASQUERADE_BIT);
    if bit > 31 {
        return Err(field("nftables.masqueradeBit", bit.to_string(), "must be within the range [0, 31]"));
    }
    let cluster_cidrs = ranges("clusterCIDR", file.cluster_cidr.split(','))?;
    let node_ports = file.node_port_addresses.clone().unwrap_or_default();
    let node_port_ranges = match node_ports.as_slice() {
        [primary] if primary == "primary" => Vec::new(),
        texts => ranges("nodePortAddresses", texts.iter().map(String::as_str))?,
    };
    Ok(ProxySettings {
        kubeconfig: file.client_connection.kubeconfig.clone(),
        node_name: file.hostname_override.clone(),
        healthz: address("healthzBindAddress", &file.healthz_bind_address, "0.0.0.0:10256")?,
        metrics: address("metricsBindAddress", &file.metrics_bind_address, "127.0.0.1:10249")?,
        rules: Settings {
            cluster_cidr: None,
            masquerade_all: file.nftables.masquerade_all,
            masquerade_bit: bit,
            node_port_ranges,
            service_cidrs: Vec::new(),
        },
        cluster_cidrs,
        conntrack: file.conntrack.clone(),
        oom_score_adj: file.oom_score_adj.unwrap_or(-999),
        shown: serde_json::to_value(&file).unwrap_or_default(),
    })
}

fn ranges<'a>(name: &'static str, texts: impl Iterator<Item = &'a str>) -> Result<Vec<IpNet>, SettingsError> {
    let texts = texts.map(str::trim).filter(|text| !text.is_empty());
    texts
        .map(|text| text.parse().map_err(|_| field(name, text, "must be a CIDR, such as 10.244.0.0/16")))
        .collect()
}

fn address(name: &'static str, text: &str, default: &str) -> Result<Option<SocketAddr>, SettingsError> {
    let text = if text.is_empty() { default } else { text };
    text.parse()
        .map(Some)
        .map_err(|_| field(name, text, "must be an address with a port, such as 0.0.0.0:10256"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn from_file(text: &str) -> Result<ProxySettings, String> {
        let file =
            std::env::temp_dir().join(format!("kube-proxy-config-{}-{}", std::process::id(), text.len()));
        std::fs::write(&file, text).unwrap();
        let options = Options::parse_from([
            "kube-proxy",
            "--config",
            file.to_str().unwrap(),
            "--hostname-override=here",
        ]);
        let found =
            settings(&options).map_err(|error| error.to_string().replace(file.to_str().unwrap(), "FILE"));
        std::fs::remove_file(&file).unwrap();
        found
    }

    const HEAD: &str = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

    #[test]
    fn the_file_decides() {
        let text = format!(
            "{HEAD}clusterCIDR: 10.244.0.0/16\nclientConnection:\n  kubeconfig: /k\nnftables:\n  masqueradeBit: 3\n"
        );
        let found = from_file(&text).unwrap();
        assert_eq!(
            (found.kubeconfig.as_str(), found.node_name.as_str(), found.rules.masquerade_bit),
            ("/k", "here", 3)
        );
        assert_eq!(found.cluster_cidrs, ["10.244.0.0/16".parse::<IpNet>().unwrap()]);
        assert_eq!(found.healthz, Some(([0, 0, 0, 0], 10256).into()));
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        for (line, message) in [
            (
                "mode: ipvs",
                "mode: invalid value \"ipvs\": this kube-proxy works by nftables; use \"nftables\"",
            ),
            ("clusterCIDR: ten", "clusterCIDR: invalid value \"ten\": must be a CIDR, such as 10.244.0.0/16"),
            (
                "detectLocalMode: BridgeInterface",
                "detectLocalMode: invalid value \"BridgeInterface\": only \"ClusterCIDR\" is supported",
            ),
        ] {
            assert_eq!(from_file(&format!("{HEAD}{line}\n")).unwrap_err(), message);
        }
        assert!(
            from_file(&format!("{HEAD}modus: nftables\n")).unwrap_err().contains("unknown field \"modus\"")
        );
    }
}
