//! Keeps the cache equal to the store: one list, then one watch, again from the list when history was lost.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use super::history::{CacheEvent, ChangeKind, History};
use super::sorted_map::SortedMap;
use super::{CachedObject, Inner};
use crate::error::StorageError;
use crate::storage::{Event, EventKind, ListQuery, Revision, WatchBatch};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs until the cacher is dropped.
pub(super) async fn run(inner: Arc<Inner>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let started = Instant::now();
        if let Err(error) = list_and_watch(&inner).await {
            tracing::warn!(prefix = inner.prefix, %error, "watch cache starts again");
            *inner.last_failure.lock() = Some(error);
        }
        // A feed that ran for a while had recovered.
        if started.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn list_and_watch(inner: &Inner) -> Result<(), StorageError> {
    inner.storage.track(&inner.prefix);
    let query = ListQuery { prefix: &inner.prefix, ..ListQuery::default() };
    let page = inner.storage.list(query).await?;
    let objects = page.items.iter().map(|item| inner.load(item)).collect::<Result<Vec<_>, _>>()?;
    drop(page.items);
    inner.replace(SortedMap::from_objects(objects), page.revision);
    inner.last_failure.lock().take();

    let mut stream = inner.storage.watch(&inner.prefix, page.revision + 1, false).await?;
    loop {
        let batch = tokio::select! {
            batch = stream.next() => batch,
            // The stream is dropped with everything it holds; the next list replaces it.
            () = inner.restart.notified() => return Ok(()),
        };
        match batch {
            Some(batch) => inner.apply(batch?)?,
            None => return Ok(()),
        }
    }
}

impl Inner {
    /// Puts a listed state in place. The events between the old and the new state are unknown, so watchers
    /// end; their clients come back.
    fn replace(&self, objects: SortedMap, revision: Revision) {
        let mut watchers = self.watchers.lock();
        watchers.end_all();
        let mut state = self.state.write();
        state.objects = objects;
        state.history = History::starting_at(revision);
        state.revision = revision;
        state.generation += 1;
        self.old_states.lock().clear();
        self.revision.send_replace(revision);
    }

    /// Applies a step of the watch and hands it to the watchers.
    fn apply(&self, batch: WatchBatch) -> Result<(), StorageError> {
        let _station = tracing::debug_span!("watch_cache").entered();
        let now = Instant::now();
        let mut loaded = Vec::with_capacity(batch.events.len());
        // Decoding is done before the locks are taken.
        for event in &batch.events {
            loaded.push(match &event.kind {
                EventKind::Put(value) => {
                    let path = self.path_of(event);
                    Some(CachedObject::load(path, value, event.revision, false, &*self.indexer)?)
                }
                EventKind::Delete => None,
            });
        }
        let mut watchers = self.watchers.lock();
        let mut changes = Vec::with_capacity(loaded.len());
        {
            let mut state = self.state.write();
            for (event, object) in batch.events.iter().zip(loaded) {
                let Some(change) =
                    change(&mut state.objects, self.path_of(event), event.revision, object, now)?
                else {
                    continue;
                };
                let change = Arc::new(change);
                state.history.push(change.clone());
                changes.push(change);
            }
            state.revision = state.revision.max(batch.revision);
            self.revision.send_replace(state.revision);
        }
        for change in &changes {
            watchers.dispatch(change);
        }
        Ok(())
    }

    fn path_of<'a>(&self, event: &'a Event) -> &'a str {
        event.key.strip_prefix(&self.prefix).unwrap_or(&event.key)
    }
}

/// Changes the map; `None` when nothing changed (a deletion of what is not there).
fn change(
    objects: &mut SortedMap,
    path: &str,
    revision: Revision,
    object: Option<Arc<CachedObject>>,
    now: Instant,
) -> Result<Option<CacheEvent>, StorageError> {
    let Some(object) = object else {
        let Some(previous) = objects.remove(path) else { return Ok(None) };
        let last = previous.at_revision(revision)?;
        return Ok(Some(CacheEvent::new(ChangeKind::Deleted, last, Some(previous), now)));
    };
    let previous = objects.insert(object.clone());
    let kind = if previous.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
    Ok(Some(CacheEvent::new(kind, object, previous, now)))
}
