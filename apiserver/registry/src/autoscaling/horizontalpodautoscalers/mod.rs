//! Horizontal pod autoscalers, stored in version 2.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::autoscaling::v1;
use api_types::autoscaling::v2::HorizontalPodAutoscaler;
use machinery::field::ErrorList;
use machinery::object::Object;
use rules::autoscaling::v1::horizontal_pod_autoscaler::conversion;
use rules::autoscaling::v2::horizontal_pod_autoscaler::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&HorizontalPodAutoscalers).view("status", &Status)
}

/// The row of version 1.
pub fn older_entry() -> Entry {
    let default = |object: &mut dyn Object| {
        if let Some(autoscaler) = object.downcast_mut::<v1::HorizontalPodAutoscaler>() {
            conversion::set_defaults(autoscaler);
        }
    };
    let to_stored = |object: &dyn Object| -> Option<Box<dyn Object>> {
        Some(Box::new(conversion::to_v2(object.downcast_ref()?)))
    };
    let from_stored = |object: &dyn Object| -> Option<Box<dyn Object>> {
        Some(Box::new(conversion::to_v1(object.downcast_ref()?)))
    };
    Entry::version_of::<v1::HorizontalPodAutoscaler, _>(
        &HorizontalPodAutoscalers,
        default,
        to_stored,
        from_stored,
    )
    .view("status", &Status)
}

/// Strategy of the resource itself.
pub struct HorizontalPodAutoscalers;

impl Strategy for HorizontalPodAutoscalers {
    type Kind = HorizontalPodAutoscaler;

    fn default(&self, object: &mut HorizontalPodAutoscaler) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut HorizontalPodAutoscaler) {
        object.status = Default::default();
    }

    fn validate(&self, _context: &Context, object: &HorizontalPodAutoscaler) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut HorizontalPodAutoscaler,
        old: &HorizontalPodAutoscaler,
    ) {
        new.status = old.status.clone();
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &HorizontalPodAutoscaler,
        old: &HorizontalPodAutoscaler,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &HorizontalPodAutoscaler, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = HorizontalPodAutoscaler;

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut HorizontalPodAutoscaler,
        old: &HorizontalPodAutoscaler,
    ) {
        new.spec = old.spec.clone();
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &HorizontalPodAutoscaler,
        old: &HorizontalPodAutoscaler,
    ) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
