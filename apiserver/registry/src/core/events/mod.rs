//! Events, served as `v1` and as `events.k8s.io/v1` and stored as `v1`.

pub mod columns;
mod newer;

use crate::{Column, Context, Entry, GarbageCollection, Row, Strategy};
use api_types::core::v1::Event;
use machinery::field::ErrorList;
use rules::core::v1::event::validation::{self, Dialect};

/// Seconds an event lives.
pub const TIME_TO_LIVE: u64 = 3600;

/// The row of `v1`.
pub fn entry() -> Entry {
    Entry::new(&CORE).uncached()
}

/// The row of `events.k8s.io/v1`.
pub fn newer_entry() -> Entry {
    Entry::version_of::<api_types::events::v1::Event, _>(
        &NEWER,
        newer::default,
        newer::to_stored,
        newer::from_stored,
    )
    .uncached()
}

static CORE: Events = Events { dialect: Dialect::Core };
static NEWER: Events = Events { dialect: Dialect::Events };

/// Strategy of the resource in either API.
pub struct Events {
    dialect: Dialect,
}

impl Strategy for Events {
    type Kind = Event;

    fn validate(&self, _context: &Context, object: &Event) -> ErrorList {
        validation::validate(object, self.dialect)
    }

    fn validate_update(&self, _context: &Context, new: &Event, old: &Event) -> ErrorList {
        validation::validate_update(new, old, self.dialect)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn selectable_fields(&self, object: &Event) -> Vec<(&'static str, String)> {
        let about = &object.involved_object;
        let source = if object.source.component.is_empty() {
            &object.reporting_component
        } else {
            &object.source.component
        };
        let common = |core: &'static str, newer: &'static str| {
            if self.dialect == Dialect::Core { core } else { newer }
        };
        vec![
            (common("involvedObject.kind", "regarding.kind"), about.kind.clone()),
            (common("involvedObject.namespace", "regarding.namespace"), about.namespace.clone()),
            (common("involvedObject.name", "regarding.name"), about.name.clone()),
            (common("involvedObject.uid", "regarding.uid"), about.uid.clone()),
            (common("involvedObject.apiVersion", "regarding.apiVersion"), about.api_version.clone()),
            (
                common("involvedObject.resourceVersion", "regarding.resourceVersion"),
                about.resource_version.clone(),
            ),
            (common("involvedObject.fieldPath", "regarding.fieldPath"), about.field_path.clone()),
            ("reason", object.reason.clone()),
            ("reportingComponent", object.reporting_component.clone()),
            (common("source", "reportingController"), source.clone()),
            ("type", object.type_.clone()),
        ]
    }

    fn default_garbage_collection(&self) -> GarbageCollection {
        GarbageCollection::Unsupported
    }

    fn time_to_live_seconds(&self) -> Option<u64> {
        Some(TIME_TO_LIVE)
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &Event, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
