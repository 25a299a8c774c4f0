//! Follows the objects of a store, for indexes that live in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apiserver_storage::Freshness;
use apiserver_storage::cacher::{CachedObject, ChangeKind, WatchItem, WatchRequest, WatchScope, WatchStart};
use component_base::Shutdown;
use machinery::Resource;

use super::typed::{Typed, downcast};

/// Between two attempts to open a watch.
const RETRY: Duration = Duration::from_millis(200);

/// What an index makes of an object before it is decoded, which is most of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relevance {
    /// It must be decoded.
    Decode,
    /// It has nothing for the index.
    Nothing,
    /// It must be decoded unless the last version had the same fingerprint.
    Fingerprint(u64),
}

/// Takes in what is there and what changes.
pub trait Index<T>: Send + Sync + 'static {
    /// Looks at the stored form.
    fn relevance(&self, _: &CachedObject) -> Relevance {
        Relevance::Decode
    }

    /// The object is new or has changed.
    fn put(&self, object: &T);
    /// The object is gone. `namespace` is empty for cluster-scoped kinds.
    fn remove(&self, namespace: &str, name: &str);
}

/// Keeps `index` up to date until `shutdown`. The flag is set when it has seen everything once.
pub fn follow<T: Resource>(typed: &Typed, index: Arc<dyn Index<T>>, shutdown: &Shutdown) -> Arc<AtomicBool> {
    let complete = Arc::new(AtomicBool::new(false));
    let (typed, flag, shutdown) = (typed.clone(), complete.clone(), shutdown.clone());
    tokio::spawn(async move {
        shutdown.run_until(run::<T>(typed, index, flag)).await;
    });
    complete
}

async fn run<T: Resource>(typed: Typed, index: Arc<dyn Index<T>>, complete: Arc<AtomicBool>) {
    let mut known = Known::new();
    loop {
        if let Err(error) = watch_once::<T>(&typed, &*index, &mut known, &complete).await {
            tracing::debug!(resource = T::PLURAL, %error, "following objects is interrupted");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Paths in the index with the relevance of the version that was put there.
type Known = BTreeMap<String, Relevance>;

/// Watches until the cache ends the watch. `known` are the paths in the index; those that a new watch
/// does not show again are removed.
async fn watch_once<T: Resource>(
    typed: &Typed,
    index: &dyn Index<T>,
    known: &mut Known,
    complete: &AtomicBool,
) -> Result<(), machinery::status::StatusError> {
    let store = typed.store::<T>()?;
    let request = WatchRequest {
        scope: WatchScope::All,
        filter: None,
        start: WatchStart::Initial { freshness: Freshness::Consistent, bookmark: true },
        bookmarks: false,
        deadline: None,
    };
    let opened = store.cacher().watch(request).await;
    let mut watcher = opened.map_err(|error| crate::store::status_of(&error, store.resource(), ""))?;
    let mut missing: BTreeSet<String> = known.keys().cloned().collect();
    let mut items = Vec::new();
    while watcher.next(&mut items).await {
        for item in items.drain(..) {
            match item {
                WatchItem::Change(ChangeKind::Deleted, object) => {
                    index.remove(object.namespace(), object.name());
                    known.remove(object.path());
                }
                WatchItem::Change(_, object) => {
                    let relevance = index.relevance(&object);
                    missing.remove(object.path());
                    let before = known.get(object.path()).copied();
                    if relevance == Relevance::Nothing {
                        if before.is_some() {
                            index.remove(object.namespace(), object.name());
                            known.remove(object.path());
                        }
                        continue;
                    }
                    if relevance != Relevance::Decode && before == Some(relevance) {
                        continue;
                    }
                    let typed: T = downcast(store.decode_cached(&object)?.object)?;
                    index.put(&typed);
                    known.insert(object.path().to_string(), relevance);
                }
                WatchItem::Bookmark { initial_events_end: true, .. } => {
                    for path in std::mem::take(&mut missing) {
                        let (namespace, name) = path.rsplit_once('/').unwrap_or(("", &path));
                        index.remove(namespace, name);
                        known.remove(&path);
                    }
                    complete.store(true, Ordering::Release);
                }
                WatchItem::Bookmark { .. } => {}
            }
        }
    }
    Ok(())
}
