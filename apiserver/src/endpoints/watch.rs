//! WATCH: changes as frames, until the client goes, the time is over or the server stops.
//!
//! Whatever is ready when the connection can take more is joined into one chunk, so that a burst costs one
//! record and one system call, not one for each event.

use std::sync::Arc;
use std::time::Duration;

use apiserver_storage::cacher::{CachedObject, ChangeKind, WatchItem, WatchRequest, WatchStart, Watcher};
use apiserver_storage::{Freshness, StorageError};
use bytes::{BufMut, Bytes, BytesMut};
use component_base::shutdown::Shutdown;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use machinery::Message;
use machinery::codec::{json, protobuf};
use machinery::meta::v1::{ObjectMeta, Status};
use machinery::status::StatusError;
use machinery::wire::{append_bytes_field, append_tag, append_varint};
use rand::RngExt;
use tokio::time::Instant;

use super::encode;
use super::metrics::WatchCounters;
use super::negotiation::{self, Encoding, Output, Shape};
use super::query::{ListOptions, parse_resource_version};
use super::request::ApiRequest;
use super::resource::{ServedResource, metadata_json};
use super::response::varint_len;
use super::selection::Selection;
use super::table::{TableOptions, table};
use crate::chain::body::{Body, BodyError, boxed};
use crate::store::status_of;

/// Marks the bookmark behind the initial events.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";
const PROTOBUF_STREAM: &str = "application/vnd.kubernetes.protobuf;stream=watch";
/// Protobuf wire type of lengths and content.
const BYTES: u8 = 2;

/// Answers a watch.
pub async fn watch(request: &ApiRequest, options: &ListOptions) -> Result<Response<Body>, StatusError> {
    let resource = &request.resource;
    let output = negotiation::output(&request.headers, &request.query, resource.codec.has_protobuf(), true)?;
    let table_options = if output.shape == Shape::Table {
        TableOptions::read(&request.query)?
    } else {
        TableOptions::default()
    };
    let store = resource.stored("watch")?;
    let selection = Selection::new(
        resource,
        store,
        request.namespace(),
        request.name(),
        &options.label_selector,
        &options.field_selector,
    )?;
    let timeout = timeout(options, request.shared.min_request_timeout);
    let deadline = Instant::now() + timeout;
    let open = WatchRequest {
        scope: selection.scope(store),
        filter: selection.filter(),
        start: start(options)?,
        bookmarks: options.allow_watch_bookmarks,
        deadline: Some(deadline),
    };
    let source = match store.cacher().watch(open).await {
        Ok(watcher) => Source::Open(watcher),
        // A watch that starts too early is told so by its first event, as upstream does.
        Err(error @ StorageError::TooOld { .. }) => Source::Refused(status_of(&error, store.resource(), "")),
        Err(error) => return Err(status_of(&error, store.resource(), "")),
    };
    let frames = Frames {
        resource: resource.clone(),
        output,
        table_options,
        source,
        deadline,
        shutdown: request.shared.shutdown.clone(),
        items: Vec::new(),
        counters: request.shared.watch_metrics.of(&resource.resource),
    };
    let chunks = stream::unfold(frames, |mut frames| async move {
        let chunk = frames.next_chunk().await?;
        Some((Ok::<_, BodyError>(Frame::data(chunk)), frames))
    });
    let mut response = Response::new(boxed(StreamBody::new(chunks)));
    let media_type = match output.encoding {
        Encoding::Protobuf => HeaderValue::from_static(PROTOBUF_STREAM),
        _ => HeaderValue::from_static(negotiation::JSON),
    };
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    Ok(response)
}

fn timeout(options: &ListOptions, minimum: Duration) -> Duration {
    match options.timeout_seconds {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds.unsigned_abs()),
        // Spread out, so that watches opened together do not all come back together.
        _ => minimum.mul_f64(1.0 + rand::rng().random::<f64>()),
    }
}

fn start(options: &ListOptions) -> Result<WatchStart, StatusError> {
    let revision = parse_resource_version(&options.resource_version)?;
    Ok(match options.send_initial_events {
        Some(true) => {
            let freshness = match options.resource_version.as_str() {
                "" => Freshness::Consistent,
                _ if revision == 0 => Freshness::Any,
                _ => Freshness::AtLeast(revision),
            };
            WatchStart::Initial { freshness, bookmark: options.allow_watch_bookmarks }
        }
        _ if revision == 0 => WatchStart::Now,
        _ => WatchStart::After(revision),
    })
}

enum Source {
    Open(Watcher),
    Refused(StatusError),
    Ended,
}

struct Frames {
    resource: Arc<ServedResource>,
    output: Output,
    table_options: TableOptions,
    source: Source,
    deadline: Instant,
    shutdown: Shutdown,
    items: Vec<WatchItem>,
    counters: WatchCounters,
}

impl Frames {
    async fn next_chunk(&mut self) -> Option<Bytes> {
        let watcher = match &mut self.source {
            Source::Open(watcher) => watcher,
            Source::Refused(error) => {
                let mut out = BytesMut::new();
                let status = error.status.clone();
                self.source = Source::Ended;
                self.write_status(&mut out, &status);
                return Some(out.freeze());
            }
            Source::Ended => return None,
        };
        self.items.clear();
        tokio::select! {
            // Events first: what has happened is told even if the time is over.
            biased;
            // Dropping the wait loses nothing: the watcher keeps what it has not handed out.
            open = watcher.next(&mut self.items) => if !open {
                return None;
            },
            () = tokio::time::sleep_until(self.deadline) => return None,
            () = self.shutdown.wait() => return None,
        }
        let mut out = BytesMut::new();
        let items = std::mem::take(&mut self.items);
        self.counters.events.inc_by(items.len() as u64);
        for item in &items {
            let before = out.len();
            if let Err(error) = self.write(&mut out, item) {
                self.write_status(&mut out, &error.status);
                self.source = Source::Ended;
                break;
            }
            self.counters.sizes.observe((out.len() - before) as f64);
        }
        self.items = items;
        Some(out.freeze())
    }

    fn write(&mut self, out: &mut BytesMut, item: &WatchItem) -> Result<(), StatusError> {
        match item {
            WatchItem::Change(kind, object) => {
                let kind = match kind {
                    ChangeKind::Added => "ADDED",
                    ChangeKind::Modified => "MODIFIED",
                    ChangeKind::Deleted => "DELETED",
                };
                self.write_object(out, kind, object)
            }
            WatchItem::Bookmark { revision, initial_events_end } => {
                let mut meta = ObjectMeta { resource_version: revision.to_string(), ..ObjectMeta::default() };
                if *initial_events_end {
                    meta.annotations.insert(INITIAL_EVENTS_END.to_owned(), "true".to_owned());
                }
                let stored = self.resource.codec.bookmark(meta);
                self.write_stored(out, "BOOKMARK", &stored)
            }
        }
    }

    /// Objects of the cache bring ready encodings with them.
    fn write_object(
        &mut self,
        out: &mut BytesMut,
        kind: &str,
        object: &CachedObject,
    ) -> Result<(), StatusError> {
        match (self.output.shape, self.output.encoding) {
            (Shape::Object, Encoding::Protobuf) => {
                let raw = encode::raw_protobuf(&self.resource, object)?;
                // The stored envelope is what goes out, unless the version differs.
                if self.resource.version_index == 0 {
                    write_protobuf(out, kind, object.value());
                } else {
                    let envelope = protobuf::wrap(&self.resource.api_version, &self.resource.kind.kind, &raw);
                    write_protobuf(out, kind, &envelope);
                }
                Ok(())
            }
            (Shape::Object, _) => {
                write_json(out, kind, &encode::json(&self.resource, object)?);
                Ok(())
            }
            (Shape::Metadata | Shape::MetadataList, _) => {
                let raw = encode::metadata(&self.resource, object)?;
                self.write_metadata(out, kind, &raw)
            }
            (Shape::Table, _) => self.write_stored(out, kind, object.value()),
        }
    }

    fn write_stored(&mut self, out: &mut BytesMut, kind: &str, stored: &[u8]) -> Result<(), StatusError> {
        let failed = |error: String| StatusError::internal_error(error);
        match (self.output.shape, self.output.encoding) {
            (Shape::Object, Encoding::Protobuf) => {
                let raw = self.resource.codec.protobuf(stored).map_err(failed)?;
                write_protobuf(
                    out,
                    kind,
                    &protobuf::wrap(&self.resource.api_version, &self.resource.kind.kind, &raw),
                );
            }
            (Shape::Object, _) => write_json(out, kind, &self.resource.codec.json(stored).map_err(failed)?),
            (Shape::Metadata | Shape::MetadataList, _) => {
                let raw = self.resource.codec.metadata(stored).map_err(failed)?;
                self.write_metadata(out, kind, &raw)?;
            }
            (Shape::Table, _) => {
                let now = jiff::Timestamp::now();
                let rendered =
                    table(&self.resource, self.output.meta_version, self.table_options, [stored], None, now)?;
                // Only the first table of a watch describes its columns.
                self.table_options.without_columns = true;
                write_json(out, kind, rendered.to_string().as_bytes());
            }
        }
        Ok(())
    }

    fn write_metadata(&self, out: &mut BytesMut, kind: &str, raw: &[u8]) -> Result<(), StatusError> {
        if self.output.encoding == Encoding::Protobuf {
            let api_version = format!("meta.k8s.io/{}", self.output.meta_version);
            write_protobuf(out, kind, &protobuf::wrap(&api_version, "PartialObjectMetadata", raw));
        } else {
            let text = metadata_json(raw, self.output.meta_version).map_err(StatusError::internal_error)?;
            write_json(out, kind, &text);
        }
        Ok(())
    }

    fn write_status(&self, out: &mut BytesMut, status: &Status) {
        let raw = status.encode_to_vec();
        if self.output.encoding == Encoding::Protobuf {
            write_protobuf(out, "ERROR", &protobuf::wrap("v1", "Status", &raw));
        } else {
            write_json(out, "ERROR", &json::encode(Status::SCHEMA, &raw, Some(("v1", "Status"))));
        }
    }
}

/// `{"type":"ADDED","object":…}` and a newline.
fn write_json(out: &mut BytesMut, kind: &str, object: &[u8]) {
    const AROUND: usize = r#"{"type":"","object":}"#.len() + 1;
    out.reserve(AROUND + kind.len() + object.len());
    out.put_slice(b"{\"type\":\"");
    out.put_slice(kind.as_bytes());
    out.put_slice(b"\",\"object\":");
    out.put_slice(object);
    out.put_slice(b"}\n");
}

/// Four bytes of length, then `WatchEvent{type, object: RawExtension{raw}}` without an envelope of its own.
fn write_protobuf(out: &mut BytesMut, kind: &str, envelope: &[u8]) {
    let mut head = Vec::with_capacity(32);
    append_bytes_field(&mut head, 1, kind.as_bytes());
    append_tag(&mut head, 2, BYTES);
    append_varint(&mut head, (1 + varint_len(envelope.len() as u64) + envelope.len()) as u64);
    append_tag(&mut head, 1, BYTES);
    append_varint(&mut head, envelope.len() as u64);
    out.reserve(4 + head.len() + envelope.len());
    out.put_u32((head.len() + envelope.len()) as u32);
    out.put_slice(&head);
    out.put_slice(envelope);
}
