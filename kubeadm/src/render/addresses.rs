//! Addresses and URLs that follow from the configuration.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::{
    Configuration,
    v1beta4::{ApiEndpoint, ClusterConfiguration},
    validation::parse_host_port,
};

/// Position of the DNS server's address in the range of Services.
const DNS_INDEX: u32 = 10;

/// The address of the Service `kube-dns`: the tenth of the first range.
pub fn dns_address(service_subnet: &str) -> Option<IpAddr> {
    indexed_address(service_subnet, DNS_INDEX)
}

/// The address of the Service `kubernetes`: the first of the first range.
pub fn api_server_virtual_address(service_subnet: &str) -> Option<IpAddr> {
    indexed_address(service_subnet, 1)
}

fn indexed_address(subnets: &str, index: u32) -> Option<IpAddr> {
    let subnet: IpNet = subnets.split(',').next()?.trim().parse().ok()?;
    let address = match subnet.network() {
        IpAddr::V4(base) => IpAddr::V4(u32::from(base).checked_add(index)?.into()),
        IpAddr::V6(base) => IpAddr::V6(u128::from(base).checked_add(u128::from(index))?.into()),
    };
    subnet.contains(&address).then_some(address)
}

/// `host:port`, with brackets around an IPv6 address.
pub fn join_host_port(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The URL of this node's API server.
pub fn local_endpoint(endpoint: &ApiEndpoint) -> String {
    format!("https://{}", join_host_port(&endpoint.advertise_address, endpoint.bind_port))
}

/// The URL under which everybody reaches the control plane.
pub fn control_plane_endpoint(cluster: &ClusterConfiguration, local: &ApiEndpoint) -> String {
    match parse_host_port(&cluster.control_plane_endpoint) {
        Some((host, port)) => {
            let port = port.map_or_else(|| local.bind_port.to_string(), |port| port.to_string());
            format!("https://{}", join_host_port(&host, port))
        }
        None => local_endpoint(local),
    }
}

/// [`control_plane_endpoint`] of a whole configuration.
pub fn configured_endpoint(configuration: &Configuration) -> String {
    control_plane_endpoint(&configuration.cluster, &configuration.init.local_api_endpoint)
}

/// The loopback address of the family that the advertised address is of.
pub fn loopback_like(advertise_address: &str) -> &'static str {
    if advertise_address.contains(':') { "::1" } else { "127.0.0.1" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_cluster_services() {
        let text = |address: Option<IpAddr>| address.map(|a| a.to_string());
        assert_eq!(text(dns_address("10.96.0.0/12")).as_deref(), Some("10.96.0.10"));
        assert_eq!(text(api_server_virtual_address("fd00::/108,10.96.0.0/12")).as_deref(), Some("fd00::1"));
        assert_eq!(dns_address("10.0.0.0/30"), None);
        assert_eq!(dns_address("x"), None);
    }

    #[test]
    fn the_shared_endpoint_wins() {
        let local = ApiEndpoint { advertise_address: "fd00::5".to_owned(), bind_port: 6443 };
        let mut cluster = ClusterConfiguration::default();
        assert_eq!(control_plane_endpoint(&cluster, &local), "https://[fd00::5]:6443");
        cluster.control_plane_endpoint = "api.example:443".to_owned();
        assert_eq!(control_plane_endpoint(&cluster, &local), "https://api.example:443");
    }
}
