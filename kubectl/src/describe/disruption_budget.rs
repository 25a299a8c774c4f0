//! Pod disruption budgets.

use serde_json::Value;

use super::read::{number, present, scalar, selector_shown};
use super::{Around, Page};
use crate::{Result, values};

/// Writes the page of a pod disruption budget.
pub fn describe(budget: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(budget));
    page.field(0, "Namespace", values::namespace(budget));
    if let Some(least) = scalar(budget, "/spec/minAvailable") {
        page.field(0, "Min available", least);
    } else if let Some(most) = scalar(budget, "/spec/maxUnavailable") {
        page.field(0, "Max unavailable", most);
    }
    if present(budget, "/spec/selector") {
        page.field(0, "Selector", selector_shown(budget, "/spec/selector"));
    } else {
        page.field(0, "Selector", "<unset>");
    }
    page.line(0, "Status:");
    for (label, field) in [
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ] {
        page.field(2, label, number(budget, &format!("/status/{field}")));
    }
    Ok(())
}
