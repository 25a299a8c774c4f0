//! Table columns of endpointslices.

use crate::columns::{Column, Row, age_of, cells};
use api_types::discovery::v1::EndpointSlice;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("AddressType", "k8s.io.api.discovery.v1.EndpointSlice", "addressType"),
    Column::field("Ports", "k8s.io.api.discovery.v1.EndpointSlice", "ports"),
    Column::field("Endpoints", "k8s.io.api.discovery.v1.EndpointSlice", "endpoints"),
    Column::AGE,
];

/// Items shown before the rest is only counted.
const MOST: usize = 3;

fn first(mut all: Vec<String>) -> String {
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    if more == 0 { all.join(",") } else { format!("{} + {more} more...", all.join(",")) }
}

/// An endpoint slice as a row.
pub fn row(slice: &EndpointSlice, now: jiff::Timestamp) -> Row {
    let ports = slice
        .ports
        .iter()
        .map(|port| match (&port.name, port.port) {
            (_, Some(number)) => number.to_string(),
            (Some(name), None) if !name.is_empty() => name.clone(),
            _ => "*".to_owned(),
        })
        .collect::<Vec<_>>();
    let addresses =
        slice.endpoints.iter().flat_map(|endpoint| endpoint.addresses.iter().cloned()).collect::<Vec<_>>();
    cells![
        slice.metadata.name.as_str(),
        slice.address_type.as_str(),
        if slice.ports.is_empty() { "<unset>".to_owned() } else { first(ports) },
        if addresses.is_empty() { "<unset>".to_owned() } else { first(addresses) },
        age_of(&slice.metadata, now),
    ]
}
