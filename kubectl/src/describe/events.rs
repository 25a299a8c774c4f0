//! The table of events at the end of a description.

use serde_json::Value;

use super::page::Page;
use super::read::{number, present};
use crate::values;

/// Writes the events, in the order they were last seen.
pub fn describe(events: &[Value], page: &mut Page) {
    if events.is_empty() {
        page.field(0, "Events", "<none>");
        return;
    }
    let mut sorted: Vec<&Value> = events.iter().collect();
    sorted.sort_by_key(|event| values::text(event, "/lastTimestamp").parse::<jiff::Timestamp>().ok());
    page.line(0, "Events:");
    page.row(1, ["Type", "Reason", "Age", "From", "Message"]);
    page.row(1, ["----", "------", "----", "----", "-------"]);
    for event in sorted {
        let first = if present(event, "/eventTime") { "/eventTime" } else { "/firstTimestamp" };
        let first = page.age(event, first);
        let age = if present(event, "/series") {
            let last = page.age(event, "/series/lastObservedTime");
            format!("{last} (x{} over {first})", number(event, "/series/count"))
        } else if number(event, "/count") > 1 {
            format!("{} (x{} over {first})", page.age(event, "/lastTimestamp"), number(event, "/count"))
        } else {
            first
        };
        let from = match values::text(event, "/source/component") {
            "" => values::text(event, "/reportingComponent"),
            component => component,
        };
        let message = values::text(event, "/message").trim();
        let message = match values::text(event, "/involvedObject/fieldPath") {
            "" => message.to_owned(),
            path => format!("{path}: {message}"),
        };
        let (kind, reason) = (values::text(event, "/type"), values::text(event, "/reason"));
        page.row(1, [kind, reason, &age, from, &message]);
    }
}
