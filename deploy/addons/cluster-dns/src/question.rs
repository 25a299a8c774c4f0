//! What a name asks for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a name inside of the cluster's domain, or a reversed address, asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The domain itself.
    Apex,
    /// `dns-version.<domain>`
    Version,
    /// Names that only have names below them: `svc.<domain>`, `<namespace>.svc.<domain>` …
    Branch {
        /// Namespace, which must exist.
        namespace: Option<String>,
    },
    /// `<service>.<namespace>.svc.<domain>`
    Service {
        /// Namespace.
        namespace: String,
        /// Service.
        service: String,
    },
    /// `<hostname>.<service>.<namespace>.svc.<domain>`
    Endpoint {
        /// Namespace.
        namespace: String,
        /// Service.
        service: String,
        /// Host name of the endpoint, or its address with dashes.
        hostname: String,
    },
    /// `_<port>._<protocol>.<service>.<namespace>.svc.<domain>`
    Port {
        /// Namespace.
        namespace: String,
        /// Service.
        service: String,
        /// Name of the port.
        port: String,
        /// `tcp`, `udp` or `sctp`.
        protocol: String,
    },
    /// `<address with dashes>.<namespace>.pod.<domain>`
    Pod {
        /// Namespace, which must exist.
        namespace: String,
        /// The address.
        address: IpAddr,
    },
    /// A reversed address: `4.3.2.1.in-addr.arpa`
    Reverse(IpAddr),
    /// A name in the domain that nothing can have.
    Nothing,
    /// A name elsewhere.
    Foreign,
}

/// Reads a lower-case name without its final dot; `domain` likewise.
pub fn parse(name: &str, domain: &str) -> Question {
    if let Some(address) = reversed(name) {
        return Question::Reverse(address);
    }
    if name == domain {
        return Question::Apex;
    }
    let Some(inner) = name.strip_suffix(domain).and_then(|inner| inner.strip_suffix('.')) else {
        return Question::Foreign;
    };
    let mut labels: Vec<&str> = inner.split('.').collect();
    labels.reverse();
    let owned = |text: &str| text.to_owned();
    match labels.as_slice() {
        ["dns-version"] => Question::Version,
        ["svc" | "pod"] => Question::Branch { namespace: None },
        ["svc" | "pod", namespace] => Question::Branch { namespace: Some(owned(namespace)) },
        ["svc", namespace, service] => {
            Question::Service { namespace: owned(namespace), service: owned(service) }
        }
        ["svc", namespace, service, protocol, port] if protocol.starts_with('_') && port.starts_with('_') => {
            Question::Port {
                namespace: owned(namespace),
                service: owned(service),
                port: owned(&port[1..]),
                protocol: owned(&protocol[1..]),
            }
        }
        ["svc", namespace, service, hostname] => Question::Endpoint {
            namespace: owned(namespace),
            service: owned(service),
            hostname: owned(hostname),
        },
        ["pod", namespace, address] => match dashed(address) {
            Some(address) => Question::Pod { namespace: owned(namespace), address },
            None => Question::Nothing,
        },
        _ => Question::Nothing,
    }
}

/// `10-1-2-3` or `fd00--1`.
fn dashed(label: &str) -> Option<IpAddr> {
    let v4 = label.replace('-', ".").parse::<Ipv4Addr>().map(IpAddr::V4);
    v4.or_else(|_| label.replace('-', ":").parse::<Ipv6Addr>().map(IpAddr::V6)).ok()
}

fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let parts: Vec<&str> = digits.rsplit('.').collect();
        return parts.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let digits = name.strip_suffix(".ip6.arpa")?;
    let nibbles: Vec<&str> = digits.rsplit('.').collect();
    if nibbles.len() != 32 || nibbles.iter().any(|n| n.len() != 1) {
        return None;
    }
    u128::from_str_radix(&nibbles.concat(), 16).ok().map(|bits| IpAddr::V6(bits.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let s = str::to_owned;
        for (name, expected) in [
            ("cluster.local", Question::Apex),
            ("dns-version.cluster.local", Question::Version),
            ("svc.cluster.local", Question::Branch { namespace: None }),
            ("ns.svc.cluster.local", Question::Branch { namespace: Some(s("ns")) }),
            ("web.ns.svc.cluster.local", Question::Service { namespace: s("ns"), service: s("web") }),
            (
                "a.web.ns.svc.cluster.local",
                Question::Endpoint { namespace: s("ns"), service: s("web"), hostname: s("a") },
            ),
            (
                "_http._tcp.web.ns.svc.cluster.local",
                Question::Port { namespace: s("ns"), service: s("web"), port: s("http"), protocol: s("tcp") },
            ),
            (
                "10-1-2-3.ns.pod.cluster.local",
                Question::Pod { namespace: s("ns"), address: [10, 1, 2, 3].into() },
            ),
            ("ten.ns.pod.cluster.local", Question::Nothing),
            ("x.y.cluster.local", Question::Nothing),
            ("4.3.2.1.in-addr.arpa", Question::Reverse([1, 2, 3, 4].into())),
            ("notcluster.local", Question::Foreign),
            ("example.com", Question::Foreign),
        ] {
            assert_eq!(parse(name, "cluster.local"), expected, "{name}");
        }
    }
}
