//! Table columns of ipaddresses.

use crate::columns::{Column, Row, age_of, cells};
use api_types::networking::v1::IPAddress;

/// Columns as clients see them.
pub const COLUMNS: &[Column] =
    &[Column::NAME, Column::field("ParentRef", "k8s.io.api.networking.v1.IPAddressSpec", "parentRef")];

/// An address as a row. Upstream sends the age although no column announces it.
pub fn row(address: &IPAddress, now: jiff::Timestamp) -> Row {
    let parent = match &address.spec.parent_ref {
        None => "<none>".to_owned(),
        Some(parent) => {
            let mut text = parent.resource.to_lowercase();
            if !parent.group.is_empty() {
                text = format!("{text}.{}", parent.group.to_lowercase());
            }
            if !parent.namespace.is_empty() {
                text = format!("{text}/{}", parent.namespace);
            }
            format!("{text}/{}", parent.name)
        }
    };
    cells![address.metadata.name.as_str(), parent, age_of(&address.metadata, now)]
}
