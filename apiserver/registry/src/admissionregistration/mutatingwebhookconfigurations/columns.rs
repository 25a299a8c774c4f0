//! Table columns of mutatingwebhookconfigurations.

use crate::columns::{Column, Row, age_of, cells};
use api_types::admissionregistration::v1::MutatingWebhookConfiguration;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text("Webhooks", "Webhooks indicates the number of webhooks registered in this configuration")
        .of("integer"),
    Column::AGE,
];

/// A configuration as a row.
pub fn row(configuration: &MutatingWebhookConfiguration, now: jiff::Timestamp) -> Row {
    cells![
        configuration.metadata.name.as_str(),
        configuration.webhooks.len(),
        age_of(&configuration.metadata, now)
    ]
}
