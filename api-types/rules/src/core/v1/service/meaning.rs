//! What the fields of a service mean to those who serve it.
//!
//! Source: `pkg/apis/core/v1/helper`, `pkg/api/service/util.go`.

use api_types::core::v1::{Service, ServiceSpec};
use std::net::IpAddr;

/// Value of `clusterIP` for services without one.
pub const NO_CLUSTER_IP: &str = "None";

/// True for types that are reached through a cluster IP.
pub fn needs_cluster_ip(spec: &ServiceSpec) -> bool {
    matches!(spec.type_.as_str(), "ClusterIP" | "NodePort" | "LoadBalancer")
}

/// True when the service needs node ports: by type, and for load balancers unless switched off.
pub fn needs_node_ports(spec: &ServiceSpec) -> bool {
    spec.type_ == "NodePort"
        || spec.type_ == "LoadBalancer" && spec.allocate_load_balancer_node_ports.unwrap_or(true)
}

/// True when the service has no address of its own and clients see its endpoints.
pub fn is_headless(spec: &ServiceSpec) -> bool {
    spec.cluster_ip == NO_CLUSTER_IP
}

/// True when a cluster IP is set and is an address.
pub fn has_cluster_ip(spec: &ServiceSpec) -> bool {
    !spec.cluster_ip.is_empty() && !is_headless(spec)
}

/// True when the world outside of the cluster can reach the service.
pub fn is_externally_accessible(spec: &ServiceSpec) -> bool {
    matches!(spec.type_.as_str(), "LoadBalancer" | "NodePort")
        || spec.type_ == "ClusterIP" && !spec.external_ips.is_empty()
}

/// True when outside traffic stays on the node it reached.
pub fn external_policy_local(spec: &ServiceSpec) -> bool {
    is_externally_accessible(spec) && spec.external_traffic_policy == "Local"
}

/// True when traffic of the cluster stays on its node.
pub fn internal_policy_local(spec: &ServiceSpec) -> bool {
    spec.internal_traffic_policy.as_deref() == Some("Local")
}

/// True when a load balancer asks nodes whether they have endpoints.
pub fn needs_health_check(spec: &ServiceSpec) -> bool {
    spec.type_ == "LoadBalancer" && external_policy_local(spec)
}

/// True when a proxy has nothing to do: no address, or a name elsewhere.
pub fn is_skipped_by_proxies(service: &Service) -> bool {
    !has_cluster_ip(&service.spec) || service.spec.type_ == "ExternalName"
}

/// Cluster IPs in order, the first being the one in `clusterIP`; empty for headless services.
pub fn cluster_ips(spec: &ServiceSpec) -> Vec<IpAddr> {
    let all: Vec<IpAddr> = spec.cluster_ips.iter().filter_map(|ip| ip.parse().ok()).collect();
    if all.is_empty() { spec.cluster_ip.parse().ok().into_iter().collect() } else { all }
}

/// `IPv4` or `IPv6`.
pub fn family(ip: &IpAddr) -> &'static str {
    if ip.is_ipv4() { "IPv4" } else { "IPv6" }
}
