//! Table columns of leases.

use crate::columns::{Column, Row, age_of, cells};
use api_types::coordination::v1::Lease;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Holder", "k8s.io.api.coordination.v1.LeaseSpec", "holderIdentity"),
    Column::AGE,
];

/// A lease as a row.
pub fn row(lease: &Lease, now: jiff::Timestamp) -> Row {
    cells![
        lease.metadata.name.as_str(),
        lease.spec.holder_identity.as_deref().unwrap_or_default(),
        age_of(&lease.metadata, now)
    ]
}
