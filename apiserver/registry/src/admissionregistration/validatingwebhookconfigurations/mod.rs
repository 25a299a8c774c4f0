//! Configurations of validating webhooks.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::admissionregistration::v1::ValidatingWebhookConfiguration;
use machinery::field::ErrorList;
use rules::admissionregistration::v1::webhook::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&ValidatingWebhookConfigurations)
}

/// Strategy of the resource.
pub struct ValidatingWebhookConfigurations;

impl Strategy for ValidatingWebhookConfigurations {
    type Kind = ValidatingWebhookConfiguration;

    fn default(&self, object: &mut ValidatingWebhookConfiguration) {
        defaults::set_validating(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut ValidatingWebhookConfiguration) {
        object.metadata.generation = 1;
    }

    fn validate(&self, _context: &Context, object: &ValidatingWebhookConfiguration) -> ErrorList {
        validation::validate_validating(object)
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
        validation::validate_validating_update(new, old)
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
