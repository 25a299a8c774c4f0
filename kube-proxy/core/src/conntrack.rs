//! Which connections the kernel must forget: UDP "connections" outlive the endpoint they were sent to.
//!
//! Source: `pkg/proxy/conntrack/cleanup.go`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::model::{Protocol, ServicePort};
use crate::select::{Here, choose};

/// A class of connections to forget.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stale {
    /// To an address and port that led nowhere before, or now leads elsewhere.
    To {
        /// Destination before translation.
        address: IpAddr,
        /// Port before translation.
        port: u16,
        /// Endpoint after translation; `None` for connections that were not translated.
        endpoint: Option<IpAddr>,
    },
    /// To a node port, on whatever address.
    ToNodePort {
        /// Port before translation.
        port: u16,
        /// Endpoint after translation; `None` for connections that were not translated.
        endpoint: Option<IpAddr>,
    },
}

/// Compares a port before and after.
pub fn stale(before: Option<&ServicePort>, after: Option<&ServicePort>, here: &Here) -> BTreeSet<Stale> {
    let mut found = BTreeSet::new();
    let Some(service) = after.or(before).filter(|service| service.protocol == Protocol::Udp) else {
        return found;
    };
    let serving = |service: Option<&ServicePort>| -> BTreeSet<IpAddr> {
        let Some(service) = service else { return BTreeSet::new() };
        let chosen = choose(service, here);
        chosen
            .internal
            .iter()
            .chain(&chosen.external)
            .chain(&chosen.external_from_inside)
            .map(|e| e.address)
            .collect()
    };
    let (old, new) = (serving(before), serving(after));
    let mut endpoints: Vec<Option<IpAddr>> = old.difference(&new).copied().map(Some).collect();
    if old.is_empty() && !new.is_empty() {
        endpoints.push(None);
    }
    for endpoint in endpoints {
        let port = service.port;
        found.insert(Stale::To { address: service.cluster_ip, port, endpoint });
        found.extend(service.outside_ips().map(|address| Stale::To { address, port, endpoint }));
        if service.node_port != 0 {
            found.insert(Stale::ToNodePort { port: service.node_port, endpoint });
        }
    }
    found
}
