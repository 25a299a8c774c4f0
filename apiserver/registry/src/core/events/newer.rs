//! `events.k8s.io/v1` events as stored ones and back: the same facts under other names.

use api_types::{
    core::v1::{Event as Stored, EventSeries as StoredSeries},
    events::v1::{Event, EventSeries},
};
use machinery::object::Object;

/// The newer version has no defaults of its own.
pub fn default(_object: &mut dyn Object) {}

/// To the stored kind.
pub fn to_stored(object: &dyn Object) -> Option<Box<dyn Object>> {
    let event = object.downcast_ref::<Event>()?;
    let series = event.series.as_ref().map(|series| {
        Box::new(StoredSeries { count: series.count, last_observed_time: series.last_observed_time })
    });
    Some(Box::new(Stored {
        metadata: event.metadata.clone(),
        involved_object: event.regarding.clone(),
        reason: event.reason.clone(),
        message: event.note.clone(),
        source: event.deprecated_source.clone(),
        first_timestamp: event.deprecated_first_timestamp,
        last_timestamp: event.deprecated_last_timestamp,
        count: event.deprecated_count,
        type_: event.type_.clone(),
        event_time: event.event_time,
        series,
        action: event.action.clone(),
        related: event.related.clone(),
        reporting_component: event.reporting_controller.clone(),
        reporting_instance: event.reporting_instance.clone(),
    }))
}

/// From the stored kind.
pub fn from_stored(object: &dyn Object) -> Option<Box<dyn Object>> {
    let stored = object.downcast_ref::<Stored>()?;
    let series = stored.series.as_ref().map(|series| {
        Box::new(EventSeries { count: series.count, last_observed_time: series.last_observed_time })
    });
    Some(Box::new(Event {
        metadata: stored.metadata.clone(),
        event_time: stored.event_time,
        series,
        reporting_controller: stored.reporting_component.clone(),
        reporting_instance: stored.reporting_instance.clone(),
        action: stored.action.clone(),
        reason: stored.reason.clone(),
        regarding: stored.involved_object.clone(),
        related: stored.related.clone(),
        note: stored.message.clone(),
        type_: stored.type_.clone(),
        deprecated_source: stored.source.clone(),
        deprecated_first_timestamp: stored.first_timestamp,
        deprecated_last_timestamp: stored.last_timestamp,
        deprecated_count: stored.count,
    }))
}
