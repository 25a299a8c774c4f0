//! What is particular to a resource on create, update and delete: the typed side of a row.

use crate::{
    columns::{self, Column, Row},
    context::Context,
};
use machinery::{Resource, field::ErrorList, meta::v1::ObjectMeta};

/// What a delete without an explicit propagation policy does to dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GarbageCollection {
    /// Dependents are removed after the owner.
    Background,
    /// Dependents lose their owner reference and stay.
    Orphan,
    /// The resource never has dependents; finalizers for garbage collection are not written.
    Unsupported,
}

/// Metadata that subresources of this kind do not write: all but managed fields and the resource version.
pub fn keep_metadata(new: &mut ObjectMeta, old: &ObjectMeta) {
    new.deletion_timestamp = old.deletion_timestamp;
    new.generation = old.generation;
    new.self_link = old.self_link.clone();
    new.labels = old.labels.clone();
    new.annotations = old.annotations.clone();
    new.finalizers = old.finalizers.clone();
    new.owner_references = old.owner_references.clone();
}

/// Fields of one API version that a kind of request cannot write, as paths of JSON names
/// (server-side apply drops them from the applier's field set).
pub type ResetFields = &'static [&'static [&'static str]];

/// The rules of one resource. Every method has the behaviour of a resource without special rules, so a strategy
/// writes only what differs.
///
/// Order of a create: `default`, mutating admission, `prepare_for_create`, `validate`, generic metadata validation,
/// `warnings_on_create`, `canonicalize`. Order of an update: `default`, mutating admission, `prepare_for_update`,
/// generic metadata validation, `validate_update`, `warnings_on_update`, `canonicalize`.
pub trait Strategy: Send + Sync + 'static {
    /// The kind this strategy serves, in the version that is stored.
    type Kind: Resource;

    /// Fills omitted fields with upstream's versioned defaults. Runs on request bodies and on objects read from storage.
    fn default(&self, _object: &mut Self::Kind) {}

    /// Normalises an object before validation on create: clears status, sets generation, drops disabled fields.
    fn prepare_for_create(&self, _context: &Context, _object: &mut Self::Kind) {}

    /// Every rule broken by a new object.
    fn validate(&self, _context: &Context, _object: &Self::Kind) -> ErrorList {
        ErrorList::new()
    }

    /// Warnings for the client that creates `object`; 120 characters at most each.
    fn warnings_on_create(&self, _context: &Context, _object: &Self::Kind) -> Vec<String> {
        Vec::new()
    }

    /// Normalises an object before validation on update: keeps status, raises generation when the spec changes.
    fn prepare_for_update(&self, _context: &Context, _new: &mut Self::Kind, _old: &Self::Kind) {}

    /// Every rule broken by replacing `old` with `new`.
    fn validate_update(&self, _context: &Context, _new: &Self::Kind, _old: &Self::Kind) -> ErrorList {
        ErrorList::new()
    }

    /// Warnings for the client that replaces `old` with `new`.
    fn warnings_on_update(&self, _context: &Context, _new: &Self::Kind, _old: &Self::Kind) -> Vec<String> {
        Vec::new()
    }

    /// Brings a valid object into its canonical form right before it is stored.
    fn canonicalize(&self, _object: &mut Self::Kind) {}

    /// True when a PUT to a missing name creates the object.
    fn allow_create_on_update(&self) -> bool {
        false
    }

    /// True when an update may leave out the resource version.
    fn allow_unconditional_update(&self) -> bool {
        true
    }

    /// Fields that field selectors may name besides `metadata.name` and `metadata.namespace`, with their values.
    /// The same names in the same order for every object.
    fn selectable_fields(&self, _object: &Self::Kind) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Seconds of grace a delete gives `object`, from what the client asked for; `None` deletes at once.
    fn grace_period_seconds(
        &self,
        _context: &Context,
        _object: &Self::Kind,
        _requested: Option<i64>,
    ) -> Option<i64> {
        None
    }

    /// Marks an object whose end something besides `metadata.finalizers` delays, on the first request to delete it.
    /// True when the object was marked and stays until [`Strategy::is_held`] says no; the store sets the deletion
    /// time stamp (without grace period) and the finalizers of the propagation policy.
    fn begin_termination(&self, _context: &Context, _object: &mut Self::Kind) -> bool {
        false
    }

    /// True while something besides `metadata.finalizers` and the grace period keeps a deleted object.
    fn is_held(&self, _object: &Self::Kind) -> bool {
        false
    }

    /// What a delete without a propagation policy does to dependents.
    fn default_garbage_collection(&self) -> GarbageCollection {
        GarbageCollection::Background
    }

    /// How long an object lives in the store, in seconds; `None` for ever. Only events expire.
    fn time_to_live_seconds(&self) -> Option<u64> {
        None
    }

    /// Fields the main endpoint ignores, for server-side apply.
    fn reset_fields(&self) -> ResetFields {
        &[]
    }

    /// Columns of the server-side table.
    fn columns(&self) -> &'static [Column] {
        columns::NAME_AND_CREATED
    }

    /// One object as a row under [`Strategy::columns`].
    fn row(&self, object: &Self::Kind, _now: jiff::Timestamp) -> Row {
        columns::name_and_created(object.metadata())
    }
}

/// The rules of a subresource that shows the whole object but writes only a part of it (status, finalize, approval …).
pub trait View: Send + Sync + 'static {
    /// The kind of the resource the view belongs to.
    type Kind: Resource;

    /// Puts back from `old` whatever this view may not write.
    fn prepare_for_update(&self, context: &Context, new: &mut Self::Kind, old: &Self::Kind);

    /// Every rule broken by the change.
    fn validate_update(&self, context: &Context, new: &Self::Kind, old: &Self::Kind) -> ErrorList;

    /// Warnings for the client that makes the change.
    fn warnings_on_update(&self, _context: &Context, _new: &Self::Kind, _old: &Self::Kind) -> Vec<String> {
        Vec::new()
    }

    /// True when an update may leave out the resource version.
    fn allow_unconditional_update(&self) -> bool {
        true
    }

    /// Fields this view ignores, for server-side apply.
    fn reset_fields(&self) -> ResetFields {
        &[]
    }
}
