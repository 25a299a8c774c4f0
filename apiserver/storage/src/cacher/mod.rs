//! The watch cache: every read of a resource is served from here, the store is asked only for the revision.
//!
//! ```text
//! store ── list, then one watch ──► feed ──► state (map, history, revision) ──► watchers (bounded queues)
//!                                              │
//!            get, list: a clone of the map ◄───┘     watch: map or history first, then live events
//! ```
//!
//! - A read that must be fresh waits until the cache has reached the revision the store had after the read
//!   began; one question to the store serves all reads that wait.
//! - A list takes the map as it is at that moment, at no cost, and streams it while writes go on.
//! - A watcher that does not keep up is ended; its client comes back with the last revision it saw.

mod feed;
mod history;
mod object;
mod sorted_map;
mod upkeep;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

pub use history::{CacheEvent, ChangeKind};
pub use object::CachedObject;
pub use sorted_map::SortedMap;
pub use watcher::{Filter, WatchItem, WatchRequest, WatchScope, WatchStart, Watcher};

use crate::coalesce::Coalesced;
use crate::error::StorageError;
use crate::indexer::ObjectIndexer;
use crate::storage::{ListQuery, Revision, Storage};
use history::History;
use watcher::Watchers;

/// How long a read waits for the cache to reach its revision; upstream's `blockTimeout`.
const WAIT: Duration = Duration::from_secs(3);
/// How often a waiting read asks the store's watch to report progress; upstream's period.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);
/// Rebuilt old states that are kept for the next page.
const OLD_STATES: usize = 4;

/// What a cache needs to know of its resource.
pub struct CacherOptions {
    /// Where the objects are.
    pub storage: Arc<dyn Storage>,
    /// All keys of the resource, ending in `/`, e.g. `/registry/pods/`.
    pub prefix: String,
    /// What the bytes mean.
    pub indexer: Arc<dyn ObjectIndexer>,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Whatever the cache has (resourceVersion "0").
    Any,
    /// At least this revision (resourceVersion N).
    AtLeast(Revision),
    /// Everything written before the read (no resourceVersion).
    Consistent,
    /// Exactly this state (continue tokens, `resourceVersionMatch=Exact`).
    Exactly(Revision),
}

/// A state of the resource that does not change any more.
#[derive(Clone)]
pub struct Snapshot {
    /// The objects.
    pub objects: SortedMap,
    /// The revision of the state.
    pub revision: Revision,
}

/// The watch cache of one resource. Dropping it ends its tasks and watchers.
pub struct Cacher {
    inner: Arc<Inner>,
    tasks: [AbortHandle; 2],
}

impl Drop for Cacher {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.inner.watchers.lock().end_all();
    }
}

struct Inner {
    storage: Arc<dyn Storage>,
    prefix: String,
    indexer: Arc<dyn ObjectIndexer>,
    state: RwLock<State>,
    /// Always locked before `state`: events are applied and handed out, and watchers registered, under it.
    watchers: Mutex<Watchers>,
    /// The revision of the state; 0 until the first list is complete.
    revision: watch::Sender<Revision>,
    confirmations: Coalesced<Revision>,
    old_states: Mutex<Vec<OldState>>,
    /// Tells the feed to list again.
    restart: Notify,
    /// Tells the upkeep that a watcher wants bookmarks.
    bookmarks_wanted: Notify,
    /// Why the cache is not ready, for the error message.
    last_failure: Mutex<Option<StorageError>>,
}

#[derive(Default)]
struct State {
    objects: SortedMap,
    history: History,
    /// The state is complete up to here.
    revision: Revision,
    /// Counts the lists, so that a confirmation of an earlier state is not applied to a later one.
    generation: u64,
}

struct OldState {
    snapshot: Snapshot,
    used: Instant,
}

impl Cacher {
    /// Starts to list and watch in the background.
    pub fn start(options: CacherOptions) -> Cacher {
        let inner = Arc::new(Inner {
            storage: options.storage,
            prefix: options.prefix,
            indexer: options.indexer,
            state: RwLock::default(),
            watchers: Mutex::default(),
            revision: watch::channel(0).0,
            confirmations: Coalesced::default(),
            old_states: Mutex::default(),
            restart: Notify::new(),
            bookmarks_wanted: Notify::new(),
            last_failure: Mutex::default(),
        });
        let tasks = [
            tokio::spawn(feed::run(inner.clone())).abort_handle(),
            tokio::spawn(upkeep::run(inner.clone())).abort_handle(),
        ];
        Cacher { inner, tasks }
    }

    /// Waits for the first complete state, at most 3 s.
    pub async fn ready(&self) -> Result<(), StorageError> {
        self.inner.ready().await
    }

    /// True once there is a complete state.
    pub fn is_ready(&self) -> bool {
        *self.inner.revision.borrow() > 0
    }

    /// The store behind the cache, for writes.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.inner.storage
    }

    /// The key prefix of the resource.
    pub fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    /// What the bytes mean.
    pub fn indexer(&self) -> &Arc<dyn ObjectIndexer> {
        &self.inner.indexer
    }

    /// How many objects the cache holds.
    pub fn len(&self) -> usize {
        self.inner.state.read().objects.len()
    }

    /// True when it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many watchers get live events.
    pub fn watcher_count(&self) -> usize {
        self.inner.watchers.lock().len()
    }

    /// One object by `namespace/name` or `name`.
    pub async fn get(
        &self,
        path: &str,
        freshness: Freshness,
    ) -> Result<Option<Arc<CachedObject>>, StorageError> {
        self.inner.fresh(freshness).await?;
        Ok(self.inner.state.read().objects.get(path).cloned())
    }

    /// The object as the cache has it now, without waiting: the first guess of an update.
    pub fn peek(&self, path: &str) -> Option<Arc<CachedObject>> {
        self.inner.state.read().objects.get(path).cloned()
    }

    /// A state of the whole resource. [`Freshness::Exactly`] fails with [`StorageError::TooOld`] when the state
    /// is older than the history; [`Cacher::stored_page`] can still read it.
    pub async fn snapshot(&self, freshness: Freshness) -> Result<Snapshot, StorageError> {
        self.inner.fresh(freshness).await?;
        let exact = match freshness {
            Freshness::Exactly(revision) => revision,
            _ => {
                let state = self.inner.state.read();
                return Ok(Snapshot { objects: state.objects.clone(), revision: state.revision });
            }
        };
        self.inner.old_state(exact)
    }

    /// A page of an old state, read from the store: objects from `start` (a path, inclusive) on, and how many
    /// follow.
    pub async fn stored_page(
        &self,
        revision: Revision,
        start: &str,
        limit: usize,
    ) -> Result<(Vec<Arc<CachedObject>>, u64), StorageError> {
        let inner = &self.inner;
        let start = format!("{}{start}", inner.prefix);
        let query = ListQuery { prefix: &inner.prefix, start: Some(&start), limit, revision };
        let page = inner.storage.list(query).await?;
        let objects = page.items.iter().map(|item| inner.load(item)).collect::<Result<_, _>>()?;
        Ok((objects, page.remaining))
    }

    /// Opens a watch.
    pub async fn watch(&self, request: WatchRequest) -> Result<Watcher, StorageError> {
        Watcher::open(&self.inner, request).await
    }
}

impl Inner {
    fn load(&self, item: &crate::storage::KeyValue) -> Result<Arc<CachedObject>, StorageError> {
        let path = item.key.strip_prefix(&self.prefix).unwrap_or(&item.key);
        CachedObject::load(path, &item.value, item.revision, item.stale, &*self.indexer)
    }

    async fn ready(&self) -> Result<(), StorageError> {
        let mut revision = self.revision.subscribe();
        match tokio::time::timeout(WAIT, revision.wait_for(|revision| *revision > 0)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(self.last_failure.lock().clone().unwrap_or(StorageError::NotReady)),
        }
    }

    /// Waits until the state is as fresh as asked.
    async fn fresh(self: &Arc<Self>, freshness: Freshness) -> Result<(), StorageError> {
        match freshness {
            Freshness::Any => self.ready().await,
            Freshness::Consistent => self.confirm().await.map(|_| ()),
            Freshness::AtLeast(wanted) | Freshness::Exactly(wanted) => {
                self.ready().await?;
                let current = *self.revision.borrow();
                if current >= wanted {
                    return Ok(());
                }
                // The resource may be silent while the revision grows elsewhere: ask instead of waiting for
                // an event, again until the store itself has come so far.
                let deadline = Instant::now() + WAIT;
                loop {
                    let current = self.confirm().await?;
                    if current >= wanted {
                        return Ok(());
                    }
                    if Instant::now() + PROGRESS_PERIOD > deadline {
                        return Err(StorageError::TooLarge { requested: wanted, current });
                    }
                    tokio::time::sleep(PROGRESS_PERIOD).await;
                }
            }
        }
    }

    /// Brings the state up to the revision the store has now; all callers of one moment share the effort.
    async fn confirm(self: &Arc<Self>) -> Result<Revision, StorageError> {
        let inner = self.clone();
        self.confirmations.ask(move || inner.clone().confirm_once()).await
    }

    async fn confirm_once(self: Arc<Self>) -> Result<Revision, StorageError> {
        self.ready().await?;
        let generation = self.state.read().generation;
        let confirmation = match self.storage.confirm(&self.prefix).await {
            Ok(confirmation) => confirmation,
            Err(StorageError::Compacted { .. }) => {
                // The store lost track of what changed: only a new list tells.
                self.restart.notify_one();
                return Err(StorageError::NotReady);
            }
            Err(error) => return Err(error),
        };
        let deadline = Instant::now() + WAIT;
        let mut revision = self.revision.subscribe();
        while *revision.borrow_and_update() < confirmation.reach {
            self.storage.request_progress(&self.prefix);
            let step = (Instant::now() + PROGRESS_PERIOD).min(deadline);
            let _ = tokio::time::timeout_at(step, revision.changed()).await;
            if Instant::now() >= deadline && *revision.borrow() < confirmation.reach {
                let current = *revision.borrow();
                return Err(StorageError::TooLarge { requested: confirmation.reach, current });
            }
        }
        let mut state = self.state.write();
        if state.generation == generation && state.revision < confirmation.revision {
            state.revision = confirmation.revision;
            self.revision.send_replace(confirmation.revision);
        }
        Ok(state.revision)
    }

    fn old_state(&self, revision: Revision) -> Result<Snapshot, StorageError> {
        let mut old_states = self.old_states.lock();
        if let Some(known) = old_states.iter_mut().find(|old| old.snapshot.revision == revision) {
            known.used = Instant::now();
            return Ok(known.snapshot.clone());
        }
        let snapshot = {
            let state = self.state.read();
            Snapshot { objects: state.history.undo(&state.objects, revision)?, revision }
        };
        if old_states.len() >= OLD_STATES {
            let oldest = (0..old_states.len()).min_by_key(|index| old_states[*index].used).unwrap_or(0);
            old_states.swap_remove(oldest);
        }
        old_states.push(OldState { snapshot: snapshot.clone(), used: Instant::now() });
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests;
