//! Table columns of ingresses.

use crate::columns::{Column, Row, age_of, cells};
use api_types::networking::v1::Ingress;
use std::collections::BTreeSet;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text(
        "Class",
        "The name of the IngressClass resource that should be used for additional configuration",
    ),
    Column::text("Hosts", "Hosts that incoming requests are matched against before the ingress rule"),
    Column::text("Address", "Address is a list containing ingress points for the load-balancer"),
    Column::text("Ports", "Ports of TLS configurations that open"),
    Column::AGE,
];

/// Hosts shown before the rest is only counted.
const MOST_HOSTS: usize = 3;

/// An ingress as a row.
pub fn row(ingress: &Ingress, now: jiff::Timestamp) -> Row {
    let rules = &ingress.spec.rules;
    let mut hosts: Vec<&str> = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= hosts.len() == MOST_HOSTS;
        if !more && !rule.host.is_empty() {
            hosts.push(&rule.host);
        }
    }
    let hosts = match hosts.join(",") {
        none if none.is_empty() => "*".to_owned(),
        shown if more => format!("{shown} + {} more...", rules.len() - MOST_HOSTS),
        shown => shown,
    };
    let addresses: BTreeSet<&str> = ingress
        .status
        .load_balancer
        .ingress
        .iter()
        .map(|point| if point.ip.is_empty() { point.hostname.as_str() } else { point.ip.as_str() })
        .filter(|address| !address.is_empty())
        .collect();
    cells![
        ingress.metadata.name.as_str(),
        ingress.spec.ingress_class_name.as_deref().unwrap_or("<none>"),
        hosts,
        addresses.into_iter().collect::<Vec<_>>().join(","),
        if ingress.spec.tls.is_empty() { "80" } else { "80, 443" },
        age_of(&ingress.metadata, now),
    ]
}
