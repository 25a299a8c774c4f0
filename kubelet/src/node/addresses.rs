//! The addresses of this node, as upstream finds them.

use std::net::IpAddr;

use kubelet_core::ports::Machine;

/// Why the node has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("invalid value {value:?} for --node-ip: {rule}")]
    Flag { value: String, rule: &'static str },
    #[error("can't get ip address of node {node}. error: {message}")]
    Unknown { node: String, message: String },
}

/// What `--node-ip` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeIpFlag {
    /// Addresses of their own; empty to find one.
    pub addresses: Vec<IpAddr>,
    /// The family to prefer when one is found: `::` asks for IPv6.
    pub prefer_v6: bool,
}

impl NodeIpFlag {
    /// Reads the flag.
    pub fn parse(text: &str) -> Result<NodeIpFlag, AddressError> {
        let refuse = |rule| AddressError::Flag { value: text.to_owned(), rule };
        let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        let parsed: Result<Vec<IpAddr>, _> = parts.iter().map(|part| part.parse()).collect();
        let parsed = parsed.map_err(|_| refuse("must be an IP address, or two of different families"))?;
        match parsed.as_slice() {
            [] => Ok(NodeIpFlag::default()),
            [one] if one.is_unspecified() => {
                Ok(NodeIpFlag { addresses: Vec::new(), prefer_v6: one.is_ipv6() })
            }
            [_] => Ok(NodeIpFlag { addresses: parsed, prefer_v6: false }),
            [a, b] if a.is_ipv4() != b.is_ipv4() => {
                if a.is_unspecified() || b.is_unspecified() {
                    return Err(refuse("cannot include an unspecified address in dual-stack"));
                }
                Ok(NodeIpFlag { addresses: parsed, prefer_v6: false })
            }
            _ => Err(refuse("must be an IP address, or two of different families")),
        }
    }
}

/// The addresses, primary first.
pub async fn find(
    machine: &dyn Machine,
    flag: &NodeIpFlag,
    node_name: &str,
) -> Result<Vec<IpAddr>, AddressError> {
    if !flag.addresses.is_empty() {
        return Ok(flag.addresses.clone());
    }
    let usable = |ip: &IpAddr| {
        let link_local = match ip {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast() && !link_local
    };
    if let Ok(ip) = node_name.parse::<IpAddr>() {
        return Ok(vec![ip]);
    }
    let interfaces = machine.interfaces().await.unwrap_or_default();
    let is_ours = |ip: &IpAddr| interfaces.iter().any(|one| one.addresses.iter().any(|(own, _)| own == ip));
    let resolved = machine.resolve(node_name).await.unwrap_or_default();
    let choose = |list: Vec<IpAddr>| {
        let wanted = list.iter().find(|ip| ip.is_ipv6() == flag.prefer_v6).or(list.first());
        wanted.copied()
    };
    if let Some(ip) = choose(resolved.into_iter().filter(|ip| usable(ip) && is_ours(ip)).collect()) {
        return Ok(vec![ip]);
    }
    let unknown = |message: String| AddressError::Unknown { node: node_name.to_owned(), message };
    let by_route = machine.default_route_addresses().await.map_err(|error| unknown(error.to_string()))?;
    if let Some(ip) = choose(by_route.into_iter().filter(usable).collect()) {
        return Ok(vec![ip]);
    }
    // No default route: any address of an interface that is up.
    let any = interfaces
        .iter()
        .filter(|interface| !interface.loopback)
        .flat_map(|interface| interface.addresses.iter().map(|(ip, _)| *ip))
        .filter(usable)
        .collect();
    choose(any)
        .map(|ip| vec![ip])
        .ok_or_else(|| unknown("no default routes and no usable address found".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        let check = |text: &str, expected: Option<(usize, bool)>| {
            let found = NodeIpFlag::parse(text).ok().map(|flag| (flag.addresses.len(), flag.prefer_v6));
            assert_eq!(found, expected, "{text}");
        };
        check("", Some((0, false)));
        check("1.2.3.4", Some((1, false)));
        check("::", Some((0, true)));
        check("0.0.0.0", Some((0, false)));
        check("1.2.3.4,fd00::1", Some((2, false)));
        check("1.2.3.4,1.2.3.5", None);
        check("1.2.3.4,::", None);
        check("node", None);
    }
}
