//! Validation of events, in the dialects of `v1` and `events.k8s.io/v1`.
//!
//! Source: `pkg/apis/core/validation/events.go`.

use crate::{
    meta,
    report::{IMMUTABLE, Report},
};
use api_types::core::v1::Event;
use machinery::{
    Message,
    field::{BadValue, ErrorList, Path},
    names,
};

/// Which API the event came through; the newer one is stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `v1`.
    Core,
    /// `events.k8s.io/v1`.
    Events,
}

/// A new event.
pub fn validate(event: &Event, dialect: Dialect) -> ErrorList {
    let mut errors = validate_shared(event, dialect);
    if dialect == Dialect::Core {
        return errors;
    }
    errors.extend(meta::validate(
        &event.metadata,
        true,
        names::name_is_dns_subdomain,
        &Path::new("metadata"),
    ));
    validate_series(event, &mut errors);
    if event.event_time.is_zero() {
        errors.required(&Path::new("eventTime"), "");
    }
    if event.type_ != "Normal" && event.type_ != "Warning" {
        errors.invalid(&Path::new("type"), "", format!("has invalid value: {}", event.type_));
    }
    let unset = [
        ("firstTimestamp", event.first_timestamp.is_zero()),
        ("lastTimestamp", event.last_timestamp.is_zero()),
        ("count", event.count == 0),
        ("source", event.source.component.is_empty() && event.source.host.is_empty()),
    ];
    for (field, is_unset) in unset {
        if !is_unset {
            errors.invalid(&Path::new(field), "", "needs to be unset");
        }
    }
    errors
}

/// A changed event.
pub fn validate_update(new: &Event, old: &Event, dialect: Dialect) -> ErrorList {
    let mut errors = validate_shared(new, dialect);
    if dialect == Dialect::Core {
        return errors;
    }
    errors.extend(meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata")));
    if new.series != old.series {
        validate_series(new, &mut errors);
    }
    let related = |event: &Event| event.related.as_ref().map(|related| related.to_value());
    let micros = |event: &Event| (event.event_time.seconds, event.event_time.nanos / 1000);
    let rows: [(&'static str, bool, BadValue); 12] = [
        ("involvedObject", new.involved_object == old.involved_object, new.involved_object.to_value().into()),
        ("reason", new.reason == old.reason, (&new.reason).into()),
        ("message", new.message == old.message, (&new.message).into()),
        ("source", new.source == old.source, new.source.to_value().into()),
        (
            "firstTimestamp",
            new.first_timestamp == old.first_timestamp,
            new.first_timestamp.to_string().into(),
        ),
        ("lastTimestamp", new.last_timestamp == old.last_timestamp, new.last_timestamp.to_string().into()),
        ("count", new.count == old.count, new.count.into()),
        ("type", new.type_ == old.type_, (&new.type_).into()),
        ("eventTime", micros(new) == micros(old), new.event_time.to_string().into()),
        ("action", new.action == old.action, (&new.action).into()),
        ("related", new.related == old.related, related(new).into()),
        (
            "reportingController",
            new.reporting_component == old.reporting_component,
            (&new.reporting_component).into(),
        ),
    ];
    for (field, same, shown) in rows {
        if !same {
            errors.invalid(&Path::new(field), shown, IMMUTABLE);
        }
    }
    errors.unchanged(
        &Path::new("reportingInstance"),
        &new.reporting_instance,
        &old.reporting_instance,
        &new.reporting_instance,
    );
    errors
}

fn validate_series(event: &Event, errors: &mut ErrorList) {
    if let Some(series) = &event.series {
        if series.count < 2 {
            errors.invalid(&Path::new("series.count"), "", "should be at least 2");
        }
        if series.last_observed_time.is_zero() {
            errors.required(&Path::new("series.lastObservedTime"), "");
        }
    }
}

fn validate_shared(event: &Event, dialect: Dialect) -> ErrorList {
    let mut errors = ErrorList::new();
    let namespace = event.metadata.namespace.as_str();
    let about = event.involved_object.namespace.as_str();
    let path = Path::of(&["involvedObject", "namespace"]);
    if event.event_time.is_zero() {
        let matches = if about.is_empty() { matches!(namespace, "" | "default") } else { namespace == about };
        if !matches {
            errors.invalid(&path, about, "does not match event.namespace");
        }
    } else {
        if about.is_empty() && !matches!(namespace, "default" | "kube-system") {
            errors.invalid(&path, about, "does not match event.namespace");
        }
        let controller =
            Path::new(if dialect == Dialect::Core { "reportingComponent" } else { "reportingController" });
        if event.reporting_component.is_empty() {
            errors.required(&controller, "");
        }
        errors.invalid_each(
            &controller,
            &event.reporting_component,
            names::is_qualified_name(&event.reporting_component),
        );
        for (field, value, limit) in [
            ("reportingInstance", &event.reporting_instance, 128),
            ("action", &event.action, 128),
            ("reason", &event.reason, 128),
        ] {
            if value.is_empty() {
                errors.required(&Path::new(field), "");
            }
            if value.len() > limit {
                errors.invalid(&Path::new(field), "", format!("can have at most {limit} characters"));
            }
        }
        if event.message.len() > 1024 {
            errors.invalid(&Path::new("message"), "", "can have at most 1024 characters");
        }
    }
    errors.invalid_each(&Path::new("namespace"), namespace, names::is_dns1123_subdomain(namespace));
    errors
}
