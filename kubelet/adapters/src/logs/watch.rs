//! Waits for a log file to change: by inotify, or by looking often when the machine has no instance left.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchMask};

/// The longest wait: a rotation or an end may leave no event.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);

/// The wait without inotify.
const LOOK_OFTEN: Duration = Duration::from_millis(200);

/// A watch on the directory of a log file.
pub(super) struct Watch {
    events: Option<EventStream<[u8; 4096]>>,
}

impl Watch {
    pub(super) fn of_directory(directory: &Path) -> Watch {
        let events = Inotify::init().and_then(|inotify| {
            let mask = WatchMask::MODIFY | WatchMask::CREATE | WatchMask::MOVED_TO;
            inotify.watches().add(directory, mask)?;
            inotify.into_event_stream([0; 4096])
        });
        if let Err(error) = &events {
            tracing::debug!(directory = %directory.display(), error = %error, "log directory is polled");
        }
        Watch { events: events.ok() }
    }

    /// Returns when something may have changed.
    pub(super) async fn changed(&mut self) {
        match &mut self.events {
            Some(events) => {
                // What happened is seen in the files themselves. A timeout is a look as good as any.
                let _ = tokio::time::timeout(LOOK_ANYWAY, events.next()).await;
            }
            None => tokio::time::sleep(LOOK_OFTEN).await,
        }
    }
}
