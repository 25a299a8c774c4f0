//! What this node needs, from what the API says of all nodes: a pure function.

use std::collections::BTreeMap;
use std::net::IpAddr;

use api_types::core::v1::Node;
use ipnet::IpNet;
use serde_json::{Value, json};

/// Name of the bridge that connects the node's pods.
pub const BRIDGE: &str = "cni0";

/// What the node needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Contents of the CNI configuration; none until the node has a pod range.
    pub cni: Option<Value>,
    /// Ranges of other nodes' pods → address of the node.
    pub routes: BTreeMap<IpNet, IpAddr>,
    /// Nodes whose pods cannot be reached, and why.
    pub unreachable: Vec<String>,
    /// Rules for nft, in its JSON form.
    pub rules: Value,
}

/// Ranges of a node's pods.
fn pod_ranges(node: &Node) -> Vec<IpNet> {
    let spec = &node.spec;
    let mut ranges: Vec<IpNet> = spec.pod_cidrs.iter().filter_map(|text| text.parse().ok()).collect();
    if ranges.is_empty() {
        ranges.extend(spec.pod_cidr.parse::<IpNet>());
    }
    ranges
}

fn internal_addresses(node: &Node) -> impl Iterator<Item = IpAddr> + '_ {
    let internal = node.status.addresses.iter().filter(|address| address.type_ == "InternalIP");
    internal.filter_map(|address| address.address.parse().ok())
}

/// Works the plan out for the node `name`. `local` are the ranges that are reached without a router.
pub fn plan(nodes: &[&Node], name: &str, cluster: &[IpNet], local: &[IpNet], mtu: u32) -> Plan {
    let mut plan = Plan::default();
    for node in nodes {
        let ranges = pod_ranges(node);
        if node.metadata.name == name {
            plan.cni = cni(&ranges, mtu);
            plan.rules = rules(&ranges, cluster);
            continue;
        }
        for range in ranges {
            let gateway = internal_addresses(node).find(|address| {
                address.is_ipv4() == range.addr().is_ipv4()
                    && local.iter().any(|subnet| subnet.contains(address))
            });
            match gateway {
                Some(gateway) => drop(plan.routes.insert(range, gateway)),
                None => plan.unreachable.push(format!(
                    "pods of node {} ({range}): none of its internal addresses is on a network of this node",
                    node.metadata.name
                )),
            }
        }
    }
    plan
}

/// A conflist of the bridge and portmap plugins.
fn cni(ranges: &[IpNet], mtu: u32) -> Option<Value> {
    if ranges.is_empty() {
        return None;
    }
    let subnets: Vec<Value> =
        ranges.iter().map(|range| json!([{"subnet": range.trunc().to_string()}])).collect();
    let routes: Vec<Value> = ranges
        .iter()
        .map(|range| json!({"dst": if range.addr().is_ipv4() { "0.0.0.0/0" } else { "::/0" }}))
        .collect();
    Some(json!({
        "cniVersion": "0.4.0",
        "name": "kubernetes",
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": true,
                // Masquerading here would hide the pods' addresses from each other.
                "ipMasq": false,
                "hairpinMode": true,
                "mtu": mtu,
                "ipam": {"type": "host-local", "ranges": subnets, "routes": routes},
            },
            {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true},
        ],
    }))
}

/// Name of the table.
pub const TABLE: &str = "node-network";

/// One table a family: what pods of this node send out of the cluster gets the node's address.
fn rules(ranges: &[IpNet], cluster: &[IpNet]) -> Value {
    let mut commands = Vec::new();
    for family in ["ip", "ip6"] {
        let of_family = |range: &&IpNet| range.addr().is_ipv4() == (family == "ip");
        let table = json!({"family": family, "name": TABLE});
        commands.push(json!({"add": {"table": table}}));
        commands.push(json!({"delete": {"table": table}}));
        let Some(own) = ranges.iter().find(of_family) else { continue };
        commands.push(json!({"add": {"table": table}}));
        commands.push(json!({"add": {"chain": {"family": family, "table": TABLE, "name": "postrouting",
            "type": "nat", "hook": "postrouting", "prio": 99, "policy": "accept"}}}));
        let prefix = |range: &IpNet| json!({"prefix": {"addr": range.network().to_string(), "len": range.prefix_len()}});
        let field = |field: &str| json!({"payload": {"protocol": family, "field": field}});
        let mut expressions =
            vec![json!({"match": {"op": "==", "left": field("saddr"), "right": prefix(own)}})];
        for inside in cluster.iter().filter(of_family).chain([own]) {
            expressions.push(json!({"match": {"op": "!=", "left": field("daddr"), "right": prefix(inside)}}));
        }
        let multicast: IpNet =
            if family == "ip" { "224.0.0.0/4" } else { "ff00::/8" }.parse().unwrap_or(*own);
        expressions.push(json!({"match": {"op": "!=", "left": field("daddr"), "right": prefix(&multicast)}}));
        expressions.push(json!({"masquerade": {"flags": "fully-random"}}));
        commands.push(json!({"add": {"rule": {"family": family, "table": TABLE, "chain": "postrouting", "expr": expressions}}}));
    }
    json!({"nftables": commands})
}

#[cfg(test)]
mod tests {
    use machinery::Message;

    use super::*;

    fn node(name: &str, range: &str, address: &str) -> Node {
        Node::from_value(&json!({"metadata": {"name": name}, "spec": {"podCIDR": range, "podCIDRs": [range]},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]}}))
        .unwrap()
    }

    #[test]
    fn neighbours_get_routes_and_others_are_named() {
        let nodes = [
            node("a", "10.244.0.0/24", "192.0.2.1"),
            node("b", "10.244.1.0/24", "192.0.2.2"),
            node("c", "10.244.2.0/24", "198.51.100.3"),
        ];
        let nodes: Vec<&Node> = nodes.iter().collect();
        let (cluster, local) = ("10.244.0.0/16".parse().unwrap(), "192.0.2.0/24".parse().unwrap());
        let plan = plan(&nodes, "a", &[cluster], &[local], 1500);
        assert_eq!(plan.routes, BTreeMap::from([("10.244.1.0/24".parse().unwrap(), [192, 0, 2, 2].into())]));
        assert_eq!(plan.unreachable.len(), 1);
        let cni = plan.cni.unwrap();
        assert_eq!(cni["plugins"][0]["ipam"]["ranges"], json!([[{"subnet": "10.244.0.0/24"}]]));
    }

    #[test]
    fn without_a_range_there_is_no_configuration() {
        let nodes = [node("a", "", "192.0.2.1")];
        assert_eq!(plan(&[&nodes[0]], "a", &[], &[], 1500).cni, None);
    }
}
