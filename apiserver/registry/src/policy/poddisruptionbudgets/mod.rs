//! Disruption budgets.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::policy::v1::PodDisruptionBudget;
use machinery::field::ErrorList;
use rules::policy::v1::pod_disruption_budget::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&PodDisruptionBudgets).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct PodDisruptionBudgets;

impl Strategy for PodDisruptionBudgets {
    type Kind = PodDisruptionBudget;

    fn prepare_for_create(&self, _context: &Context, object: &mut PodDisruptionBudget) {
        object.metadata.generation = 1;
        object.status = Default::default();
    }

    fn validate(&self, _context: &Context, object: &PodDisruptionBudget) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut PodDisruptionBudget,
        old: &PodDisruptionBudget,
    ) {
        new.status = old.status.clone();

        if new.spec != old.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &PodDisruptionBudget,
        old: &PodDisruptionBudget,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &PodDisruptionBudget, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = PodDisruptionBudget;

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut PodDisruptionBudget,
        old: &PodDisruptionBudget,
    ) {
        new.spec = old.spec.clone();
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &PodDisruptionBudget,
        old: &PodDisruptionBudget,
    ) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
