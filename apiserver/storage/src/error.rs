//! What can go wrong between a request and the stored bytes.

use std::error::Error;
use std::sync::Arc;

use crate::storage::{KeyValue, Revision};

/// The error of every storage and watch cache operation.
///
/// It is `Clone` because one round trip to the store may serve many waiting requests, all of which
/// get its outcome.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// A create found the key taken.
    #[error("key {key:?} exists already at revision {revision}")]
    KeyExists {
        /// The full key.
        key: String,
        /// The revision of the value that is there, 0 when the store did not tell.
        revision: Revision,
    },
    /// A read or a delete found nothing.
    #[error("key {key:?} not found")]
    NotFound {
        /// The full key.
        key: String,
        /// The revision of the store at that moment.
        revision: Revision,
    },
    /// A compare-and-swap or conditional delete met another value than the expected one.
    #[error("key {key:?} is not at the expected revision {expected}")]
    Conflict {
        /// The full key.
        key: String,
        /// What the caller believed to be current.
        expected: Revision,
        /// What is there now; `None` when the key is gone.
        current: Option<Box<KeyValue>>,
    },
    /// The history before `compacted` is gone.
    #[error("revision {requested} has been compacted, the oldest available is {compacted}")]
    Compacted {
        /// What was asked for.
        requested: Revision,
        /// The oldest revision that still can be read, 0 when the store did not tell.
        compacted: Revision,
    },
    /// The watch cache no longer holds the events since `requested`; upstream's text.
    #[error("too old resource version: {requested} ({oldest})")]
    TooOld {
        /// What was asked for.
        requested: Revision,
        /// The oldest revision a watch can start from.
        oldest: Revision,
    },
    /// The request wants a revision the store has not reached within the waiting time; upstream's text.
    #[error("Too large resource version: {requested}, current: {current}")]
    TooLarge {
        /// What was asked for.
        requested: Revision,
        /// What the cache has seen.
        current: Revision,
    },
    /// The watch cache has no complete state yet; upstream's text.
    #[error("storage is (re)initializing")]
    NotReady,
    /// A stored value cannot be read: wrong encryption key, broken envelope, unknown encoding.
    #[error("value of key {key:?} cannot be read: {reason}")]
    Corrupt {
        /// The full key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The caller asked for something the store cannot do.
    #[error("{0}")]
    Invalid(String),
    /// The store did not answer or answered with a failure of its own.
    #[error("storage failed to {operation}: {reason}")]
    Backend {
        /// What was being done, e.g. `list`.
        operation: &'static str,
        /// The store's own words.
        reason: String,
        /// The cause.
        #[source]
        source: Option<Arc<dyn Error + Send + Sync>>,
        /// True when the outcome of a write is unknown (the connection broke before the answer).
        uncertain: bool,
    },
}

impl StorageError {
    /// True when a retry of the same call may succeed without anything else changing.
    pub fn is_transient(&self) -> bool {
        matches!(self, StorageError::Backend { .. } | StorageError::NotReady)
    }
}
