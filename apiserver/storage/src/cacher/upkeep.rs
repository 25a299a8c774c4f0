//! Bookmarks for watchers that want them, and dropping what nobody used for a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Inner;

/// Encodings and old states unused for one to two of these periods are dropped.
const SWEEP: Duration = Duration::from_secs(30);

/// Runs until the cacher is dropped.
pub(super) async fn run(inner: Arc<Inner>) {
    let mut sweep_at = Instant::now() + SWEEP;
    loop {
        let bookmark_at = inner.watchers.lock().next_bookmark();
        let wake_at = bookmark_at.map_or(sweep_at, |at| at.min(sweep_at));
        tokio::select! {
            () = tokio::time::sleep_until(wake_at) => {}
            // A new watcher may be due earlier; the permit is kept if we are not waiting right now.
            () = inner.bookmarks_wanted.notified() => continue,
        }
        let now = Instant::now();
        if now >= sweep_at {
            inner.sweep(now);
            sweep_at = now + SWEEP;
        }
        if bookmark_at.is_some_and(|at| at <= now) {
            // A silent resource learns the present revision here. If the store does not answer, the bookmark
            // tells the last revision known.
            let _ = inner.confirm().await;
            let mut watchers = inner.watchers.lock();
            let revision = inner.state.read().revision;
            watchers.send_bookmarks(revision, Instant::now());
        }
    }
}

impl Inner {
    fn sweep(&self, now: Instant) {
        self.old_states.lock().retain(|old| now.duration_since(old.used) < SWEEP);
        // A clone of the map, so that writers are not held up.
        let objects = self.state.read().objects.clone();
        for object in objects.iter() {
            object.sweep();
        }
        drop(objects);
        self.state.read().history.sweep();
    }
}
