//! Watchers: what they ask for, how live events reach them, and the way from a state or the past to live.
//!
//! A watcher is registered for live events only once it has read everything before them; until then it
//! holds no queue, just its place in a snapshot or in the history. A live watcher has a bounded queue; when
//! it is full the watcher is ended rather than the others held up.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::history::{CacheEvent, ChangeKind};
use super::object::CachedObject;
use super::sorted_map::SortedMap;
use super::{Freshness, Inner};
use crate::error::StorageError;
use crate::storage::Revision;

/// Events a watcher may lag behind before it is ended. The queue takes memory only for what is in it.
const QUEUE: usize = 4096;
/// Items handed out at once, and objects or events looked at under one lock.
const STEP: usize = 256;
/// Upstream's bookmark frequency.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);
/// The last bookmark comes this long before the watch times out.
const BEFORE_DEADLINE: Duration = Duration::from_secs(2);

/// Decides whether a watcher sees an object.
pub type Filter = Arc<dyn Fn(&CachedObject) -> bool + Send + Sync>;

/// A hint that lets the cache skip watchers which cannot match. The filter must imply it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchScope {
    /// The whole resource.
    All,
    /// One namespace.
    Namespace(String),
    /// One object, by path.
    Object(String),
    /// Objects whose selectable field with this index has this value (`spec.nodeName` of pods).
    Field(usize, String),
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchStart {
    /// With the events after a revision.
    After(Revision),
    /// With an ADDED for every object of a state of this freshness; with a bookmark behind them if asked.
    Initial {
        /// How fresh.
        freshness: Freshness,
        /// Ends the initial events with a bookmark.
        bookmark: bool,
    },
    /// With the events after this moment.
    Now,
}

/// What a watcher wants.
#[derive(Clone)]
pub struct WatchRequest {
    /// Which events may concern it.
    pub scope: WatchScope,
    /// Which objects it sees; all of the scope when absent.
    pub filter: Option<Filter>,
    /// Where it begins.
    pub start: WatchStart,
    /// Whether it wants bookmarks.
    pub bookmarks: bool,
    /// When the watch will end, for the last bookmark before.
    pub deadline: Option<Instant>,
}

/// What a watcher gets.
#[derive(Clone, Debug)]
pub enum WatchItem {
    /// A change.
    Change(ChangeKind, Arc<CachedObject>),
    /// Nothing else happened up to this revision.
    Bookmark {
        /// The revision.
        revision: Revision,
        /// True for the one behind the initial events.
        initial_events_end: bool,
    },
}

/// An open watch.
pub struct Watcher {
    inner: Arc<Inner>,
    request: WatchRequest,
    phase: Phase,
}

enum Phase {
    /// Walking a snapshot; `next` is the path to go on from.
    Initial {
        objects: SortedMap,
        next: Option<String>,
        revision: Revision,
        bookmark: bool,
    },
    /// Reading the history after `after`.
    History {
        after: Revision,
    },
    /// Registered.
    Live {
        id: u64,
        queue: mpsc::Receiver<WatchItem>,
    },
    Ended,
}

impl Watcher {
    pub(super) async fn open(inner: &Arc<Inner>, request: WatchRequest) -> Result<Watcher, StorageError> {
        let phase = match request.start {
            WatchStart::After(after) => {
                inner.ready().await?;
                inner.state.read().history.check_start(after)?;
                Phase::History { after }
            }
            WatchStart::Now => {
                inner.fresh(Freshness::Consistent).await?;
                Phase::History { after: inner.state.read().revision }
            }
            WatchStart::Initial { freshness, bookmark } => {
                inner.fresh(freshness).await?;
                let state = inner.state.read();
                let (objects, revision) = (state.objects.clone(), state.revision);
                Phase::Initial { objects, next: Some(String::new()), revision, bookmark }
            }
        };
        Ok(Watcher { inner: inner.clone(), request, phase })
    }

    /// Waits for the next items and appends them. False when the watch has ended: it was too slow, or the
    /// cache had to start again.
    pub async fn next(&mut self, items: &mut Vec<WatchItem>) -> bool {
        let before = items.len();
        loop {
            match &mut self.phase {
                Phase::Initial { .. } => self.walk_snapshot(items),
                Phase::History { after } => {
                    let after = *after;
                    self.read_history(after, items);
                }
                // Cancellation loses nothing: items are taken out only when the call returns.
                Phase::Live { queue, .. } => {
                    if queue.recv_many(items, STEP).await == 0 {
                        self.phase = Phase::Ended;
                    }
                }
                Phase::Ended => return false,
            }
            if items.len() > before {
                return true;
            }
            tokio::task::consume_budget().await;
        }
    }

    fn walk_snapshot(&mut self, items: &mut Vec<WatchItem>) {
        let Phase::Initial { objects, next, revision, bookmark } = &mut self.phase else { return };
        // The scope narrows the walk where paths tell.
        let (first, within) = match &self.request.scope {
            WatchScope::Namespace(namespace) => (format!("{namespace}/"), format!("{namespace}/")),
            WatchScope::Object(path) => (path.clone(), path.clone()),
            WatchScope::All | WatchScope::Field(..) => (String::new(), String::new()),
        };
        let start = next.take().unwrap_or_default().max(first);
        for (looked_at, object) in objects.iter_from(&start).enumerate() {
            if !object.path().starts_with(&within) {
                break;
            }
            if looked_at == STEP {
                *next = Some(object.path().to_owned());
                return;
            }
            if passes(&self.request, object) {
                items.push(WatchItem::Change(ChangeKind::Added, object.clone()));
            }
        }
        if *bookmark {
            items.push(WatchItem::Bookmark { revision: *revision, initial_events_end: true });
        }
        self.phase = Phase::History { after: *revision };
    }

    fn read_history(&mut self, after: Revision, items: &mut Vec<WatchItem>) {
        let mut watchers = self.inner.watchers.lock();
        let state = self.inner.state.read();
        let Ok(events) = state.history.after(after) else {
            self.phase = Phase::Ended;
            return;
        };
        let mut last = None;
        for event in events.take(STEP) {
            last = Some(event.revision());
            if watchers_scope_covers(&self.request, event) {
                items.extend(item_for(self.request.filter.as_ref(), event));
            }
        }
        self.phase = match last {
            Some(last) => Phase::History { after: last },
            None => {
                let (id, queue) = watchers.register(&self.request, after);
                if self.request.bookmarks {
                    self.inner.bookmarks_wanted.notify_one();
                }
                Phase::Live { id, queue }
            }
        };
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Phase::Live { id, .. } = self.phase {
            self.inner.watchers.lock().unregister(&self.request.scope, id);
        }
    }
}

fn passes(request: &WatchRequest, object: &CachedObject) -> bool {
    in_scope(&request.scope, object) && request.filter.as_ref().is_none_or(|filter| filter(object))
}

fn in_scope(scope: &WatchScope, object: &CachedObject) -> bool {
    match scope {
        WatchScope::All => true,
        WatchScope::Namespace(namespace) => object.namespace() == namespace,
        WatchScope::Object(path) => object.path() == path,
        WatchScope::Field(index, value) => object.summary().field(*index) == Some(value),
    }
}

fn watchers_scope_covers(request: &WatchRequest, event: &CacheEvent) -> bool {
    in_scope(&request.scope, &event.object)
        || event.previous.as_ref().is_some_and(|previous| in_scope(&request.scope, previous))
}

/// What a watcher with this filter is told of an event: an object that begins to match is ADDED, one that
/// ceases to is DELETED.
fn item_for(filter: Option<&Filter>, event: &CacheEvent) -> Option<WatchItem> {
    let Some(filter) = filter else {
        return Some(WatchItem::Change(event.kind, event.object.clone()));
    };
    let before = event.previous.as_ref().is_some_and(|previous| filter(previous));
    let now = event.kind != ChangeKind::Deleted && filter(&event.object);
    match (before, now) {
        (false, false) => None,
        (false, true) => Some(WatchItem::Change(ChangeKind::Added, event.object.clone())),
        (true, true) => Some(WatchItem::Change(ChangeKind::Modified, event.object.clone())),
        (true, false) => {
            let last =
                if event.kind == ChangeKind::Deleted { event.object.clone() } else { event.departed()? };
            Some(WatchItem::Change(ChangeKind::Deleted, last))
        }
    }
}

/// The live watchers of one resource, found by what an event touches.
#[derive(Default)]
pub(super) struct Watchers {
    everything: Vec<Live>,
    namespaces: HashMap<String, Vec<Live>>,
    objects: HashMap<String, Vec<Live>>,
    /// By field index; few resources have watchers by field, and those by one or two fields.
    fields: Vec<(usize, HashMap<String, Vec<Live>>)>,
    count: usize,
    last_id: u64,
}

struct Live {
    id: u64,
    filter: Option<Filter>,
    /// Earlier events are not for this watcher.
    after: Revision,
    bookmark_at: Option<Instant>,
    deadline: Option<Instant>,
    queue: mpsc::Sender<WatchItem>,
}

impl Watchers {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn end_all(&mut self) {
        *self = Watchers { last_id: self.last_id, ..Watchers::default() };
    }

    fn group(&mut self, scope: &WatchScope) -> &mut Vec<Live> {
        match scope {
            WatchScope::All => &mut self.everything,
            WatchScope::Namespace(namespace) => self.namespaces.entry_ref(namespace.as_str()).or_default(),
            WatchScope::Object(path) => self.objects.entry_ref(path.as_str()).or_default(),
            WatchScope::Field(index, value) => {
                let position = match self.fields.iter().position(|(field, _)| field == index) {
                    Some(position) => position,
                    None => {
                        self.fields.push((*index, HashMap::default()));
                        self.fields.len() - 1
                    }
                };
                self.fields[position].1.entry_ref(value.as_str()).or_default()
            }
        }
    }

    fn register(&mut self, request: &WatchRequest, after: Revision) -> (u64, mpsc::Receiver<WatchItem>) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        self.last_id += 1;
        let id = self.last_id;
        let bookmark_at = request.bookmarks.then(|| bookmark_after(Instant::now(), request.deadline));
        let (filter, deadline) = (request.filter.clone(), request.deadline);
        self.group(&request.scope).push(Live { id, filter, after, bookmark_at, deadline, queue });
        self.count += 1;
        (id, receiver)
    }

    fn unregister(&mut self, scope: &WatchScope, id: u64) {
        let group = self.group(scope);
        let Some(position) = group.iter().position(|live| live.id == id) else { return };
        group.swap_remove(position);
        let empty = group.is_empty();
        self.count -= 1;
        if empty {
            self.forget_group(scope);
        }
    }

    fn forget_group(&mut self, scope: &WatchScope) {
        match scope {
            WatchScope::All => {}
            WatchScope::Namespace(namespace) => drop(self.namespaces.remove(namespace.as_str())),
            WatchScope::Object(path) => drop(self.objects.remove(path.as_str())),
            WatchScope::Field(index, value) => {
                self.fields.retain_mut(|(field, groups)| {
                    if field == index {
                        groups.remove(value.as_str());
                    }
                    !groups.is_empty()
                });
            }
        }
    }

    /// Hands an event to every watcher it may concern and ends those whose queue is full.
    pub(super) fn dispatch(&mut self, event: &CacheEvent) {
        let mut ended = deliver(&mut self.everything, event);
        if let Some(group) = self.namespaces.get_mut(event.object.namespace()) {
            ended += deliver(group, event);
        }
        if let Some(group) = self.objects.get_mut(event.object.path()) {
            ended += deliver(group, event);
        }
        for (index, groups) in &mut self.fields {
            let now = event.object.summary().field(*index);
            let before = event.previous.as_ref().and_then(|previous| previous.summary().field(*index));
            for value in [now, before.filter(|before| Some(*before) != now)].into_iter().flatten() {
                if let Some(group) = groups.get_mut(value) {
                    ended += deliver(group, event);
                }
            }
        }
        self.count -= ended;
    }

    fn groups(&mut self) -> impl Iterator<Item = &mut Vec<Live>> {
        std::iter::once(&mut self.everything)
            .chain(self.namespaces.values_mut())
            .chain(self.objects.values_mut())
            .chain(self.fields.iter_mut().flat_map(|(_, groups)| groups.values_mut()))
    }

    /// When the next bookmark is due.
    pub(super) fn next_bookmark(&mut self) -> Option<Instant> {
        self.groups().flat_map(|group| group.iter()).filter_map(|live| live.bookmark_at).min()
    }

    /// Sends the bookmarks that are due. A full queue needs none.
    pub(super) fn send_bookmarks(&mut self, revision: Revision, now: Instant) {
        for live in self.groups().flat_map(|group| group.iter_mut()) {
            if live.bookmark_at.is_some_and(|at| at <= now) {
                live.bookmark_at = Some(bookmark_after(now, live.deadline));
                let revision = revision.max(live.after);
                let _ = live.queue.try_send(WatchItem::Bookmark { revision, initial_events_end: false });
            }
        }
    }
}

/// Returns how many watchers were ended.
fn deliver(group: &mut Vec<Live>, event: &CacheEvent) -> usize {
    let before = group.len();
    group.retain(|live| {
        if event.revision() <= live.after {
            return true;
        }
        match item_for(live.filter.as_ref(), event) {
            Some(item) => live.queue.try_send(item).is_ok(),
            None => true,
        }
    });
    before - group.len()
}

fn bookmark_after(now: Instant, deadline: Option<Instant>) -> Instant {
    let regular = now + BOOKMARK_PERIOD;
    match deadline.and_then(|deadline| deadline.checked_sub(BEFORE_DEADLINE)) {
        Some(last) if last > now => regular.min(last),
        _ => regular,
    }
}
