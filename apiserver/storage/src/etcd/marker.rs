//! Freshness for etcd versions whose progress requests cannot be trusted: one watch over all keys that
//! remembers the last change under each prefix.
//!
//! Invariant: when `position` is P, every change up to P has been noted. A reader that learned the
//! store's revision R waits for P ≥ R; from then on "the last change under my prefix" is exact, and a
//! cache that has applied that change is as fresh as R, even if its own watch has been silent since.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::Client;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::watch::{Range, open};
use crate::error::StorageError;
use crate::storage::Revision;

/// How long a reader waits for the marker; the same as for the watch cache itself.
const WAIT: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub(super) struct ChangeMarker {
    shared: Arc<Shared>,
}

struct Shared {
    position: watch::Sender<Revision>,
    /// The last change under each tracked prefix; `None` after changes were missed.
    last: Mutex<HashMap<String, Option<Revision>>>,
}

impl ChangeMarker {
    /// Watches everything after revision `start` until the marker is dropped.
    pub(super) fn start(client: Client, start: Revision) -> Self {
        let shared = Arc::new(Shared { position: watch::channel(start).0, last: Mutex::default() });
        tokio::spawn(follow(client, Arc::downgrade(&shared), start));
        ChangeMarker { shared }
    }

    /// From now on changes under `prefix` are noted. A list made after this call holds all earlier ones.
    pub(super) fn track(&self, prefix: &str) {
        self.shared.last.lock().insert(prefix.to_owned(), Some(0));
    }

    /// The last change under `prefix`, once everything up to `revision` has been noted.
    pub(super) async fn last_change(
        &self,
        prefix: &str,
        revision: Revision,
    ) -> Result<Revision, StorageError> {
        let mut position = self.shared.position.subscribe();
        let waited = tokio::time::timeout(WAIT, position.wait_for(|position| *position >= revision)).await;
        if !matches!(waited, Ok(Ok(_))) {
            let current = *self.shared.position.borrow();
            return Err(StorageError::TooLarge { requested: revision, current });
        }
        match self.shared.last.lock().get(prefix) {
            Some(Some(last)) => Ok(*last),
            // Only a fresh list makes the prefix known again.
            Some(None) | None => Err(StorageError::Compacted { requested: revision, compacted: 0 }),
        }
    }
}

async fn follow(client: Client, shared: std::sync::Weak<Shared>, start: Revision) {
    let mut start = start;
    loop {
        let everything = Range { key: vec![0], end: vec![0] };
        let mut stream = open(client.watch_client(), everything, start + 1, false, Arc::new(Notify::new()));
        while let Some(Ok(batch)) = stream.next().await {
            let Some(shared) = shared.upgrade() else { return };
            let mut last = shared.last.lock();
            for event in &batch.events {
                if let Some(entry) = tracked_prefix(&mut last, &event.key) {
                    *entry = entry.map(|_| event.revision);
                }
            }
            drop(last);
            start = batch.revision;
            shared.position.send_replace(batch.revision);
        }
        // The stream ends only when its start was compacted: changes were missed, by how many nobody knows.
        // The new start is read first: a prefix tracked after it is forgotten here is listed after it too.
        let Some(shared) = shared.upgrade() else { return };
        match super::read_revision(client.kv_client()).await {
            Ok(revision) => {
                start = revision;
                shared.last.lock().values_mut().for_each(|last| *last = None);
                shared.position.send_replace(revision);
            }
            Err(error) => tracing::warn!(%error, "cannot read etcd's revision after a compaction"),
        }
        drop(shared);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Finds the tracked prefix of a key by cutting the key at its slashes, longest first.
fn tracked_prefix<'a>(
    tracked: &'a mut HashMap<String, Option<Revision>>,
    key: &str,
) -> Option<&'a mut Option<Revision>> {
    let mut end = key.len();
    while let Some(slash) = key[..end].rfind('/') {
        let prefix = &key[..=slash];
        if tracked.contains_key(prefix) {
            return tracked.get_mut(prefix);
        }
        end = slash;
    }
    None
}
