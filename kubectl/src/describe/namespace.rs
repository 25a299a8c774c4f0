//! Namespaces, with their quotas and limits.

use serde_json::Value;

use super::{Around, Page, quotas};
use crate::{Result, values};

/// Writes the page of a namespace.
pub fn describe(namespace: &Value, around: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(namespace));
    page.metadata_maps(namespace);
    page.field(0, "Status", values::text(namespace, "/status/phase"));
    let conditions = values::list(namespace, "/status/conditions");
    if !conditions.is_empty() {
        page.line(0, "Conditions:");
        transitions(conditions, page);
    }
    if let Some(list) = &around.quotas {
        page.line(0, "");
        quotas::of_namespace(list, page);
    }
    if let Some(list) = &around.limit_ranges {
        page.line(0, "");
        quotas::limits_of_namespace(list, page);
    }
    Ok(())
}

/// Writes conditions with the times they changed.
pub fn transitions(conditions: &[Value], page: &mut Page) {
    page.row(1, ["Type", "Status", "LastTransitionTime", "Reason", "Message"]);
    page.row(1, ["----", "------", "------------------", "------", "-------"]);
    for condition in conditions {
        let text = |pointer: &str| values::text(condition, pointer);
        let time = page.time(condition, "/lastTransitionTime");
        page.row(1, [text("/type"), text("/status"), &time, text("/reason"), text("/message")]);
    }
}
