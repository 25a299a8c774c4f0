//! A storage in memory with full history, compaction and expiry, for tests of everything above it.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::error::StorageError;
use crate::storage::{
    Confirmation, Event, EventKind, KeyValue, ListPage, ListQuery, Revision, Storage, WatchBatch, WatchStream,
};

/// See the module. Clones share one store.
#[derive(Clone)]
pub struct MemoryStorage {
    state: Arc<Mutex<State>>,
    /// Tells watches the newest revision.
    revision: Arc<watch::Sender<Revision>>,
}

struct State {
    values: BTreeMap<String, (Bytes, Revision)>,
    /// Every change after `compacted`, with the previous value and its revision.
    log: VecDeque<Change>,
    revision: Revision,
    compacted: Revision,
}

struct Change {
    event: Event,
    previous_revision: Revision,
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStorage {
    /// An empty store at revision 1, where etcd starts too.
    pub fn new() -> Self {
        let state = State { values: BTreeMap::new(), log: VecDeque::new(), revision: 1, compacted: 0 };
        MemoryStorage { state: Arc::new(Mutex::new(state)), revision: Arc::new(watch::channel(1).0) }
    }

    fn write(&self, state: &mut State, key: &str, value: Option<Bytes>) -> Revision {
        state.revision += 1;
        let revision = state.revision;
        let previous = match &value {
            Some(value) => state.values.insert(key.to_owned(), (value.clone(), revision)),
            None => state.values.remove(key),
        };
        let (previous, previous_revision) = match previous {
            Some((value, revision)) => (Some(value), revision),
            None => (None, 0),
        };
        let kind = value.map_or(EventKind::Delete, EventKind::Put);
        let event = Event { key: key.to_owned(), revision, kind, previous };
        state.log.push_back(Change { event, previous_revision });
        self.revision.send_replace(revision);
        revision
    }

    fn put(
        &self,
        key: &str,
        expected: Revision,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Revision, Option<KeyValue>> {
        let mut state = self.state.lock();
        let current = state.values.get(key);
        if current.map_or(0, |(_, revision)| *revision) != expected {
            return Err(current.map(|(value, revision)| key_value(key, value, *revision)));
        }
        let revision = self.write(&mut state, key, Some(value));
        if let Some(ttl) = ttl {
            let (store, key) = (self.clone(), key.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(ttl).await;
                let mut state = store.state.lock();
                if state.values.get(&key).is_some_and(|(_, current)| *current == revision) {
                    store.write(&mut state, &key, None);
                }
            });
        }
        Ok(revision)
    }
}

fn key_value(key: &str, value: &Bytes, revision: Revision) -> KeyValue {
    KeyValue { key: key.to_owned(), value: value.clone(), revision, stale: false }
}

impl State {
    /// The values under `prefix` at `revision`: the present undone back to then.
    fn at(&self, prefix: &str, revision: Revision) -> BTreeMap<String, (Bytes, Revision)> {
        let mut values: BTreeMap<_, _> = self
            .values
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        for change in self.log.iter().rev().take_while(|change| change.event.revision > revision) {
            if !change.event.key.starts_with(prefix) {
                continue;
            }
            match &change.event.previous {
                Some(value) => {
                    values.insert(change.event.key.clone(), (value.clone(), change.previous_revision))
                }
                None => values.remove(&change.event.key),
            };
        }
        values
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn create(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<Revision, StorageError> {
        self.put(key, 0, value, ttl).map_err(|current| StorageError::KeyExists {
            key: key.to_owned(),
            revision: current.map_or(0, |current| current.revision),
        })
    }

    async fn get(&self, key: &str) -> Result<(Option<KeyValue>, Revision), StorageError> {
        let state = self.state.lock();
        let found = state.values.get(key).map(|(value, revision)| key_value(key, value, *revision));
        Ok((found, state.revision))
    }

    async fn list(&self, query: ListQuery<'_>) -> Result<ListPage, StorageError> {
        let state = self.state.lock();
        if query.revision > state.revision {
            return Err(StorageError::TooLarge { requested: query.revision, current: state.revision });
        }
        if query.revision != 0 && query.revision < state.compacted {
            return Err(StorageError::Compacted { requested: query.revision, compacted: state.compacted });
        }
        let revision = if query.revision == 0 { state.revision } else { query.revision };
        let mut items: Vec<KeyValue> = state
            .at(query.prefix, revision)
            .into_iter()
            .filter(|(key, _)| query.start.is_none_or(|start| key.as_str() >= start))
            .map(|(key, (value, revision))| KeyValue { key, value, revision, stale: false })
            .collect();
        let total = items.len();
        if query.limit > 0 {
            items.truncate(query.limit);
        }
        let remaining = (total - items.len()) as u64;
        Ok(ListPage { items, revision, remaining })
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Revision,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Revision, StorageError> {
        self.put(key, expected, value, ttl).map_err(|current| StorageError::Conflict {
            key: key.to_owned(),
            expected,
            current: current.map(Box::new),
        })
    }

    async fn delete(&self, key: &str, expected: Option<Revision>) -> Result<Revision, StorageError> {
        let mut state = self.state.lock();
        match (state.values.get(key), expected) {
            (None, None) => Err(StorageError::NotFound { key: key.to_owned(), revision: state.revision }),
            (None, Some(expected)) => {
                Err(StorageError::Conflict { key: key.to_owned(), expected, current: None })
            }
            (Some((value, revision)), Some(expected)) if *revision != expected => {
                let current = Some(Box::new(key_value(key, value, *revision)));
                Err(StorageError::Conflict { key: key.to_owned(), expected, current })
            }
            (Some(_), _) => Ok(self.write(&mut state, key, None)),
        }
    }

    async fn watch(&self, prefix: &str, from: Revision, previous: bool) -> Result<WatchStream, StorageError> {
        let watch = MemoryWatch {
            store: self.clone(),
            revision: self.revision.subscribe(),
            prefix: prefix.to_owned(),
            next: if from == 0 { self.state.lock().revision + 1 } else { from },
            previous,
            failed: false,
        };
        Ok(Box::pin(stream::unfold(watch, |mut watch| async move {
            let batch = watch.step().await?;
            Some((batch, watch))
        })))
    }

    fn track(&self, _prefix: &str) {}

    async fn confirm(&self, _prefix: &str) -> Result<Confirmation, StorageError> {
        // Watches of this store report every revision, also those of other prefixes.
        let revision = self.state.lock().revision;
        Ok(Confirmation { revision, reach: revision })
    }

    fn request_progress(&self, _prefix: &str) {}

    async fn current_revision(&self) -> Result<Revision, StorageError> {
        Ok(self.state.lock().revision)
    }

    async fn compact(&self, revision: Revision) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        if revision > state.revision {
            return Err(StorageError::TooLarge { requested: revision, current: state.revision });
        }
        if revision <= state.compacted {
            return Err(StorageError::Compacted { requested: revision, compacted: state.compacted });
        }
        state.compacted = revision;
        while state.log.front().is_some_and(|change| change.event.revision <= revision) {
            state.log.pop_front();
        }
        Ok(())
    }

    async fn count(&self, prefix: &str) -> Result<u64, StorageError> {
        let state = self.state.lock();
        let range = state.values.range(prefix.to_owned()..);
        Ok(range.take_while(|(key, _)| key.starts_with(prefix)).count() as u64)
    }
}

struct MemoryWatch {
    store: MemoryStorage,
    revision: watch::Receiver<Revision>,
    prefix: String,
    next: Revision,
    previous: bool,
    failed: bool,
}

impl MemoryWatch {
    async fn step(&mut self) -> Option<Result<WatchBatch, StorageError>> {
        if self.failed {
            return None;
        }
        let next = self.next;
        self.revision.wait_for(|revision| *revision >= next).await.ok()?;
        let state = self.store.state.lock();
        if self.next <= state.compacted {
            self.failed = true;
            let compacted = state.compacted;
            return Some(Err(StorageError::Compacted { requested: self.next, compacted }));
        }
        let start = state.log.partition_point(|change| change.event.revision < self.next);
        let events = state
            .log
            .range(start..)
            .map(|change| &change.event)
            .filter(|event| event.key.starts_with(&self.prefix))
            .map(|event| Event {
                previous: event.previous.clone().filter(|_| self.previous),
                ..event.clone()
            })
            .collect();
        self.next = state.revision + 1;
        Some(Ok(WatchBatch { events, revision: state.revision }))
    }
}
