//! The window of recent events of one resource: what watches start from and old states are rebuilt with.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::object::CachedObject;
use super::sorted_map::SortedMap;
use crate::error::StorageError;
use crate::storage::Revision;

/// Events stay at least this long (upstream's `eventFreshDuration`), as long as there is room.
pub const WINDOW: Duration = Duration::from_secs(75);
/// No resource keeps more events than this (upstream's upper bound).
const MOST: usize = 102_400;
/// Old events are kept beyond the window while there are no more than this (upstream's lower bound).
const FEWEST: usize = 100;

/// What happened to an object, as a watch tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new, for this watcher at least.
    Added,
    /// It changed.
    Modified,
    /// It is gone, for this watcher at least.
    Deleted,
}

/// One change of one object.
pub struct CacheEvent {
    /// What happened.
    pub kind: ChangeKind,
    /// The new version; for a deletion the last version under the revision of the deletion.
    pub object: Arc<CachedObject>,
    /// The version before.
    pub previous: Option<Arc<CachedObject>>,
    /// When the cache learned of it.
    at: Instant,
    departed: OnceLock<Arc<CachedObject>>,
}

impl CacheEvent {
    pub(super) fn new(
        kind: ChangeKind,
        object: Arc<CachedObject>,
        previous: Option<Arc<CachedObject>>,
        at: Instant,
    ) -> Self {
        CacheEvent { kind, object, previous, at, departed: OnceLock::new() }
    }

    /// The revision of the change.
    pub fn revision(&self) -> Revision {
        self.object.revision()
    }

    /// The previous version under the event's revision: what a watcher is shown whose selector the object has
    /// left. Made once, whatever the number of such watchers.
    pub(super) fn departed(&self) -> Option<Arc<CachedObject>> {
        if let Some(made) = self.departed.get() {
            return Some(made.clone());
        }
        let made = self.previous.as_ref()?.at_revision(self.revision()).ok()?;
        Some(self.departed.get_or_init(|| made).clone())
    }

    /// Lets unused encodings of all versions go.
    fn sweep(&self) -> bool {
        let objects = [Some(&self.object), self.previous.as_ref(), self.departed.get()];
        objects.into_iter().flatten().fold(false, |left, object| object.sweep() | left)
    }
}

/// The events in revision order.
#[derive(Default)]
pub(super) struct History {
    events: VecDeque<Arc<CacheEvent>>,
    /// The history is complete after this revision.
    complete_after: Revision,
}

impl History {
    /// An empty history of a state that was listed at `revision`.
    pub(super) fn starting_at(revision: Revision) -> Self {
        History { events: VecDeque::new(), complete_after: revision }
    }

    pub(super) fn push(&mut self, event: Arc<CacheEvent>) {
        let now = event.at;
        self.events.push_back(event);
        while let Some(oldest) = self.events.front() {
            let too_many = self.events.len() > MOST;
            let outdated = self.events.len() > FEWEST && now.duration_since(oldest.at) > WINDOW;
            if !too_many && !outdated {
                break;
            }
            self.complete_after = oldest.revision();
            self.events.pop_front();
        }
    }

    /// The error of a watch that starts too early.
    pub(super) fn check_start(&self, revision: Revision) -> Result<(), StorageError> {
        if revision < self.complete_after {
            return Err(StorageError::TooOld { requested: revision, oldest: self.complete_after });
        }
        Ok(())
    }

    /// The events after `revision`, or the error of a watch that starts too early.
    pub(super) fn after(
        &self,
        revision: Revision,
    ) -> Result<impl Iterator<Item = &Arc<CacheEvent>>, StorageError> {
        self.check_start(revision)?;
        let start = self.events.partition_point(|event| event.revision() <= revision);
        Ok(self.events.range(start..))
    }

    /// The state at an earlier revision: the present with the events since then undone.
    pub(super) fn undo(&self, present: &SortedMap, revision: Revision) -> Result<SortedMap, StorageError> {
        let mut map = present.clone();
        let events: Vec<_> = self.after(revision)?.collect();
        for event in events.into_iter().rev() {
            match &event.previous {
                Some(previous) => map.insert(previous.clone()),
                None => map.remove(event.object.path()),
            };
        }
        Ok(map)
    }

    pub(super) fn sweep(&self) -> bool {
        self.events.iter().fold(false, |left, event| event.sweep() | left)
    }
}
