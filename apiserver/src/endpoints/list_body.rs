//! The body of a list: its head, the ready bytes of its objects, its end, as a stream of chunks.
//!
//! Memory does not grow with the list: objects are shared with the cache, and a chunk is joined only when the
//! connection takes it.

use std::io::Write;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http::{HeaderMap, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use machinery::Message;
use machinery::codec::protobuf::MAGIC;
use machinery::meta::v1::ListMeta;
use machinery::status::StatusError;
use machinery::wire::{append_bytes_field, append_tag, append_varint};

use super::encode::{self, Objects};
use super::negotiation::{Encoding, Output, Shape};
use super::resource::{ServedResource, metadata_json};
use super::response::{GZIP_FROM, GZIP_LEVEL, accepts_gzip, ready, set_headers, varint_len};
use super::table::list_meta;
use crate::chain::body::{Body, BodyError, boxed};

/// Chunks are joined up to this size; one TLS record holds 16 KiB.
const CHUNK: usize = 64 * 1024;
/// Objects of this size are not copied into a chunk but sent as they are.
const OWN_CHUNK: usize = 32 * 1024;
/// Protobuf wire type of lengths and content.
const BYTES: u8 = 2;

/// What stands around the objects.
pub struct ListHeader {
    /// Of what.
    pub resource: Arc<ServedResource>,
    /// In which form.
    pub output: Output,
    /// Revision and token.
    pub meta: ListMeta,
}

impl ListHeader {
    /// `kind` and `apiVersion` of the list.
    fn kind(&self) -> (String, String) {
        match self.output.shape {
            Shape::MetadataList | Shape::Metadata => {
                ("PartialObjectMetadataList".to_owned(), format!("meta.k8s.io/{}", self.output.meta_version))
            }
            Shape::Object | Shape::Table => {
                (self.resource.list_kind.clone(), self.resource.api_version.clone())
            }
        }
    }

    fn head(&self, objects: &Objects) -> Result<Vec<u8>, StatusError> {
        let (kind, api_version) = self.kind();
        if self.output.encoding != Encoding::Protobuf {
            let kind = serde_json::Value::from(kind);
            let api_version = serde_json::Value::from(api_version);
            let meta = list_meta(&self.meta);
            let head = format!(r#"{{"kind":{kind},"apiVersion":{api_version},"metadata":{meta},"items":["#);
            return Ok(head.into_bytes());
        }
        let mut meta_field = Vec::new();
        append_bytes_field(&mut meta_field, 1, &self.meta.encode_to_vec());
        let mut length = meta_field.len() as u64;
        for object in objects {
            let item = self.item(object)?.len() as u64;
            length += 1 + varint_len(item) as u64 + item;
        }
        let mut type_meta = Vec::new();
        append_bytes_field(&mut type_meta, 1, api_version.as_bytes());
        append_bytes_field(&mut type_meta, 2, kind.as_bytes());
        let mut head = MAGIC.to_vec();
        append_bytes_field(&mut head, 1, &type_meta);
        append_tag(&mut head, 2, BYTES);
        append_varint(&mut head, length);
        head.extend_from_slice(&meta_field);
        Ok(head)
    }

    /// The bytes of one object, without what joins it to the others.
    fn item(&self, object: &apiserver_storage::cacher::CachedObject) -> Result<Bytes, StatusError> {
        match (self.output.shape, self.output.encoding) {
            (Shape::MetadataList | Shape::Metadata, Encoding::Protobuf) => {
                encode::metadata(&self.resource, object)
            }
            (Shape::MetadataList | Shape::Metadata, _) => {
                let raw = encode::metadata(&self.resource, object)?;
                metadata_json(&raw, self.output.meta_version)
                    .map(Bytes::from)
                    .map_err(StatusError::internal_error)
            }
            (_, Encoding::Protobuf) => encode::raw_protobuf(&self.resource, object),
            _ => encode::json(&self.resource, object),
        }
    }

    /// What precedes an item, and the item as it stands in the list.
    fn join(&self, out: &mut BytesMut, item: Bytes, first: bool) -> Bytes {
        if self.output.encoding == Encoding::Protobuf {
            let mut tag = Vec::with_capacity(11);
            append_tag(&mut tag, 2, BYTES);
            append_varint(&mut tag, item.len() as u64);
            out.extend_from_slice(&tag);
            return item;
        }
        if !first {
            out.extend_from_slice(b",");
        }
        // Typed lists leave the kind of their items out, as their Go structs do.
        let typed = self.output.shape == Shape::Object && self.resource.entry.is_some();
        match typed.then(|| without_kind(&item)).flatten() {
            Some(rest) => {
                out.extend_from_slice(b"{");
                rest
            }
            None => item,
        }
    }

    fn end(&self) -> &'static [u8] {
        match self.output.encoding {
            // The empty fields 3 and 4 of the envelope: encoding and type of the content.
            Encoding::Protobuf => &[0x1a, 0x00, 0x22, 0x00],
            _ => b"]}\n",
        }
    }
}

/// The members of an object behind `kind` and `apiVersion`, which stand first.
fn without_kind(item: &Bytes) -> Option<Bytes> {
    let rest = item.strip_prefix(b"{\"kind\":\"")?;
    let kind = memchr_quote(rest)?;
    let rest = rest.get(kind..)?.strip_prefix(b"\",\"apiVersion\":\"")?;
    let version = memchr_quote(rest)?;
    let rest = rest.get(version..)?.strip_prefix(b"\"")?;
    Some(item.slice_ref(rest.strip_prefix(b",").unwrap_or(rest)))
}

fn memchr_quote(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'"')
}

/// Joins the parts of a list into chunks.
struct Chunks {
    header: ListHeader,
    objects: Objects,
    next: usize,
    /// Bytes that have not been handed out.
    buffer: BytesMut,
    /// A large item that follows the buffer.
    large: Option<Bytes>,
    ended: bool,
}

impl Chunks {
    fn new(header: ListHeader, objects: Objects) -> Result<Chunks, StatusError> {
        let head = header.head(&objects)?;
        let buffer = BytesMut::from(&head[..]);
        Ok(Chunks { header, objects, next: 0, buffer, large: None, ended: false })
    }

    fn next_chunk(&mut self) -> Result<Option<Bytes>, StatusError> {
        if let Some(large) = self.large.take() {
            return Ok(Some(large));
        }
        while let Some(object) = self.objects.get(self.next) {
            if self.buffer.len() >= CHUNK {
                return Ok(Some(self.buffer.split().freeze()));
            }
            let item = self.header.item(object)?;
            let item = self.header.join(&mut self.buffer, item, self.next == 0);
            self.next += 1;
            if item.len() >= OWN_CHUNK {
                self.large = Some(item);
                return Ok(Some(self.buffer.split().freeze()));
            }
            if self.buffer.capacity() - self.buffer.len() < item.len() {
                self.buffer.reserve(CHUNK + OWN_CHUNK);
            }
            self.buffer.extend_from_slice(&item);
        }
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        self.buffer.extend_from_slice(self.header.end());
        Ok(Some(self.buffer.split().freeze()))
    }
}

/// The whole list as JSON without the final newline.
pub fn whole_json(header: &ListHeader, objects: &Objects) -> Result<Vec<u8>, StatusError> {
    let header = ListHeader {
        resource: header.resource.clone(),
        output: Output { encoding: Encoding::Json, ..header.output },
        meta: header.meta.clone(),
    };
    let mut chunks = Chunks::new(header, objects.clone())?;
    let mut whole = Vec::new();
    while let Some(chunk) = chunks.next_chunk()? {
        whole.extend_from_slice(&chunk);
    }
    whole.pop();
    Ok(whole)
}

/// The response: at once when it is short, as a stream otherwise, compressed if the client takes that.
pub fn respond(
    headers: &HeaderMap,
    header: ListHeader,
    objects: Objects,
) -> Result<Response<Body>, StatusError> {
    let encoding = header.output.encoding;
    let mut chunks = Chunks::new(header, objects)?;
    // What is short is sent with its length, and errors up to here still have a status of their own.
    let mut first = Vec::new();
    let mut length = 0;
    while length < GZIP_FROM {
        let Some(chunk) = chunks.next_chunk()? else {
            return Ok(ready(headers, encoding, StatusCode::OK, first.concat()));
        };
        length += chunk.len();
        first.push(chunk);
    }
    let compressed = accepts_gzip(headers);
    let source = first.into_iter().map(Ok).chain(std::iter::from_fn(move || chunks.next_chunk().transpose()));
    let body = if compressed { boxed(frames(Gzip::new(source))) } else { boxed(frames(source)) };
    let mut response = Response::new(body);
    set_headers(&mut response, encoding.media_type(), compressed);
    Ok(response)
}

fn frames(
    source: impl Iterator<Item = Result<Bytes, StatusError>> + Send + 'static,
) -> impl http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static {
    StreamBody::new(stream::iter(source.map(|chunk| chunk.map(Frame::data).map_err(BodyError::from))))
}

/// Compresses a stream of chunks.
struct Gzip<I> {
    source: I,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl<I> Gzip<I> {
    fn new(source: I) -> Self {
        Gzip {
            source,
            encoder: Some(GzEncoder::new(Vec::with_capacity(CHUNK), Compression::new(GZIP_LEVEL))),
        }
    }
}

impl<I: Iterator<Item = Result<Bytes, StatusError>>> Iterator for Gzip<I> {
    type Item = Result<Bytes, StatusError>;

    fn next(&mut self) -> Option<Self::Item> {
        let failed = |error: std::io::Error| Some(Err(StatusError::internal_error(error)));
        loop {
            let encoder = self.encoder.as_mut()?;
            match self.source.next() {
                Some(Ok(chunk)) => {
                    if let Err(error) = encoder.write_all(&chunk) {
                        return failed(error);
                    }
                    if encoder.get_ref().len() >= CHUNK / 2 {
                        return Some(Ok(Bytes::from(std::mem::take(encoder.get_mut()))));
                    }
                }
                Some(Err(error)) => return Some(Err(error)),
                None => {
                    return match self.encoder.take()?.finish() {
                        Ok(rest) => Some(Ok(Bytes::from(rest))),
                        Err(error) => failed(error),
                    };
                }
            }
        }
    }
}
