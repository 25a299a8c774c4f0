//! One object as the cache holds it: its bytes, what selectors need, and encodings made on first use.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::error::StorageError;
use crate::indexer::{ObjectIndexer, Summary};
use crate::revision_splice::with_resource_version;
use crate::storage::Revision;

/// An immutable version of an object.
pub struct CachedObject {
    /// `namespace/name` or `name`: the key behind the resource's prefix.
    path: Box<str>,
    revision: Revision,
    /// The served form with `metadata.resourceVersion` put in.
    value: Bytes,
    /// Written under an outdated encryption key; only known of values that were listed.
    stale: bool,
    summary: Summary,
    encodings: Mutex<Vec<Encoding>>,
}

struct Encoding {
    form: u32,
    bytes: Bytes,
    /// Cleared by the sweep, set by use: an encoding unused between two sweeps is dropped.
    used: bool,
}

impl CachedObject {
    /// Makes an object of a stored value. `path` is the key without the resource's prefix.
    pub fn load(
        path: &str,
        stored: &[u8],
        revision: Revision,
        stale: bool,
        indexer: &dyn ObjectIndexer,
    ) -> Result<Arc<Self>, StorageError> {
        let corrupt = |reason| StorageError::Corrupt { key: path.to_owned(), reason };
        let version = revision.to_string();
        let splice =
            |value| with_resource_version(value, &version).map_err(|error| corrupt(error.to_string()));
        let mut value = splice(stored)?;
        let indexed = indexer.read(stored).map_err(corrupt)?;
        if let Some(completed) = &indexed.completed {
            value = splice(completed)?;
        }
        Ok(Arc::new(CachedObject {
            path: path.into(),
            revision,
            value: Bytes::from(value),
            stale,
            summary: indexed.summary,
            encodings: Mutex::default(),
        }))
    }

    /// The same object under a later revision: what a watch shows when the object disappears.
    pub(super) fn at_revision(&self, revision: Revision) -> Result<Arc<Self>, StorageError> {
        let value = with_resource_version(&self.value, &revision.to_string()).map_err(|error| {
            StorageError::Corrupt { key: self.path.to_string(), reason: error.to_string() }
        })?;
        Ok(Arc::new(CachedObject {
            path: self.path.clone(),
            revision,
            value: Bytes::from(value),
            stale: self.stale,
            summary: self.summary.clone(),
            encodings: Mutex::default(),
        }))
    }

    /// `namespace/name`, or `name` when the object has no namespace. Objects are ordered by it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The namespace, empty when there is none.
    pub fn namespace(&self) -> &str {
        self.path.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.path.split_once('/').map_or(&self.path, |(_, name)| name)
    }

    /// The revision of the write that made this version.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The stored form, completed by the indexer, with `metadata.resourceVersion` put in.
    pub fn value(&self) -> &Bytes {
        &self.value
    }

    /// True when the value should be written again even if nothing changes.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Labels and selectable fields.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The encoding that the caller calls `form`, made by `make` when nobody has needed it lately and then
    /// shared by all readers. The lock is held while it is made, so that it is made once.
    pub fn encoding<E>(&self, form: u32, make: impl FnOnce(&Self) -> Result<Bytes, E>) -> Result<Bytes, E> {
        let mut encodings = self.encodings.lock();
        if let Some(known) = encodings.iter_mut().find(|encoding| encoding.form == form) {
            known.used = true;
            return Ok(known.bytes.clone());
        }
        let bytes = make(self)?;
        encodings.push(Encoding { form, bytes: bytes.clone(), used: true });
        Ok(bytes)
    }

    /// Drops the encodings nobody used since the last sweep; true when some are left.
    pub(super) fn sweep(&self) -> bool {
        let mut encodings = self.encodings.lock();
        if encodings.is_empty() {
            return false;
        }
        encodings.retain_mut(|encoding| std::mem::take(&mut encoding.used));
        if encodings.is_empty() {
            *encodings = Vec::new();
            return false;
        }
        true
    }
}

impl std::fmt::Debug for CachedObject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}@{}", self.path, self.revision)
    }
}
