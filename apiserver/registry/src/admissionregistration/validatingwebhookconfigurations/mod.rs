//! Configurations of validating webhooks.

pub mod columns;

use super::conditions;
use crate::{Column, Context, Entry, Row, Strategy};
use api_types::admissionregistration::v1::{MatchCondition, ValidatingWebhookConfiguration};
use machinery::field::ErrorList;
use rules::admissionregistration::v1::webhook::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&ValidatingWebhookConfigurations)
}

/// Strategy of the resource.
pub struct ValidatingWebhookConfigurations;

fn conditions_of(configuration: &ValidatingWebhookConfiguration) -> impl Iterator<Item = &[MatchCondition]> {
    configuration.webhooks.iter().map(|webhook| webhook.match_conditions.as_slice())
}

impl Strategy for ValidatingWebhookConfigurations {
    type Kind = ValidatingWebhookConfiguration;

    fn default(&self, object: &mut ValidatingWebhookConfiguration) {
        defaults::set_validating(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut ValidatingWebhookConfiguration) {
        object.metadata.generation = 1;
    }

    fn validate(&self, _context: &Context, object: &ValidatingWebhookConfiguration) -> ErrorList {
        let mut errors = validation::validate_validating(object);
        errors.extend(conditions::validate(conditions_of(object), std::iter::empty()));
        errors
    }

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut ValidatingWebhookConfiguration,
        old: &ValidatingWebhookConfiguration,
    ) {
        if new.webhooks != old.webhooks {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &ValidatingWebhookConfiguration,
        old: &ValidatingWebhookConfiguration,
    ) -> ErrorList {
        let mut errors = validation::validate_validating_update(new, old);
        errors.extend(conditions::validate(conditions_of(new), conditions_of(old)));
        errors
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &ValidatingWebhookConfiguration, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
