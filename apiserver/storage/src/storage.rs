//! The storage trait: what the API server needs of a revisioned key-value store.
//!
//! Guarantees every implementation gives (the suite in `contract.rs` checks them):
//! - Revisions grow by every write and are shared by all keys.
//! - A list is one consistent state; its pages can be read at one revision until compaction.
//! - A watch delivers every event after its start exactly once, in revision order, or fails.
//! - A [`WatchBatch`] of revision R means that all events up to R of that prefix were delivered.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::error::StorageError;

/// A position in the history of the store; 0 means "none" or "latest", by context.
pub type Revision = u64;

/// One stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The full key, e.g. `/registry/pods/default/web`.
    pub key: String,
    /// The value as written.
    pub value: Bytes,
    /// The revision of the write that made this value.
    pub revision: Revision,
    /// True when the value was written with an outdated encryption key and should be written again
    /// even if nothing in it changes.
    pub stale: bool,
}

/// Which part of which state a list wants.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListQuery<'a> {
    /// Every key that starts with this; by convention it ends in `/`.
    pub prefix: &'a str,
    /// Only keys from this one on (inclusive).
    pub start: Option<&'a str>,
    /// At most so many items; 0 for all.
    pub limit: usize,
    /// The state to read; 0 for the latest.
    pub revision: Revision,
}

/// The answer to a [`ListQuery`].
#[derive(Clone, Debug, Default)]
pub struct ListPage {
    /// Items in the order of their keys.
    pub items: Vec<KeyValue>,
    /// The state that was read.
    pub revision: Revision,
    /// How many items follow after this page.
    pub remaining: u64,
}

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A value was written.
    Put(Bytes),
    /// The key was removed.
    Delete,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The full key.
    pub key: String,
    /// The revision of the change.
    pub revision: Revision,
    /// The change.
    pub kind: EventKind,
    /// The value before the change, when the watch asked for it and there was one.
    pub previous: Option<Bytes>,
}

/// A step of a watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchBatch {
    /// Changes in revision order; empty when the batch only reports progress.
    pub events: Vec<Event>,
    /// All events of the prefix up to this revision have been delivered.
    pub revision: Revision,
}

/// The events of one prefix. After an error the stream ends; [`StorageError::Compacted`] means that the
/// caller must list again, transport failures are healed inside.
pub type WatchStream = BoxStream<'static, Result<WatchBatch, StorageError>>;

/// What a consistent read has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The revision of the store at some moment after the call.
    pub revision: Revision,
    /// The state at `revision` is complete for whoever has applied the prefix's events up to here.
    /// It may be lower than `revision` when later writes touched other prefixes only.
    pub reach: Revision,
}

/// A revisioned key-value store.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Writes a key that must not exist. With `ttl` the store removes it by itself after about that time.
    async fn create(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<Revision, StorageError>;

    /// Reads a key; the second part is the revision of the store at that moment.
    async fn get(&self, key: &str) -> Result<(Option<KeyValue>, Revision), StorageError>;

    /// Reads a part of a state.
    async fn list(&self, query: ListQuery<'_>) -> Result<ListPage, StorageError>;

    /// Replaces the value of a key whose current value has the revision `expected`. `expected` 0 means
    /// "must not exist".
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Revision,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Revision, StorageError>;

    /// Removes a key, if `expected` is given only when its value has that revision. Returns the revision of
    /// the removal.
    async fn delete(&self, key: &str, expected: Option<Revision>) -> Result<Revision, StorageError>;

    /// Delivers the changes of all keys under `prefix` from revision `from` (inclusive) on.
    /// `previous` asks for the values before the changes.
    async fn watch(&self, prefix: &str, from: Revision, previous: bool) -> Result<WatchStream, StorageError>;

    /// Announces that `prefix` is about to be listed and watched, which lets [`Storage::confirm`] speak
    /// about it.
    fn track(&self, prefix: &str);

    /// Finds out what a reader of `prefix` must have applied to be as fresh as this call.
    async fn confirm(&self, prefix: &str) -> Result<Confirmation, StorageError>;

    /// Asks the running watch of `prefix` to report its progress soon. Implementations whose watches report
    /// by themselves do nothing.
    fn request_progress(&self, prefix: &str);

    /// The revision of the store now.
    async fn current_revision(&self) -> Result<Revision, StorageError>;

    /// Forgets the history before `revision`.
    async fn compact(&self, revision: Revision) -> Result<(), StorageError>;

    /// How many keys start with `prefix`.
    async fn count(&self, prefix: &str) -> Result<u64, StorageError>;
}
