//! What the configuration takes from the host it runs on: its name, its address, its container runtime.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use super::{
    component::HostHabits,
    v1beta4::{ApiEndpoint, NodeRegistration, Taint},
};
use crate::constants;

/// Sockets of the container runtimes kubeadm knows, in the order of preference.
pub const KNOWN_SOCKETS: [&str; 3] = [
    "unix:///var/run/containerd/containerd.sock",
    "unix:///var/run/crio/crio.sock",
    "unix:///var/run/cri-dockerd.sock",
];
const SOCKET_SCHEME: &str = "unix://";

#[derive(Debug, thiserror::Error)]
pub enum HostFactError {
    #[error("empty hostname is invalid: set the host's name or give --node-name")]
    EmptyHostname,
    #[error("couldn't use {given:?} as \"apiserver-advertise-address\", must be ipv4 or ipv6 address")]
    AdvertiseAddress { given: String },
    #[error(
        "cannot use {given:?} as the bind address for the API Server: the host has no default route to choose an address by; give --apiserver-advertise-address"
    )]
    NoAddress { given: String },
    #[error("unable to list the addresses of the host's network interfaces")]
    Interfaces { source: nix::errno::Errno },
    #[error("found multiple CRI endpoints on the host. Please define which one do you wish to use by setting the 'criSocket' field in the kubeadm configuration file: {}", found.join(", "))]
    ManyRuntimes { found: Vec<String> },
}

/// The host's name in lower case, as kubelets register themselves.
pub fn hostname() -> Result<String, HostFactError> {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy().trim().to_lowercase();
    if name.is_empty() { Err(HostFactError::EmptyHostname) } else { Ok(name) }
}

/// Whether systemd is the first process.
pub fn uses_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// What the kubelet has to know about the host.
pub fn habits() -> HostHabits {
    let systemd_resolved = uses_systemd() && Path::new("/run/systemd/resolve/resolv.conf").exists();
    HostHabits { systemd: uses_systemd(), systemd_resolved }
}

/// Fills in the node's name, taints and runtime socket.
pub fn node_registration(
    node: &mut NodeRegistration,
    control_plane: bool,
    detect_runtime: bool,
) -> Result<(), HostFactError> {
    node.name = if node.name.trim().is_empty() { hostname()? } else { node.name.trim().to_lowercase() };
    if control_plane && node.taints.is_none() {
        node.taints = Some(vec![Taint {
            key: constants::CONTROL_PLANE_LABEL.to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        }]);
    }
    node.cri_socket = complete_socket(&node.cri_socket, detect_runtime)?;
    Ok(())
}

/// The URL of the container runtime's socket: the given one, or the one that exists on the host.
pub fn complete_socket(given: &str, detect: bool) -> Result<String, HostFactError> {
    if given.is_empty() {
        return if detect { detect_socket() } else { Ok(KNOWN_SOCKETS[0].to_owned()) };
    }
    if given.starts_with(SOCKET_SCHEME) {
        return Ok(given.to_owned());
    }
    tracing::warn!(
        "Usage of CRI endpoints without URL scheme is deprecated; prepending {SOCKET_SCHEME:?} to the \"criSocket\" {given:?}"
    );
    Ok(format!("{SOCKET_SCHEME}{given}"))
}

fn detect_socket() -> Result<String, HostFactError> {
    let mut found: Vec<String> = KNOWN_SOCKETS
        .iter()
        .filter(|socket| Path::new(socket.trim_start_matches(SOCKET_SCHEME)).exists())
        .map(|socket| (*socket).to_owned())
        .collect();
    match found.len() {
        0 => Ok(KNOWN_SOCKETS[0].to_owned()),
        1 => Ok(found.remove(0)),
        _ => Err(HostFactError::ManyRuntimes { found }),
    }
}

/// Fills in the address this node's API server tells others to use: the given one, or that of the
/// interface the default route goes through.
pub fn api_endpoint(endpoint: &mut ApiEndpoint) -> Result<(), HostFactError> {
    let given = endpoint.advertise_address.clone();
    if !given.is_empty() {
        let address: IpAddr =
            given.parse().map_err(|_| HostFactError::AdvertiseAddress { given: given.clone() })?;
        if !address.is_unspecified() {
            if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
                return Err(HostFactError::NoAddress { given });
            }
            return Ok(());
        }
    }
    match default_address()? {
        Some(address) => endpoint.advertise_address = address.to_string(),
        None => {
            let given = if given.is_empty() { "0.0.0.0".to_owned() } else { given };
            return Err(HostFactError::NoAddress { given });
        }
    }
    Ok(())
}

/// The address of the interface that the default route leaves through, IPv4 before IPv6.
pub fn default_address() -> Result<Option<IpAddr>, HostFactError> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let four = default_interface_v4(&read("/proc/net/route"));
    let six = default_interface_v6(&read("/proc/net/ipv6_route"));
    if let Some(interface) = four
        && let Some(address) = global_address(&interface, IpAddr::is_ipv4)?
    {
        return Ok(Some(address));
    }
    match six {
        Some(interface) => global_address(&interface, IpAddr::is_ipv6),
        None => Ok(None),
    }
}

/// The interface of the default route in the text of `/proc/net/route`.
fn default_interface_v4(table: &str) -> Option<String> {
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (interface, destination, mask) = (columns.first()?, columns.get(1)?, columns.get(7)?);
        (*destination == "00000000" && *mask == "00000000").then(|| (*interface).to_owned())
    })
}

/// The interface of the default route in the text of `/proc/net/ipv6_route`.
fn default_interface_v6(table: &str) -> Option<String> {
    table.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (destination, prefix, interface) = (columns.first()?, columns.get(1)?, columns.last()?);
        let everywhere = destination.bytes().all(|digit| digit == b'0') && *prefix == "00";
        (everywhere && *interface != "lo").then(|| (*interface).to_owned())
    })
}

fn global_address(interface: &str, wanted: fn(&IpAddr) -> bool) -> Result<Option<IpAddr>, HostFactError> {
    let addresses = nix::ifaddrs::getifaddrs().map_err(|source| HostFactError::Interfaces { source })?;
    Ok(addresses
        .filter(|entry| entry.interface_name == interface)
        .filter_map(|entry| {
            let address = entry.address?;
            let four = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            four.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        })
        .find(|address| wanted(address) && is_global_unicast(address)))
}

fn is_global_unicast(address: &IpAddr) -> bool {
    let local = match address {
        IpAddr::V4(four) => four.is_link_local() || four.is_broadcast(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    };
    !(local || address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_default_route() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                     eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                     eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(default_interface_v4(table).as_deref(), Some("eth0"));
        assert_eq!(default_interface_v4("Iface\tDestination\n"), None);
        let zeros = "0".repeat(32);
        let six =
            format!("{zeros} 00 {zeros} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth2\n");
        assert_eq!(default_interface_v6(&six).as_deref(), Some("eth2"));
    }

    #[test]
    fn a_given_address_is_kept_and_nonsense_is_refused() {
        let mut endpoint = ApiEndpoint { advertise_address: "192.0.2.7".to_owned(), bind_port: 6443 };
        api_endpoint(&mut endpoint).expect("a good address");
        assert_eq!(endpoint.advertise_address, "192.0.2.7");
        for given in ["example.org", "224.0.0.1", "255.255.255.255", "1.2.3"] {
            let mut endpoint = ApiEndpoint { advertise_address: given.to_owned(), bind_port: 6443 };
            assert!(api_endpoint(&mut endpoint).is_err(), "{given} was accepted");
        }
    }

    #[test]
    fn a_socket_gets_its_scheme() {
        assert_eq!(complete_socket("/run/x.sock", true).expect("given"), "unix:///run/x.sock");
        assert_eq!(complete_socket("unix:///run/x.sock", true).expect("given"), "unix:///run/x.sock");
        assert_eq!(complete_socket("", false).expect("default"), KNOWN_SOCKETS[0]);
    }

    #[test]
    fn a_control_plane_node_is_tainted_unless_told_otherwise() {
        let mut node = NodeRegistration { name: "Node-1".to_owned(), ..Default::default() };
        node_registration(&mut node, true, false).expect("complete");
        assert_eq!(node.name, "node-1");
        assert_eq!(
            node.taints.as_deref().map(|t| t[0].to_flag()).as_deref(),
            Some("node-role.kubernetes.io/control-plane:NoSchedule")
        );
        let mut node = NodeRegistration { name: "n".to_owned(), taints: Some(vec![]), ..Default::default() };
        node_registration(&mut node, true, false).expect("complete");
        assert_eq!(node.taints, Some(vec![]));
    }
}
