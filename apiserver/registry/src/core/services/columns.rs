//! Table columns of services.

use crate::columns::{Column, Row, age_of, cells, or};
use api_types::core::v1::Service;
use rules::selector::labels_shown;
use std::collections::BTreeSet;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Type", "k8s.io.api.core.v1.ServiceSpec", "type"),
    Column::field("Cluster-IP", "k8s.io.api.core.v1.ServiceSpec", "clusterIP"),
    Column::field("External-IP", "k8s.io.api.core.v1.ServiceSpec", "externalIPs"),
    Column::field("Port(s)", "k8s.io.api.core.v1.ServiceSpec", "ports"),
    Column::AGE,
    Column::field("Selector", "k8s.io.api.core.v1.ServiceSpec", "selector").wide(),
];

fn external(service: &Service) -> String {
    let ips = &service.spec.external_ips;
    match service.spec.type_.as_str() {
        "ClusterIP" | "NodePort" if ips.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => ips.join(","),
        "LoadBalancer" => {
            let balancers: BTreeSet<&str> = service
                .status
                .load_balancer
                .ingress
                .iter()
                .map(
                    |ingress| {
                        if ingress.ip.is_empty() { ingress.hostname.as_str() } else { ingress.ip.as_str() }
                    },
                )
                .filter(|address| !address.is_empty())
                .collect();
            if balancers.is_empty() && ips.is_empty() {
                return "<pending>".to_owned();
            }
            balancers.into_iter().chain(ips.iter().map(String::as_str)).collect::<Vec<_>>().join(",")
        }
        "ExternalName" => service.spec.external_name.clone(),
        _ => "<unknown>".to_owned(),
    }
}

/// A service as a row.
pub fn row(service: &Service, now: jiff::Timestamp) -> Row {
    let ports: Vec<String> = service
        .spec
        .ports
        .iter()
        .map(|port| match port.node_port {
            node_port if node_port > 0 => format!("{}:{node_port}/{}", port.port, port.protocol),
            _ => format!("{}/{}", port.port, port.protocol),
        })
        .collect();
    cells![
        service.metadata.name.as_str(),
        service.spec.type_.as_str(),
        service.spec.cluster_ips.first().map_or("<none>", String::as_str),
        external(service),
        or(&ports.join(","), "<none>"),
        age_of(&service.metadata, now),
        labels_shown(&service.spec.selector),
    ]
}
