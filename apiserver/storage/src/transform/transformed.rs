//! A storage whose values pass through a transformer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;

use super::Transformer;
use crate::error::StorageError;
use crate::storage::{
    Confirmation, Event, EventKind, KeyValue, ListPage, ListQuery, Revision, Storage, WatchBatch, WatchStream,
};

/// `inner` with every value transformed on its way in and out.
#[derive(Clone)]
pub struct Transformed {
    inner: Arc<dyn Storage>,
    transformer: Arc<dyn Transformer>,
}

impl Transformed {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn Storage>, transformer: Arc<dyn Transformer>) -> Self {
        Transformed { inner, transformer }
    }

    fn write(&self, key: &str, value: &[u8]) -> Result<Bytes, StorageError> {
        self.transformer
            .write(value, key.as_bytes())
            .map_err(|error| StorageError::Corrupt { key: key.to_owned(), reason: error.to_string() })
    }

    fn read(&self, pair: KeyValue) -> Result<KeyValue, StorageError> {
        let (value, stale) = read(&*self.transformer, &pair.key, &pair.value)?;
        Ok(KeyValue { value, stale, ..pair })
    }

    /// The value that a failed condition brings along is transformed too.
    fn read_conflict(&self, error: StorageError) -> StorageError {
        match error {
            StorageError::Conflict { key, expected, current: Some(current) } => match self.read(*current) {
                Ok(current) => StorageError::Conflict { key, expected, current: Some(Box::new(current)) },
                Err(error) => error,
            },
            other => other,
        }
    }
}

fn read(transformer: &dyn Transformer, key: &str, stored: &[u8]) -> Result<(Bytes, bool), StorageError> {
    transformer
        .read(stored, key.as_bytes())
        .map_err(|error| StorageError::Corrupt { key: key.to_owned(), reason: error.to_string() })
}

fn read_event(transformer: &dyn Transformer, event: Event) -> Result<Event, StorageError> {
    let kind = match &event.kind {
        EventKind::Put(stored) => EventKind::Put(read(transformer, &event.key, stored)?.0),
        EventKind::Delete => EventKind::Delete,
    };
    let previous = match &event.previous {
        Some(stored) => Some(read(transformer, &event.key, stored)?.0),
        None => None,
    };
    Ok(Event { kind, previous, ..event })
}

#[async_trait]
impl Storage for Transformed {
    async fn create(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<Revision, StorageError> {
        self.inner.create(key, self.write(key, &value)?, ttl).await
    }

    async fn get(&self, key: &str) -> Result<(Option<KeyValue>, Revision), StorageError> {
        let (found, revision) = self.inner.get(key).await?;
        Ok((found.map(|pair| self.read(pair)).transpose()?, revision))
    }

    async fn list(&self, query: ListQuery<'_>) -> Result<ListPage, StorageError> {
        let page = self.inner.list(query).await?;
        let items = page.items.into_iter().map(|pair| self.read(pair)).collect::<Result<_, _>>()?;
        Ok(ListPage { items, ..page })
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Revision,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Revision, StorageError> {
        let value = self.write(key, &value)?;
        self.inner
            .compare_and_swap(key, expected, value, ttl)
            .await
            .map_err(|error| self.read_conflict(error))
    }

    async fn delete(&self, key: &str, expected: Option<Revision>) -> Result<Revision, StorageError> {
        self.inner.delete(key, expected).await.map_err(|error| self.read_conflict(error))
    }

    async fn watch(&self, prefix: &str, from: Revision, previous: bool) -> Result<WatchStream, StorageError> {
        let transformer = self.transformer.clone();
        let stream = self.inner.watch(prefix, from, previous).await?;
        Ok(Box::pin(stream.map(move |batch| {
            let WatchBatch { events, revision } = batch?;
            let events =
                events.into_iter().map(|event| read_event(&*transformer, event)).collect::<Result<_, _>>()?;
            Ok(WatchBatch { events, revision })
        })))
    }

    fn track(&self, prefix: &str) {
        self.inner.track(prefix);
    }

    async fn confirm(&self, prefix: &str) -> Result<Confirmation, StorageError> {
        self.inner.confirm(prefix).await
    }

    fn request_progress(&self, prefix: &str) {
        self.inner.request_progress(prefix);
    }

    async fn current_revision(&self) -> Result<Revision, StorageError> {
        self.inner.current_revision().await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StorageError> {
        self.inner.compact(revision).await
    }

    async fn count(&self, prefix: &str) -> Result<u64, StorageError> {
        self.inner.count(prefix).await
    }
}
