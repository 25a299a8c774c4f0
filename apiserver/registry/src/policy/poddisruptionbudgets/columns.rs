//! Table columns of poddisruptionbudgets.

use crate::columns::{Column, Row, age_of, cells};
use api_types::policy::v1::PodDisruptionBudget;
use machinery::IntOrString;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text("Min Available", "The minimum number of pods that must be available."),
    Column::text("Max Unavailable", "The maximum number of pods that may be unavailable."),
    Column::text("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time.")
        .of("integer"),
    Column::AGE,
];

/// A disruption budget as a row.
pub fn row(budget: &PodDisruptionBudget, now: jiff::Timestamp) -> Row {
    let shown =
        |value: &Option<IntOrString>| value.as_ref().map_or_else(|| "N/A".to_owned(), IntOrString::to_string);
    cells![
        budget.metadata.name.as_str(),
        shown(&budget.spec.min_available),
        shown(&budget.spec.max_unavailable),
        budget.status.disruptions_allowed,
        age_of(&budget.metadata, now),
    ]
}
