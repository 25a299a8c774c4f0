//! Table columns of networkpolicies.

use crate::columns::{Column, Row, age_of, cells};
use api_types::networking::v1::NetworkPolicy;
use rules::selector::shown;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Pod-Selector", "k8s.io.api.networking.v1.NetworkPolicySpec", "podSelector"),
    Column::AGE,
];

/// A network policy as a row.
pub fn row(policy: &NetworkPolicy, now: jiff::Timestamp) -> Row {
    cells![
        policy.metadata.name.as_str(),
        shown(Some(&policy.spec.pod_selector)),
        age_of(&policy.metadata, now)
    ]
}
