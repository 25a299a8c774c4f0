//! From a port of a Service to the elements of the shared maps.
//!
//! The rules never change with the Services. A packet's destination is looked up in a verdict map, which sends
//! it to the chain for as many endpoints as the port has; that chain draws a number and looks (destination,
//! number) up in the map of endpoints. A port of a Service is therefore a few elements, whatever the cluster's
//! size, and one changed endpoint is a few elements more or less.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Endpoint, Family, ServicePort};
use crate::select::{Chosen, Here, choose};

/// A map or set of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Map {
    /// Cluster IPs: (address, protocol, port) → verdict.
    ServiceIps,
    /// External and load-balancer IPs: (address, protocol, port) → verdict.
    ExternalIps,
    /// The same for traffic from inside, where the policy for outside is `Local`.
    ExternalIpsInside,
    /// Node ports: (protocol, port) → verdict.
    NodePorts,
    /// The same for traffic from inside, where the policy for outside is `Local`.
    NodePortsInside,
    /// (address, protocol, port, number) → endpoint.
    Endpoints,
    /// The same with only this node's endpoints.
    LocalEndpoints,
    /// (protocol, port, number) → endpoint.
    NodePortEndpoints,
    /// The same with only this node's endpoints.
    LocalNodePortEndpoints,
    /// Destinations without endpoints: (address, protocol, port) → reject or drop.
    NoEndpointServices,
    /// Node ports without endpoints: (protocol, port) → reject or drop.
    NoEndpointNodePorts,
    /// (endpoint, endpoint): a pod that reaches itself through a Service.
    Hairpin,
    /// Every cluster IP with its ports: what is left is not a Service.
    ClusterIps,
    /// Load-balancer IPs that only some may use: (address, protocol, port).
    Firewalled,
    /// Who may: (address, protocol, port, source range).
    FirewallAllowed,
}

impl Map {
    /// Every map.
    pub const ALL: [Map; 15] = [
        Map::ServiceIps,
        Map::ExternalIps,
        Map::ExternalIpsInside,
        Map::NodePorts,
        Map::NodePortsInside,
        Map::Endpoints,
        Map::LocalEndpoints,
        Map::NodePortEndpoints,
        Map::LocalNodePortEndpoints,
        Map::NoEndpointServices,
        Map::NoEndpointNodePorts,
        Map::Hairpin,
        Map::ClusterIps,
        Map::Firewalled,
        Map::FirewallAllowed,
    ];

    /// Name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Map::ServiceIps => "service-ips",
            Map::ExternalIps => "external-ips",
            Map::ExternalIpsInside => "external-ips-inside",
            Map::NodePorts => "service-nodeports",
            Map::NodePortsInside => "service-nodeports-inside",
            Map::Endpoints => "endpoints",
            Map::LocalEndpoints => "local-endpoints",
            Map::NodePortEndpoints => "nodeport-endpoints",
            Map::LocalNodePortEndpoints => "local-nodeport-endpoints",
            Map::NoEndpointServices => "no-endpoint-services",
            Map::NoEndpointNodePorts => "no-endpoint-nodeports",
            Map::Hairpin => "hairpin",
            Map::ClusterIps => "cluster-ips",
            Map::Firewalled => "firewalled",
            Map::FirewallAllowed => "firewall-allowed",
        }
    }
}

/// What an element maps its key to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Nothing: an element of a set.
    Member,
    /// Go to a chain.
    Goto(String),
    /// An endpoint.
    Endpoint(IpAddr, u16),
    /// End of a range of keys, for [`Map::FirewallAllowed`].
    Until(Vec<u8>),
}

/// Keys as the kernel compares them: each part padded to four bytes.
pub type Elements = BTreeMap<(Map, Vec<u8>), Target>;

/// What one port of a Service needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Elements of maps.
    pub elements: Elements,
    /// Chains for numbers of endpoints.
    pub chains: BTreeSet<SpreadChain>,
    /// Chains of a port whose clients keep their endpoint.
    pub affinity: Option<AffinityChains>,
}

/// The chain that spreads connections over a number of endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpreadChain {
    /// The map of endpoints.
    pub map: Map,
    /// How many endpoints.
    pub count: usize,
    /// The source address is replaced, so that answers come back this way.
    pub masquerade: bool,
}

impl SpreadChain {
    /// Name in the table.
    pub fn name(&self) -> String {
        format!("{}-{}{}", self.map.name(), self.count, if self.masquerade { "-masq" } else { "" })
    }
}

/// Chains of a port whose clients keep their endpoint; they cannot be shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffinityChains {
    /// Part of the chains' names.
    pub id: String,
    /// Seconds.
    pub timeout: u32,
    /// nft's name of the protocol.
    pub protocol: &'static str,
    /// Endpoints of each variant: `cluster`, `local`, `inside`.
    pub variants: BTreeMap<&'static str, Vec<(IpAddr, u16)>>,
}

impl AffinityChains {
    /// Name of a variant's chain.
    pub fn chain(&self, variant: &str, masquerade: bool) -> String {
        format!("affinity-{}-{variant}{}", self.id, if masquerade { "-masq" } else { "" })
    }
}

fn part(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn address_part(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => part(out, &v4.octets()),
        IpAddr::V6(v6) => part(out, &v6.octets()),
    }
}

/// (protocol, port).
fn port_key(service: &ServicePort, port: u16) -> Vec<u8> {
    let mut key = Vec::with_capacity(8);
    part(&mut key, &[service.protocol.number()]);
    part(&mut key, &port.to_be_bytes());
    key
}

/// (address, protocol, port).
fn address_key(service: &ServicePort, address: IpAddr) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    address_part(&mut key, address);
    key.extend(port_key(service, service.port));
    key
}

/// Works out everything that one port of a Service needs on this node.
pub fn render(service: &ServicePort, here: &Here) -> Rendered {
    let mut rendered = Rendered::default();
    let chosen = choose(service, here);
    if let Some(timeout) = service.affinity_seconds {
        let ends = |endpoints: &[&Endpoint]| endpoints.iter().map(|e| (e.address, e.port)).collect();
        rendered.affinity = Some(AffinityChains {
            id: chain_id(&service.name),
            timeout,
            protocol: service.protocol.name(),
            variants: BTreeMap::from([
                ("cluster", ends(&chosen.internal)),
                ("external", ends(&chosen.external)),
                ("inside", ends(&chosen.external_from_inside)),
            ]),
        });
    }
    for endpoint in &service.endpoints {
        let mut key = Vec::new();
        address_part(&mut key, endpoint.address);
        address_part(&mut key, endpoint.address);
        rendered.elements.insert((Map::Hairpin, key), Target::Member);
    }
    let mut key = Vec::new();
    address_part(&mut key, service.cluster_ip);
    rendered.elements.insert((Map::ClusterIps, key), Target::Member);
    let destination = address_key(service, service.cluster_ip);
    let to =
        Way { verdicts: Map::ServiceIps, endpoints: Map::Endpoints, variant: "cluster", masquerade: false };
    rendered.way(to, destination, &chosen.internal, &chosen, Map::NoEndpointServices);
    for address in service.outside_ips() {
        rendered.outside(service, &chosen, address_key(service, address), false);
    }
    if service.node_port != 0 {
        rendered.outside(service, &chosen, port_key(service, service.node_port), true);
    }
    for address in &service.load_balancer_ips {
        rendered.firewall(service, *address);
    }
    rendered
}

/// How traffic to one destination is sent on.
#[derive(Clone, Copy)]
struct Way {
    verdicts: Map,
    endpoints: Map,
    variant: &'static str,
    masquerade: bool,
}

impl Rendered {
    fn way(&mut self, way: Way, key: Vec<u8>, endpoints: &[&Endpoint], chosen: &Chosen<'_>, none: Map) {
        if endpoints.is_empty() {
            // With endpoints elsewhere the policy is the reason: the sender may try another node, so silence.
            let chain = if chosen.any { "drop-chain" } else { "reject-chain" };
            self.elements.insert((none, key), Target::Goto(chain.to_owned()));
            return;
        }
        let chain = match &self.affinity {
            Some(affinity) => affinity.chain(way.variant, way.masquerade),
            None => {
                let chain =
                    SpreadChain { map: way.endpoints, count: endpoints.len(), masquerade: way.masquerade };
                self.chains.insert(chain);
                for (number, endpoint) in endpoints.iter().enumerate() {
                    let mut numbered = key.clone();
                    numbered.extend((number as u32).to_ne_bytes());
                    let target = Target::Endpoint(endpoint.address, endpoint.port);
                    self.elements.insert((way.endpoints, numbered), target);
                }
                chain.name()
            }
        };
        self.elements.insert((way.verdicts, key), Target::Goto(chain));
    }

    /// A destination for traffic from outside. With the policy `Local` the source address is kept and only this
    /// node's endpoints are used; who comes from inside gets any endpoint.
    fn outside(&mut self, service: &ServicePort, chosen: &Chosen<'_>, key: Vec<u8>, node_port: bool) {
        let (verdicts, inside, all, local, none) = if node_port {
            (
                Map::NodePorts,
                Map::NodePortsInside,
                Map::NodePortEndpoints,
                Map::LocalNodePortEndpoints,
                Map::NoEndpointNodePorts,
            )
        } else {
            (
                Map::ExternalIps,
                Map::ExternalIpsInside,
                Map::Endpoints,
                Map::LocalEndpoints,
                Map::NoEndpointServices,
            )
        };
        if !service.external_local {
            let to = Way { verdicts, endpoints: all, variant: "external", masquerade: true };
            self.way(to, key, &chosen.external, chosen, none);
            return;
        }
        let to = Way { verdicts, endpoints: local, variant: "external", masquerade: false };
        self.way(to, key.clone(), &chosen.external, chosen, none);
        if !chosen.external_from_inside.is_empty() {
            let to = Way { verdicts: inside, endpoints: all, variant: "inside", masquerade: true };
            self.way(to, key, &chosen.external_from_inside, chosen, none);
        }
    }

    fn firewall(&mut self, service: &ServicePort, address: IpAddr) {
        if service.source_ranges.is_empty() {
            return;
        }
        let key = address_key(service, address);
        self.elements.insert((Map::Firewalled, key.clone()), Target::Member);
        for range in
            service.source_ranges.iter().filter(|range| Family::of(&range.addr()) == service.family())
        {
            let bound = |edge: IpAddr| {
                let mut key = key.clone();
                address_part(&mut key, edge);
                key
            };
            let until = Target::Until(bound(range.broadcast()));
            self.elements.insert((Map::FirewallAllowed, bound(range.network())), until);
        }
    }
}

/// A short stable text for a name (64-bit FNV-1a), since chains' names are limited.
fn chain_id(name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
