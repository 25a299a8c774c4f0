//! Configurations of mutating webhooks.

pub mod columns;

use super::conditions;
use crate::{Column, Context, Entry, Row, Strategy};
use api_types::admissionregistration::v1::{MatchCondition, MutatingWebhookConfiguration};
use machinery::field::ErrorList;
use rules::admissionregistration::v1::webhook::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&MutatingWebhookConfigurations)
}

/// Strategy of the resource.
pub struct MutatingWebhookConfigurations;

fn conditions_of(configuration: &MutatingWebhookConfiguration) -> impl Iterator<Item = &[MatchCondition]> {
    configuration.webhooks.iter().map(|webhook| webhook.match_conditions.as_slice())
}

impl Strategy for MutatingWebhookConfigurations {
    type Kind = MutatingWebhookConfiguration;

    fn default(&self, object: &mut MutatingWebhookConfiguration) {
        defaults::set_mutating(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut MutatingWebhookConfiguration) {
        object.metadata.generation = 1;
    }

    fn validate(&self, _context: &Context, object: &MutatingWebhookConfiguration) -> ErrorList {
        let mut errors = validation::validate_mutating(object);
        errors.extend(conditions::validate(conditions_of(object), std::iter::empty()));
        errors
    }

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut MutatingWebhookConfiguration,
        old: &MutatingWebhookConfiguration,
    ) {
        if new.webhooks != old.webhooks {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &MutatingWebhookConfiguration,
        old: &MutatingWebhookConfiguration,
    ) -> ErrorList {
        let mut errors = validation::validate_mutating_update(new, old);
        errors.extend(conditions::validate(conditions_of(new), conditions_of(old)));
        errors
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &MutatingWebhookConfiguration, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
