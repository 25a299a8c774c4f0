//! Table columns of resourcequotas.

use crate::columns::{Column, Row, age_of, cells};
use api_types::core::v1::ResourceQuota;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text(
        "Request",
        "Request represents a minimum amount of cpu/memory that a container may consume.",
    ),
    Column::text(
        "Limit",
        "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.",
    ),
    Column::AGE,
];

/// A quota as a row: limits in one cell, everything else in the other.
pub fn row(quota: &ResourceQuota, now: jiff::Timestamp) -> Row {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (name, hard) in &quota.status.hard {
        let used = quota.status.used.get(name).map_or_else(|| "0".to_owned(), |used| used.to_string());
        let list = if name.starts_with("limits.") { &mut limits } else { &mut requests };
        list.push(format!("{name}: {used}/{hard}"));
    }
    cells![quota.metadata.name.as_str(), requests.join(", "), limits.join(", "), age_of(&quota.metadata, now)]
}
