//! Definitions of custom resources.

pub mod columns;
pub mod conditions;
pub mod schemas;
pub mod structural;
#[cfg(test)]
mod tests;
pub mod validation;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, CustomResourceDefinitionStatus,
};
use conditions::{CLEANUP_FINALIZER, TERMINATING};
use machinery::field::ErrorList;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&CustomResourceDefinitions)
        .prefix("apiextensions.k8s.io/customresourcedefinitions")
        .view("status", &Status)
}

/// Strategy of the resource itself.
pub struct CustomResourceDefinitions;

/// Notes the storage version among those in which objects may be stored.
fn note_storage_version(object: &mut CustomResourceDefinition) {
    let storage = object.spec.versions.iter().find(|version| version.storage);
    if let Some(storage) = storage
        && !object.status.stored_versions.contains(&storage.name)
    {
        object.status.stored_versions.push(storage.name.clone());
    }
}

impl Strategy for CustomResourceDefinitions {
    type Kind = CustomResourceDefinition;

    fn default(&self, object: &mut CustomResourceDefinition) {
        let names = &mut object.spec.names;
        if names.singular.is_empty() {
            names.singular = names.kind.to_lowercase();
        }
        if names.list_kind.is_empty() && !names.kind.is_empty() {
            names.list_kind = format!("{}List", names.kind);
        }
        let conversion = object.spec.conversion.get_or_insert_with(|| {
            Box::new(CustomResourceConversion { strategy: "None".to_owned(), ..Default::default() })
        });
        let service = conversion.webhook.as_mut().and_then(|webhook| webhook.client_config.as_mut());
        if let Some(service) = service.and_then(|client| client.service.as_mut()) {
            service.port.get_or_insert(443);
        }
        if object.status.stored_versions.is_empty() {
            note_storage_version(object);
        }
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut CustomResourceDefinition) {
        object.status = CustomResourceDefinitionStatus::default();
        object.metadata.generation = 1;
        note_storage_version(object);
    }

    fn validate(&self, _context: &Context, object: &CustomResourceDefinition) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &CustomResourceDefinition) -> Vec<String> {
        let formats = schemas::unknown_formats(object).into_iter();
        formats.map(|format| format!("unrecognized format {}", machinery::quote::go_quote(&format))).collect()
    }

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut CustomResourceDefinition,
        old: &CustomResourceDefinition,
    ) {
        new.status = old.status.clone();
        if new.spec != old.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
        note_storage_version(new);
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &CustomResourceDefinition,
        old: &CustomResourceDefinition,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(
        &self,
        _context: &Context,
        new: &CustomResourceDefinition,
        old: &CustomResourceDefinition,
    ) -> Vec<String> {
        let before = schemas::unknown_formats(old);
        let formats = schemas::unknown_formats(new).into_iter().filter(|format| !before.contains(format));
        formats.map(|format| format!("unrecognized format {}", machinery::quote::go_quote(&format))).collect()
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn begin_termination(&self, context: &Context, object: &mut CustomResourceDefinition) -> bool {
        let finalizers = &mut object.metadata.finalizers;
        if !finalizers.iter().any(|finalizer| finalizer == CLEANUP_FINALIZER) {
            finalizers.push(CLEANUP_FINALIZER.to_owned());
        }
        conditions::set(
            object,
            TERMINATING,
            "True",
            "InstanceDeletionPending",
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
            context.now,
        );
        true
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &CustomResourceDefinition, _now: jiff::Timestamp) -> Row {
        columns::row(object)
    }
}

/// The `status` view. It writes metadata too, as upstream's does.
pub struct Status;

impl View for Status {
    type Kind = CustomResourceDefinition;

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut CustomResourceDefinition,
        old: &CustomResourceDefinition,
    ) {
        new.spec = old.spec.clone();
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &CustomResourceDefinition,
        _old: &CustomResourceDefinition,
    ) -> ErrorList {
        validation::validate_status(new)
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
