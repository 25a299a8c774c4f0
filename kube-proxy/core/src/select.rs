//! Which endpoints get the traffic.
//!
//! Source: `pkg/proxy/topology.go`: ready endpoints, else those that still serve while they terminate;
//! traffic policies; hints for zones and nodes.

use crate::model::{Endpoint, ServicePort};

/// The node on which this proxy runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Here {
    /// The node's name.
    pub node: String,
    /// The node's zone; empty when unknown.
    pub zone: String,
}

/// Endpoints for traffic from inside and from outside of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// For the cluster IP.
    pub internal: Vec<&'a Endpoint>,
    /// For node ports, external and load-balancer IPs; with `externalTrafficPolicy: Local` those on this node.
    pub external: Vec<&'a Endpoint>,
    /// For pods and the node itself that use an address meant for outside, whatever the policy.
    pub external_from_inside: Vec<&'a Endpoint>,
    /// There are endpoints somewhere, though perhaps none for this node.
    pub any: bool,
}

/// Chooses among the endpoints of a port.
pub fn choose<'a>(service: &'a ServicePort, here: &Here) -> Chosen<'a> {
    let all: Vec<&Endpoint> = service.endpoints.iter().collect();
    let cluster = usable(&all, |_| true);
    let local = usable(&all, |endpoint| endpoint.local);
    let any = all.iter().any(|endpoint| endpoint.ready || endpoint.serving && endpoint.terminating);
    let cluster = by_hints(cluster, here);
    Chosen {
        internal: if service.internal_local { local.clone() } else { cluster.clone() },
        external: if service.external_local { local } else { cluster.clone() },
        external_from_inside: cluster,
        any,
    }
}

/// Ready endpoints; when there is none, those that serve while they terminate.
fn usable<'a>(all: &[&'a Endpoint], here: impl Fn(&Endpoint) -> bool) -> Vec<&'a Endpoint> {
    let ready: Vec<&Endpoint> = all.iter().copied().filter(|e| here(e) && e.ready).collect();
    if !ready.is_empty() {
        return ready;
    }
    all.iter().copied().filter(|e| here(e) && e.serving && e.terminating).collect()
}

/// Hints are followed only when every endpoint has one and some endpoint is meant for this place.
fn by_hints<'a>(endpoints: Vec<&'a Endpoint>, here: &Here) -> Vec<&'a Endpoint> {
    let follow = |has: &dyn Fn(&Endpoint) -> bool, mine: &dyn Fn(&Endpoint) -> bool| {
        endpoints.iter().all(|e| has(e)) && endpoints.iter().any(|e| mine(e))
    };
    let for_node = |e: &Endpoint| e.nodes.contains(&here.node);
    if follow(&|e| !e.nodes.is_empty(), &for_node) {
        return endpoints.into_iter().filter(|e| for_node(e)).collect();
    }
    let for_zone = |e: &Endpoint| e.zones.contains(&here.zone);
    if !here.zone.is_empty() && follow(&|e| !e.zones.is_empty(), &for_zone) {
        return endpoints.into_iter().filter(|e| for_zone(e)).collect();
    }
    endpoints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Protocol;

    fn endpoint(last: u8, flags: &str) -> Endpoint {
        let has = |flag: char| flags.contains(flag);
        let zones = flags.chars().filter(char::is_ascii_digit).map(String::from).collect();
        Endpoint {
            address: [10, 1, 0, last].into(),
            port: 80,
            ready: has('r'),
            serving: has('r') || has('s'),
            terminating: has('t'),
            local: has('l'),
            zones,
            nodes: Default::default(),
        }
    }

    /// Endpoints are numbered from 1; `flags`: r ready, s serving, t terminating, l local, digits are zones.
    fn check(flags: &[&str], local: (bool, bool), internal: &[u8], external: &[u8]) {
        let endpoints = flags.iter().zip(1..).map(|(flags, last)| endpoint(last, flags)).collect();
        let service = ServicePort {
            name: "ns/name:port".into(),
            protocol: Protocol::Tcp,
            cluster_ip: [10, 96, 0, 1].into(),
            port: 80,
            node_port: 30000,
            external_ips: Vec::new(),
            load_balancer_ips: Vec::new(),
            source_ranges: Vec::new(),
            internal_local: local.0,
            external_local: local.1,
            affinity_seconds: None,
            health_check_node_port: 0,
            endpoints,
        };
        let chosen = choose(&service, &Here { node: "here".into(), zone: "1".into() });
        let last = |endpoints: &[&Endpoint]| -> Vec<u8> {
            endpoints
                .iter()
                .map(|e| e.address.to_string().rsplit('.').next().unwrap().parse().unwrap())
                .collect()
        };
        assert_eq!(
            (last(&chosen.internal), last(&chosen.external)),
            (internal.into(), external.into()),
            "{flags:?}"
        );
    }

    #[test]
    fn policies_readiness_and_hints_choose() {
        let cluster = (false, false);
        check(&["r", "", "rl"], cluster, &[1, 3], &[1, 3]);
        check(&["r", "", "rl"], (false, true), &[1, 3], &[3]);
        check(&["r", "", "rl"], (true, false), &[3], &[1, 3]);
        check(&["st", "t", ""], cluster, &[1], &[1]);
        check(&["r", "stl"], (false, true), &[1], &[2]);
        check(&["r1", "r2", "r12"], cluster, &[1, 3], &[1, 3]);
        check(&["r1", "r"], cluster, &[1, 2], &[1, 2]);
        check(&["r2", "r3"], cluster, &[1, 2], &[1, 2]);
        check(&[], cluster, &[], &[]);
    }
}
