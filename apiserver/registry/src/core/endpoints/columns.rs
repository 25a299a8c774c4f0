//! Table columns of endpoints.

use crate::columns::{Column, Row, age_of, cells};
use api_types::core::v1::Endpoints;

/// Columns as clients see them.
pub const COLUMNS: &[Column] =
    &[Column::NAME, Column::field("Endpoints", "k8s.io.api.core.v1.Endpoints", "subsets"), Column::AGE];

/// Addresses shown before the rest is only counted.
const MOST: usize = 3;

fn addresses(endpoints: &Endpoints) -> String {
    if endpoints.subsets.is_empty() {
        return "<none>".to_owned();
    }
    let mut all = Vec::new();
    for subset in &endpoints.subsets {
        if subset.ports.is_empty() {
            all.extend(subset.addresses.iter().map(|address| address.ip.clone()));
        }
        for port in &subset.ports {
            all.extend(subset.addresses.iter().map(|address| match address.ip.contains(':') {
                true => format!("[{}]:{}", address.ip, port.port),
                false => format!("{}:{}", address.ip, port.port),
            }));
        }
    }
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    if more == 0 { all.join(",") } else { format!("{} + {more} more...", all.join(",")) }
}

/// Endpoints as a row.
pub fn row(endpoints: &Endpoints, now: jiff::Timestamp) -> Row {
    cells![endpoints.metadata.name.as_str(), addresses(endpoints), age_of(&endpoints.metadata, now)]
}
