//! A watch: the server's events as they come, in either framing.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::Stream;
use http_body::Body as _;
use hyper::body::Incoming;
use machinery::meta::v1::{self, Status};
use machinery::status::StatusError;
use machinery::{Message, Resource};
use serde_json::Value;

use crate::error::Error;

/// One event larger than this ends the watch: the largest object the server stores is 1.5 MiB, its JSON
/// in an event a few times that at most.
const MAX_EVENT: usize = 32 << 20;
/// Annotation of the bookmark that ends the initial events (KEP-3157).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What happened to an object.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent<T> {
    /// New, or new to the selector.
    Added(T),
    /// Changed.
    Modified(T),
    /// Gone, or gone from the selector; its last state.
    Deleted(T),
    /// Nothing happened up to this version.
    Bookmark {
        /// Version from which a later watch may go on.
        resource_version: String,
        /// Whether the objects present at the start have all been sent.
        initial_events_end: bool,
    },
}

impl<T> WatchEvent<T> {
    /// The object, when the event is about one.
    pub fn object(&self) -> Option<&T> {
        match self {
            WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) => {
                Some(object)
            }
            WatchEvent::Bookmark { .. } => None,
        }
    }

    fn map<U>(self, change: impl FnOnce(T) -> U) -> WatchEvent<U> {
        match self {
            WatchEvent::Added(object) => WatchEvent::Added(change(object)),
            WatchEvent::Modified(object) => WatchEvent::Modified(change(object)),
            WatchEvent::Deleted(object) => WatchEvent::Deleted(change(object)),
            WatchEvent::Bookmark { resource_version, initial_events_end } => {
                WatchEvent::Bookmark { resource_version, initial_events_end }
            }
        }
    }
}

/// How the objects of a watch are read.
#[derive(Clone, Copy)]
pub(crate) struct Codec<T> {
    from_protobuf: fn(&[u8]) -> Result<T, Error>,
    from_json: fn(&[u8]) -> Result<T, Error>,
    /// Version of a bookmark, and whether it ends the initial events.
    bookmark: fn(&T) -> (String, bool),
}

impl<T: Resource> Codec<T> {
    /// For a kind with a struct.
    pub(crate) fn typed() -> Codec<T> {
        Codec {
            from_protobuf: typed_from_protobuf,
            from_json: typed_from_json,
            bookmark: |object| {
                let metadata = object.metadata();
                let ends = metadata.annotations.get(INITIAL_EVENTS_END).is_some_and(|value| value == "true");
                (metadata.resource_version.clone(), ends)
            },
        }
    }
}

impl Codec<Value> {
    /// For JSON as it is.
    pub(crate) fn dynamic() -> Codec<Value> {
        Codec {
            from_protobuf: |_| {
                Err(Error::decode("object", "the server sent protobuf where JSON was asked for"))
            },
            from_json: |text| serde_json::from_slice(text).map_err(|error| Error::decode("object", error)),
            bookmark: |object| {
                let metadata = &object["metadata"];
                let version = metadata["resourceVersion"].as_str().unwrap_or_default().to_owned();
                (version, metadata["annotations"][INITIAL_EVENTS_END] == "true")
            },
        }
    }
}

/// An object in the `k8s\0` envelope.
pub(crate) fn typed_from_protobuf<T: Resource>(bytes: &[u8]) -> Result<T, Error> {
    let envelope =
        machinery::codec::protobuf::unwrap(bytes).map_err(|error| Error::decode(T::KIND, error))?;
    if !envelope.kind.is_empty() && envelope.kind != T::KIND {
        return Err(Error::decode(T::KIND, format!("the server sent a {}", envelope.kind)));
    }
    T::decode(envelope.raw).map_err(|error| Error::decode(T::KIND, error))
}

/// An object in JSON.
pub(crate) fn typed_from_json<T: Resource>(text: &[u8]) -> Result<T, Error> {
    T::from_json(text).map_err(|error| Error::decode(T::KIND, error))
}

/// The events of a watch, ending when the server ends it.
pub struct WatchStream<T> {
    body: Incoming,
    frames: Frames,
    failed: bool,
    codec: Codec<T>,
}

impl<T> std::fmt::Debug for WatchStream<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WatchStream").field("protobuf", &self.frames.protobuf).finish_non_exhaustive()
    }
}

impl<T> WatchStream<T> {
    pub(crate) fn new(response: http::Response<Incoming>, codec: Codec<T>) -> WatchStream<T> {
        let content_type = response.headers().get(http::header::CONTENT_TYPE);
        let protobuf = content_type
            .and_then(|value| value.to_str().ok())
            .is_some_and(|text| text.starts_with(crate::client::PROTOBUF));
        WatchStream { body: response.into_body(), frames: Frames::new(protobuf), failed: false, codec }
    }
}

impl<T> Stream for WatchStream<T> {
    type Item = Result<WatchEvent<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.failed {
            return Poll::Ready(None);
        }
        loop {
            let event = match this.frames.next_event() {
                Ok(Some((kind, object))) => Some(decode(&this.codec, &kind, &object, this.frames.protobuf)),
                Ok(None) => None,
                Err(error) => Some(Err(error)),
            };
            if let Some(event) = event {
                this.failed = event.is_err();
                return Poll::Ready(Some(event));
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        this.frames.feed(&data);
                    }
                }
                Some(Err(error)) => {
                    this.failed = true;
                    return Poll::Ready(Some(Err(Error::Transport {
                        method: http::Method::GET,
                        url: "watch".to_owned(),
                        source: error.into(),
                        connecting: false,
                    })));
                }
            }
        }
    }
}

fn decode<T>(codec: &Codec<T>, kind: &str, object: &[u8], protobuf: bool) -> Result<WatchEvent<T>, Error> {
    if kind == "ERROR" {
        let status = if protobuf {
            machinery::codec::protobuf::unwrap(object)
                .map_err(|error| Error::decode("Status", error))
                .and_then(|envelope| {
                    Status::decode(envelope.raw).map_err(|error| Error::decode("Status", error))
                })
        } else {
            <Status as Message>::from_json(object).map_err(|error| Error::decode("Status", error))
        };
        return Err(status.map(StatusError::from).map_or_else(|error| error, Error::Status));
    }
    let object = if protobuf { (codec.from_protobuf)(object) } else { (codec.from_json)(object) };
    Ok(match kind {
        "ADDED" => WatchEvent::Added(object?),
        "MODIFIED" => WatchEvent::Modified(object?),
        "DELETED" => WatchEvent::Deleted(object?),
        "BOOKMARK" => {
            let (resource_version, initial_events_end) = (codec.bookmark)(&object?);
            WatchEvent::Bookmark { resource_version, initial_events_end }
        }
        other => return Err(Error::decode("watch event", format!("unknown type {other:?}"))),
    })
}

/// Cuts the body into events, free of I/O: protobuf frames carry their length in four bytes, JSON events
/// end with a line break.
struct Frames {
    protobuf: bool,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no line break.
    scanned: usize,
}

impl Frames {
    fn new(protobuf: bool) -> Frames {
        Frames { protobuf, buffer: BytesMut::new(), scanned: 0 }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Type and object of the next whole event.
    fn next_event(&mut self) -> Result<Option<(String, Bytes)>, Error> {
        let event = if self.protobuf { self.next_protobuf() } else { self.next_json() };
        match event {
            Ok(None) if self.buffer.len() > MAX_EVENT => {
                Err(Error::decode("watch event", format!("larger than {MAX_EVENT} bytes")))
            }
            event => event,
        }
    }

    fn next_protobuf(&mut self) -> Result<Option<(String, Bytes)>, Error> {
        let Some(head) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if length > MAX_EVENT {
            return Err(Error::decode("watch event", format!("larger than {MAX_EVENT} bytes")));
        }
        if self.buffer.len() < 4 + length {
            return Ok(None);
        }
        self.buffer.advance(4);
        let frame = self.buffer.split_to(length);
        let event = v1::WatchEvent::decode(&frame).map_err(|error| Error::decode("watch event", error))?;
        Ok(Some((event.type_, Bytes::from(event.object.raw))))
    }

    fn next_json(&mut self) -> Result<Option<(String, Bytes)>, Error> {
        #[derive(serde::Deserialize)]
        struct Event<'a> {
            #[serde(rename = "type")]
            kind: String,
            #[serde(borrow)]
            object: &'a serde_json::value::RawValue,
        }
        loop {
            let rest = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(at) = rest.iter().position(|byte| *byte == b'\n') else {
                self.scanned = self.buffer.len();
                return Ok(None);
            };
            let end = self.scanned + at + 1;
            let line = self.buffer.get(..end).unwrap_or_default();
            if line.iter().all(u8::is_ascii_whitespace) {
                self.buffer.advance(end);
                self.scanned = 0;
                continue;
            }
            match serde_json::from_slice::<Event<'_>>(line) {
                Ok(event) => {
                    let found = (event.kind, Bytes::copy_from_slice(event.object.get().as_bytes()));
                    self.buffer.advance(end);
                    self.scanned = 0;
                    return Ok(Some(found));
                }
                // A line break between tokens: the event goes on.
                Err(error) if error.is_eof() => self.scanned = end,
                Err(error) => return Err(Error::decode("watch event", error)),
            }
        }
    }
}

/// Turns the objects of a stream's events into something else.
pub fn map_events<T, U>(
    event: Result<WatchEvent<T>, Error>,
    change: impl FnOnce(T) -> U,
) -> Result<WatchEvent<U>, Error> {
    event.map(|event| event.map(change))
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::ConfigMap;

    use super::*;

    fn named(name: &str, version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata_mut().name = name.to_owned();
        object.metadata_mut().resource_version = version.to_owned();
        object
    }

    /// All events of `bytes` delivered in pieces of `size`.
    fn events(bytes: &[u8], protobuf: bool, size: usize) -> Result<Vec<WatchEvent<ConfigMap>>, String> {
        let mut frames = Frames::new(protobuf);
        let mut out = Vec::new();
        for piece in bytes.chunks(size) {
            frames.feed(piece);
            while let Some((kind, object)) = frames.next_event().map_err(|error| error.to_string())? {
                out.push(
                    decode(&Codec::typed(), &kind, &object, protobuf).map_err(|error| error.to_string())?,
                );
            }
        }
        Ok(out)
    }

    fn protobuf_frame(kind: &str, object: Vec<u8>) -> Vec<u8> {
        let event = v1::WatchEvent { type_: kind.to_owned(), object: machinery::RawJson { raw: object } };
        let bytes = event.encode_to_vec();
        [u32::try_from(bytes.len()).expect("short").to_be_bytes().to_vec(), bytes].concat()
    }

    #[test]
    fn both_framings_give_the_same_events() {
        let mut bookmark = named("", "9");
        bookmark.metadata_mut().annotations.insert(INITIAL_EVENTS_END.to_owned(), "true".to_owned());
        let sent = [
            ("ADDED", named("a", "1")),
            ("MODIFIED", named("b", "2")),
            ("DELETED", named("a", "3")),
            ("BOOKMARK", bookmark),
        ];
        let expected = vec![
            WatchEvent::Added(named("a", "1")),
            WatchEvent::Modified(named("b", "2")),
            WatchEvent::Deleted(named("a", "3")),
            WatchEvent::Bookmark { resource_version: "9".to_owned(), initial_events_end: true },
        ];
        let (mut json, mut protobuf) = (Vec::new(), Vec::new());
        for (kind, object) in &sent {
            let text = String::from_utf8(object.to_json_object()).expect("text");
            json.extend(format!("{{\"type\":\"{kind}\",\n\"object\":{}}}\n\n", text.trim()).into_bytes());
            protobuf.extend(protobuf_frame(kind, object.to_protobuf_object()));
        }
        for size in [1, 3, 100_000] {
            assert_eq!(events(&json, false, size).as_ref(), Ok(&expected), "json by {size}");
            assert_eq!(events(&protobuf, true, size).as_ref(), Ok(&expected), "protobuf by {size}");
        }
    }

    #[test]
    fn errors_end_the_watch() {
        let status = r#"{"kind":"Status","status":"Failure","message":"too old resource version","reason":"Expired","code":410}"#;
        let line = format!("{{\"type\":\"ERROR\",\"object\":{status}}}\n");
        assert_eq!(events(line.as_bytes(), false, 100).expect_err("error"), "too old resource version");
        assert!(events(b"{\"type\":\"ADDED\",\"object\":3}\n", false, 100).is_err());
        assert!(events(b"nonsense\n", false, 100).is_err());
        assert!(events(&[0xff, 0xff, 0xff, 0xff], true, 4).is_err());
        assert!(events(&protobuf_frame("ADDED", b"no envelope".to_vec()), true, 100).is_err());
        assert!(events(b"{\"type\":\"ODD\",\"object\":{}}\n", false, 100).is_err());
    }
}
