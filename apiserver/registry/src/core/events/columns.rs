//! Table columns of events.

use crate::columns::{Column, Row, cells};
use api_types::core::v1::Event;
use machinery::{MicroTime, Time};

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::field("Last Seen", "k8s.io.api.core.v1.Event", "lastTimestamp"),
    Column::field("Type", "k8s.io.api.core.v1.Event", "type"),
    Column::field("Reason", "k8s.io.api.core.v1.Event", "reason"),
    Column::field("Object", "k8s.io.api.core.v1.Event", "involvedObject"),
    Column::field("Subobject", "k8s.io.api.core.v1.ObjectReference", "fieldPath").wide(),
    Column::field("Source", "k8s.io.api.core.v1.Event", "source").wide(),
    Column::field("Message", "k8s.io.api.core.v1.Event", "message"),
    Column::field("First Seen", "k8s.io.api.core.v1.Event", "firstTimestamp").wide(),
    Column::field("Count", "k8s.io.api.core.v1.Event", "count").wide(),
    Column::NAME.wide(),
];

fn seconds(time: MicroTime) -> Time {
    Time { seconds: time.seconds, nanos: time.nanos }
}

fn first_of<'a>(one: &'a str, other: &'a str) -> &'a str {
    if one.is_empty() { other } else { one }
}

/// An event as a row.
pub fn row(event: &Event, now: jiff::Timestamp) -> Row {
    let since = |time: Time| rules::duration::since(time, now);
    let first_seen = since(if event.first_timestamp.is_zero() {
        seconds(event.event_time)
    } else {
        event.first_timestamp
    });
    let mut last_seen =
        if event.last_timestamp.is_zero() { first_seen.clone() } else { since(event.last_timestamp) };
    let mut count = event.count.max(1);
    if let Some(series) = &event.series {
        last_seen = since(seconds(series.last_observed_time));
        count = series.count;
    } else if event.count != 0 {
        count = event.count;
    }
    let about = &event.involved_object;
    let kind = about.kind.to_lowercase();
    let component = first_of(&event.source.component, &event.reporting_component);
    let instance = first_of(&event.source.host, &event.reporting_instance);
    cells![
        last_seen,
        event.type_.as_str(),
        event.reason.as_str(),
        if about.name.is_empty() { kind } else { format!("{kind}/{}", about.name) },
        about.field_path.as_str(),
        if instance.is_empty() { component.to_owned() } else { format!("{component}, {instance}") },
        event.message.trim(),
        first_seen,
        count,
        event.metadata.name.as_str(),
    ]
}
