//! What kube-proxy knows: one [`ServicePort`] for each port of each Service, with its endpoints.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// A transport protocol, with its number in IP headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, 6.
    Tcp,
    /// UDP, 17.
    Udp,
    /// SCTP, 132.
    Sctp,
}

impl Protocol {
    /// Reads the API's name; empty means TCP.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "" | "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }

    /// Number in IP headers.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// nft's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// A family of addresses; each has a table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: &IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// nft's name, of the table's family and of expressions.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }
}

/// One port of one Service, for one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// `namespace/name:port`.
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Cluster IP.
    pub cluster_ip: IpAddr,
    /// Port on the cluster, external and load-balancer IPs.
    pub port: u16,
    /// Port on every node; 0 when there is none.
    pub node_port: u16,
    /// External IPs.
    pub external_ips: Vec<IpAddr>,
    /// IPs of the load balancer, for those in mode VIP.
    pub load_balancer_ips: Vec<IpAddr>,
    /// Who may use the load balancer's IPs; empty means everybody.
    pub source_ranges: Vec<IpNet>,
    /// `externalTrafficPolicy: Local`.
    pub external_local: bool,
    /// `internalTrafficPolicy: Local`.
    pub internal_local: bool,
    /// Seconds for which a client keeps its endpoint (`sessionAffinity: ClientIP`).
    pub affinity_seconds: Option<u32>,
    /// Where `externalTrafficPolicy: Local` is checked from outside; 0 when there is none.
    pub health_check_node_port: u16,
    /// Endpoints in a stable order.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint of a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Address.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
    /// Takes new connections.
    pub ready: bool,
    /// Would take connections, though it may be terminating.
    pub serving: bool,
    /// Its pod is being deleted.
    pub terminating: bool,
    /// It is on this node.
    pub local: bool,
    /// Zones that should use it; empty means all.
    pub zones: BTreeSet<String>,
    /// Nodes that should use it; empty means all.
    pub nodes: BTreeSet<String>,
}

impl ServicePort {
    /// Family of its addresses.
    pub fn family(&self) -> Family {
        Family::of(&self.cluster_ip)
    }

    /// True when traffic from outside comes in by any way.
    pub fn is_external(&self) -> bool {
        self.node_port != 0 || !self.external_ips.is_empty() || !self.load_balancer_ips.is_empty()
    }

    /// External and load-balancer IPs.
    pub fn outside_ips(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.external_ips.iter().chain(&self.load_balancer_ips).copied()
    }
}
