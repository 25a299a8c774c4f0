//! Table columns of servicecidrs.

use crate::columns::{Column, Row, age_of, cells};
use api_types::networking::v1::ServiceCIDR;

/// Columns as clients see them.
pub const COLUMNS: &[Column] =
    &[Column::NAME, Column::field("CIDRs", "k8s.io.api.networking.v1.ServiceCIDRSpec", "cidrs"), Column::AGE];

/// A service CIDR as a row.
pub fn row(cidr: &ServiceCIDR, now: jiff::Timestamp) -> Row {
    cells![cidr.metadata.name.as_str(), cidr.spec.cidrs.join(","), age_of(&cidr.metadata, now)]
}
