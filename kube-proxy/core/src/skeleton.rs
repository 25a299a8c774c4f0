//! The rules that never change, as nft text: what is done with the shared maps, in which hook.

use std::fmt::Write;

use ipnet::IpNet;

use crate::model::Family;
use crate::render::{AffinityChains, Map};

/// Name of the table, in both families.
pub const TABLE: &str = "kube-proxy";
/// Chain that marks traffic whose source address is to be replaced.
pub const MASQUERADE_CHAIN: &str = "mark-for-masquerade";
/// Bit of the packet mark for traffic whose source address is to be replaced.
pub const MASQUERADE_BIT: u32 = 14;

/// What the skeleton depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Addresses of pods: traffic from elsewhere to cluster IPs is masqueraded.
    pub cluster_cidr: Option<IpNet>,
    /// Traffic to cluster IPs is always masqueraded.
    pub masquerade_all: bool,
    /// Bit of the packet mark, 0 to 31.
    pub masquerade_bit: u32,
    /// Ranges that node ports are answered on; empty means every address of the node but loopback.
    pub node_port_ranges: Vec<IpNet>,
    /// Ranges of cluster IPs: what is in them without being a Service is refused.
    pub service_cidrs: Vec<IpNet>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cluster_cidr: None,
            masquerade_all: false,
            masquerade_bit: MASQUERADE_BIT,
            node_port_ranges: Vec::new(),
            service_cidrs: Vec::new(),
        }
    }
}

fn declaration(map: Map, family: Family) -> String {
    let ip = family.name();
    let address = if family == Family::V4 { "ipv4_addr" } else { "ipv6_addr" };
    let three = format!("{address} . inet_proto . inet_service");
    let numbered =
        format!("{ip} daddr . meta l4proto . th dport . numgen random mod 2 : {ip} daddr . th dport");
    let numbered_port = format!("meta l4proto . th dport . numgen random mod 2 : {ip} daddr . th dport");
    let (kind, body) = match map {
        Map::ServiceIps | Map::ExternalIps | Map::ExternalIpsInside | Map::NoEndpointServices => {
            ("map", format!("type {three} : verdict"))
        }
        Map::NodePorts | Map::NodePortsInside | Map::NoEndpointNodePorts => {
            ("map", "type inet_proto . inet_service : verdict".to_owned())
        }
        Map::Endpoints | Map::LocalEndpoints => ("map", format!("typeof {numbered}")),
        Map::NodePortEndpoints | Map::LocalNodePortEndpoints => ("map", format!("typeof {numbered_port}")),
        Map::Hairpin => ("set", format!("type {address} . {address}")),
        Map::ClusterIps => ("set", format!("type {address}")),
        Map::Firewalled => ("set", format!("type {three}")),
        Map::FirewallAllowed => ("set", format!("type {three} . {address}; flags interval")),
    };
    format!("  {kind} {} {{ {body}; }}\n", map.name())
}

/// The table of a family, replacing whatever was there.
pub fn table(family: Family, settings: &Settings) -> String {
    let ip = family.name();
    let mark = 1u32 << settings.masquerade_bit;
    let of_family = |range: &&IpNet| Family::of(&range.addr()) == family;
    let pods = settings.cluster_cidr.as_ref().filter(of_family);
    let loopback = if family == Family::V4 { "127.0.0.0/8" } else { "::1" };
    let mut out = format!("add table {ip} {TABLE}\ndelete table {ip} {TABLE}\ntable {ip} {TABLE} {{\n");
    for map in Map::ALL {
        out.push_str(&declaration(map, family));
    }
    let destination = format!("{ip} daddr . meta l4proto . th dport");
    let mut services = String::new();
    if settings.masquerade_all {
        writeln!(services, "    {ip} daddr @cluster-ips meta mark set meta mark or {mark:#x}").ok();
    } else if let Some(pods) = pods {
        writeln!(
            services,
            "    {ip} daddr @cluster-ips {ip} saddr != {pods} meta mark set meta mark or {mark:#x}"
        )
        .ok();
    }
    let local = match node_port_match(settings, family) {
        Some(ranges) => format!("{ip} daddr {{ {ranges} }} fib daddr type local"),
        None => format!("fib daddr type local {ip} daddr != {loopback}"),
    };
    let inside = pods.map(|pods| format!("    {ip} saddr {pods} jump inside\n")).unwrap_or_default();
    let icmp = if family == Family::V4 { "icmp" } else { "icmpv6" };
    let cidrs: Vec<String> = settings.service_cidrs.iter().filter(of_family).map(IpNet::to_string).collect();
    let stray = if cidrs.is_empty() {
        String::new()
    } else {
        format!(
            "    {ip} daddr {{ {} }} {ip} daddr @cluster-ips reject with {icmp} type port-unreachable\n    {ip} daddr {{ {} }} drop\n",
            cidrs.join(", "),
            cidrs.join(", ")
        )
    };
    write!(
        out,
        "  chain reject-chain {{ reject with {icmp} type port-unreachable; }}
  chain drop-chain {{ drop; }}
  chain {MASQUERADE_CHAIN} {{ meta mark set meta mark or {mark:#x}; }}
  chain inside {{
    {destination} vmap @external-ips-inside
    {local} meta l4proto . th dport vmap @service-nodeports-inside
  }}
  chain services {{
{services}    {destination} vmap @service-ips
{inside}    fib saddr type local jump inside
    {destination} vmap @external-ips
    {local} meta l4proto . th dport vmap @service-nodeports
  }}
  chain no-endpoints {{
    {destination} vmap @no-endpoint-services
    {local} meta l4proto . th dport vmap @no-endpoint-nodeports
  }}
  chain firewall {{
    {destination} @firewalled {destination} . {ip} saddr != @firewall-allowed drop
  }}
  chain stray-cluster-ips {{
{stray}  }}
  chain nat-prerouting {{ type nat hook prerouting priority -100; jump services; }}
  chain nat-output {{ type nat hook output priority -100; jump services; }}
  chain nat-postrouting {{
    type nat hook postrouting priority 100;
    meta mark and {mark:#x} != 0 meta mark set meta mark and {clear:#x} masquerade fully-random
    ct status dnat {ip} saddr . {ip} daddr @hairpin masquerade fully-random
  }}
  chain filter-prerouting {{ type filter hook prerouting priority -110; ct state new jump firewall; }}
  chain filter-input {{ type filter hook input priority -110; ct state new jump no-endpoints; }}
  chain filter-forward {{
    type filter hook forward priority -110;
    ct state new jump no-endpoints
    ct state new jump stray-cluster-ips
  }}
  chain filter-output {{
    type filter hook output priority -110;
    ct state new jump no-endpoints
    ct state new jump firewall
  }}
  chain filter-output-after-nat {{ type filter hook output priority -90; ct state new jump stray-cluster-ips; }}
}}
",
        clear = !mark
    )
    .ok();
    out
}

fn node_port_match(settings: &Settings, family: Family) -> Option<String> {
    let ranges: Vec<String> = settings
        .node_port_ranges
        .iter()
        .filter(|r| Family::of(&r.addr()) == family)
        .map(IpNet::to_string)
        .collect();
    if ranges.is_empty() { None } else { Some(ranges.join(", ")) }
}

/// Chains and sets of a port whose clients keep their endpoint. Sets of endpoints that stay keep their clients.
pub fn affinity_chains(family: Family, chains: &AffinityChains) -> String {
    let ip = family.name();
    let address = if family == Family::V4 { "ipv4_addr" } else { "ipv6_addr" };
    let mut out = String::new();
    for (variant, endpoints) in &chains.variants {
        let chain = chains.chain(variant, false);
        let masquerading = chains.chain(variant, true);
        writeln!(out, "add chain {ip} {TABLE} {chain}\nflush chain {ip} {TABLE} {chain}").ok();
        writeln!(out, "add chain {ip} {TABLE} {masquerading}\nflush chain {ip} {TABLE} {masquerading}").ok();
        writeln!(out, "add rule {ip} {TABLE} {masquerading} jump {MASQUERADE_CHAIN}").ok();
        writeln!(out, "add rule {ip} {TABLE} {masquerading} goto {chain}").ok();
        let ends: Vec<(String, String)> = endpoints
            .iter()
            .map(|(endpoint, port)| {
                let set = client_set(chains, &endpoint.to_string(), *port);
                let to = if family == Family::V4 {
                    format!("{endpoint}:{port}")
                } else {
                    format!("[{endpoint}]:{port}")
                };
                (set, format!("meta l4proto {} dnat {ip} to {to}", chains.protocol))
            })
            .collect();
        for (set, to) in &ends {
            writeln!(
                out,
                "add set {ip} {TABLE} {set} {{ type {address}; flags dynamic,timeout; timeout {}s; }}",
                chains.timeout
            )
            .ok();
            writeln!(
                out,
                "add rule {ip} {TABLE} {chain} {ip} saddr @{set} update @{set} {{ {ip} saddr }} {to}"
            )
            .ok();
        }
        for (number, (set, to)) in ends.iter().enumerate() {
            let left = ends.len() - number;
            let draw = if left > 1 { format!("numgen random mod {left} 0 ") } else { String::new() };
            writeln!(out, "add rule {ip} {TABLE} {chain} {draw}update @{set} {{ {ip} saddr }} {to}").ok();
        }
    }
    out
}

/// The set of clients that keep an endpoint.
fn client_set(chains: &AffinityChains, address: &str, port: u16) -> String {
    format!("affinity-{}-{}-{port}", chains.id, address.replace([':', '.'], "_"))
}
