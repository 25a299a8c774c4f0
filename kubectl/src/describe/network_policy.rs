//! Network policies.

use serde_json::Value;

use super::read::{joined_or_none, number, present, scalar_or, selector_shown, texts};
use super::{Around, Page};
use crate::{Result, values};

/// One direction of traffic and the words for it.
struct Direction {
    name: &'static str,
    rules: &'static str,
    peers: &'static str,
    peer: &'static str,
    anybody: &'static str,
}

const DIRECTIONS: [Direction; 2] = [
    Direction {
        name: "ingress",
        rules: "/spec/ingress",
        peers: "/from",
        peer: "From:",
        anybody: "From: <any> (traffic not restricted by source)",
    },
    Direction {
        name: "egress",
        rules: "/spec/egress",
        peers: "/to",
        peer: "To:",
        anybody: "To: <any> (traffic not restricted by destination)",
    },
];

/// Writes the page of a network policy.
pub fn describe(policy: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(policy));
    page.field(0, "Namespace", values::namespace(policy));
    page.field(0, "Created on", page.plain_time(policy, "/metadata/creationTimestamp"));
    page.metadata_maps(policy);
    page.line(0, "Spec:");
    let selector = match selector_shown(policy, "/spec/podSelector").as_str() {
        "<none>" => "<none> (Allowing the specific traffic to all pods in this namespace)".to_owned(),
        text => text.to_owned(),
    };
    page.line(1, &format!("PodSelector:     {selector}"));
    let types = texts(policy, "/spec/policyTypes");
    for direction in DIRECTIONS {
        let name = direction.name;
        if types.iter().any(|kind| kind.eq_ignore_ascii_case(name)) {
            page.line(1, &format!("Allowing {name} traffic:"));
            rules(policy, &direction, page);
        } else {
            page.line(1, &format!("Not affecting {name} traffic"));
        }
    }
    page.line(1, &format!("Policy Types: {}", joined_or_none(policy, "/spec/policyTypes", ", ")));
    Ok(())
}

fn rules(policy: &Value, direction: &Direction, page: &mut Page) {
    let rules = values::list(policy, direction.rules);
    if rules.is_empty() {
        page.line(2, &format!("<none> (Selected pods are isolated for {} connectivity)", direction.name));
    }
    for (at, rule) in rules.iter().enumerate() {
        if at > 0 {
            page.line(2, "----------");
        }
        let ports = values::list(rule, "/ports");
        if ports.is_empty() {
            page.line(2, "To Port: <any> (traffic allowed to all ports)");
        }
        for port in ports {
            let protocol = scalar_or(port, "/protocol", "TCP");
            let number_or_name = scalar_or(port, "/port", "<nil>");
            if present(port, "/endPort") {
                let end = number(port, "/endPort");
                page.line(2, &format!("To Port Range: {number_or_name}-{end}/{protocol}"));
            } else {
                page.line(2, &format!("To Port: {number_or_name}/{protocol}"));
            }
        }
        let peers = values::list(rule, direction.peers);
        if peers.is_empty() {
            page.line(2, direction.anybody);
        }
        for peer in peers {
            page.line(2, direction.peer);
            let selectors = [("NamespaceSelector", "/namespaceSelector"), ("PodSelector", "/podSelector")];
            for (label, pointer) in selectors {
                if present(peer, pointer) {
                    page.line(3, &format!("{label}: {}", selector_shown(peer, pointer)));
                }
            }
            if present(peer, "/ipBlock") && selectors.iter().all(|(_, pointer)| !present(peer, pointer)) {
                page.line(3, "IPBlock:");
                page.line(4, &format!("CIDR: {}", values::text(peer, "/ipBlock/cidr")));
                page.line(4, &format!("Except: {}", texts(peer, "/ipBlock/except").join(", ")));
            }
        }
    }
}
