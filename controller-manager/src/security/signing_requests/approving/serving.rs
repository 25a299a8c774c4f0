//! Whether the names in a kubelet's request for a serving certificate are its own.
//!
//! Upstream leaves these requests to an administrator, because a node writes its own addresses: who signs whatever
//! they say signs for any name. So a request is only approved where an administrator (or `kubeadm init`) gave nodes
//! the right to create `certificatesigningrequests/selfnodeserver`, and only for what nobody else can claim: the
//! node's own name, and addresses in its status that no other node and no Service has.

use std::net::IpAddr;

use api_types::certificates::v1::CertificateSigningRequest;
use api_types::core::v1::{Node, Service};
use component_base::tls::SigningRequest;
use runtime::Store;

const USER_PREFIX: &str = "system:node:";
const NODES_GROUP: &str = "system:nodes";
/// Kinds of addresses of nodes that are IP addresses.
const IP_KINDS: [&str; 2] = ["InternalIP", "ExternalIP"];

/// What is known about who has which address.
pub(super) struct Owners {
    pub nodes: Store<Node>,
    pub services: Store<Service>,
}

impl Owners {
    /// Refuses a request for a name or address that is not its user's; the text says which and why.
    pub(super) fn check(
        &self,
        request: &CertificateSigningRequest,
        parsed: &SigningRequest,
    ) -> Result<(), String> {
        if !self.nodes.is_synced() || !self.services.is_synced() {
            return Err("the nodes and services of the cluster are not known yet".to_owned());
        }
        let user = &request.spec.username;
        let name = user.strip_prefix(USER_PREFIX).unwrap_or_default();
        if *user != parsed.common_name || !request.spec.groups.iter().any(|group| group == NODES_GROUP) {
            return Err(format!(
                "user {user:?} asks for a certificate of {:?}: only a node of group {NODES_GROUP:?} may, for itself",
                parsed.common_name
            ));
        }
        let node = self.nodes.get_by("", name).ok_or_else(|| format!("there is no node {name:?} yet"))?;
        for dns_name in &parsed.dns_names {
            if dns_name != name {
                return Err(format!("DNS name {dns_name:?} is not the name of node {name:?}"));
            }
            if belongs_to_the_cluster(dns_name) {
                return Err(format!("DNS name {dns_name:?} is a name of the API server"));
            }
        }
        for address in &parsed.ip_addresses {
            self.check_address(&node, *address)?;
        }
        Ok(())
    }

    fn check_address(&self, node: &Node, address: IpAddr) -> Result<(), String> {
        let name = &node.metadata.name;
        if !has_address(node, address) {
            return Err(format!("IP address {address} is not in status.addresses of node {name:?}"));
        }
        if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
            return Err(format!("IP address {address} is nobody's own"));
        }
        let other = |other: &Node| other.metadata.name != *name && has_address(other, address);
        if let Some(other) = self.nodes.list().into_iter().find(|node| other(node)) {
            return Err(format!("IP address {address} is also that of node {:?}", other.metadata.name));
        }
        let service = self.services.list().into_iter().find(|service| serves(service, address));
        match service.map(|service| service.metadata.clone()) {
            None => Ok(()),
            Some(found) => {
                Err(format!("IP address {address} is that of service {}/{}", found.namespace, found.name))
            }
        }
    }
}

/// Names the API server is called by; a node that took one could pass for it.
fn belongs_to_the_cluster(name: &str) -> bool {
    matches!(name, "localhost" | "kubernetes") || name.starts_with("kubernetes.default")
}

fn is(text: &str, address: IpAddr) -> bool {
    text.parse::<IpAddr>().is_ok_and(|parsed| parsed.to_canonical() == address.to_canonical())
}

fn has_address(node: &Node, address: IpAddr) -> bool {
    let mut addresses = node.status.addresses.iter();
    addresses.any(|known| IP_KINDS.contains(&known.type_.as_str()) && is(&known.address, address))
}

fn serves(service: &Service, address: IpAddr) -> bool {
    let spec = &service.spec;
    let ingress = service.status.load_balancer.ingress.iter().map(|ingress| &ingress.ip);
    let addresses =
        spec.cluster_ips.iter().chain([&spec.cluster_ip]).chain(&spec.external_ips).chain(ingress);
    addresses.into_iter().any(|known| is(known, address))
}
