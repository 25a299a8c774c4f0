//! One etcd watch that survives disconnections: it resumes after the last revision it delivered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{EventType, WatchClient, WatchOptions, WatchResponse};
use futures_util::stream;
use tokio::sync::{Notify, mpsc};

use super::{backend_error, header_revision, key_value};
use crate::error::StorageError;
use crate::storage::{Event, EventKind, Revision, WatchBatch, WatchStream};

/// Batches between the reading task and the consumer. Small: when the consumer is slow, etcd's own
/// flow control should hold the rest back.
const BATCHES: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Keys from `key` up to but without `end`; `\0` as end means no upper bound.
#[derive(Clone)]
pub(super) struct Range {
    pub key: Vec<u8>,
    pub end: Vec<u8>,
}

/// Starts the reading task. `wake` makes it request progress.
pub(super) fn open(
    client: WatchClient,
    range: Range,
    from: Revision,
    previous: bool,
    wake: Arc<Notify>,
) -> WatchStream {
    let (sender, receiver) = mpsc::channel(BATCHES);
    let reader = Reader {
        client: client.max_decoding_message_size(usize::MAX),
        range,
        next: from,
        previous,
        wake,
        out: sender,
        pause: FIRST_PAUSE,
    };
    tokio::spawn(reader.run());
    Box::pin(stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) }))
}

struct Reader {
    client: WatchClient,
    range: Range,
    /// The first revision not delivered yet.
    next: Revision,
    previous: bool,
    wake: Arc<Notify>,
    out: mpsc::Sender<Result<WatchBatch, StorageError>>,
    pause: Duration,
}

/// Why one connection's reading ended.
enum End {
    /// Open a new one.
    Reconnect(String),
    /// The consumer has gone or got a final error.
    Stop,
}

impl Reader {
    async fn run(mut self) {
        loop {
            match self.read_connection().await {
                End::Stop => return,
                End::Reconnect(reason) => {
                    tracing::debug!(key = %self.range.key.escape_ascii(), reason, "etcd watch reconnects");
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn read_connection(&mut self) -> End {
        let mut options = WatchOptions::new()
            .with_range(self.range.end.clone())
            .with_start_revision(self.next as i64)
            .with_progress_notify();
        if self.previous {
            options = options.with_prev_key();
        }
        let opened = tokio::select! {
            opened = self.client.watch(self.range.key.clone(), Some(options)) => opened,
            // Nothing has been read yet, so dropping the half-open call loses nothing.
            () = self.out.closed() => return End::Stop,
        };
        let (mut requests, mut responses) = match opened {
            Ok(stream) => stream.split(),
            Err(error) => return End::Reconnect(backend_error("watch", false, error).to_string()),
        };
        loop {
            let response = tokio::select! {
                // Safe to cancel: tonic keeps partly received messages in the stream.
                message = responses.message() => match message {
                    Ok(Some(response)) => response,
                    Ok(None) => return End::Reconnect("the server closed the watch".to_owned()),
                    Err(error) => return End::Reconnect(backend_error("watch", false, error).to_string()),
                },
                // A lost wake-up is repeated by whoever waits for progress.
                () = self.wake.notified() => {
                    if let Err(error) = requests.request_progress().await {
                        return End::Reconnect(error.to_string());
                    }
                    continue;
                }
                // Nobody listens any more.
                () = self.out.closed() => return End::Stop,
            };
            self.pause = FIRST_PAUSE;
            if response.canceled() {
                return self.canceled(&response).await;
            }
            if response.created() {
                continue;
            }
            let batch = read_batch(&response);
            if batch.revision + 1 < self.next {
                continue;
            }
            self.next = batch.revision + 1;
            if self.out.send(Ok(batch)).await.is_err() {
                return End::Stop;
            }
        }
    }

    async fn canceled(&self, response: &WatchResponse) -> End {
        if response.compact_revision() == 0 {
            return End::Reconnect(response.cancel_reason().to_owned());
        }
        let compacted = response.compact_revision().max(0) as Revision;
        let _ = self.out.send(Err(StorageError::Compacted { requested: self.next, compacted })).await;
        End::Stop
    }
}

fn read_batch(response: &WatchResponse) -> WatchBatch {
    let mut events = Vec::with_capacity(response.events().len());
    for event in response.events() {
        let Some(pair) = event.kv() else { continue };
        let deleted = event.event_type() == EventType::Delete;
        let pair = key_value(pair.clone());
        events.push(Event {
            key: pair.key,
            revision: pair.revision,
            kind: if deleted { EventKind::Delete } else { EventKind::Put(pair.value) },
            previous: event.prev_kv().map(|previous| Bytes::copy_from_slice(previous.value())),
        });
    }
    // With events the header may be ahead of what this watch has been sent, only the events count.
    let revision = events.last().map_or_else(|| header_revision(response.header()), |event| event.revision);
    WatchBatch { events, revision }
}
