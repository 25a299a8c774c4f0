//! Responses with one object or a status: encoded as negotiated, compressed when large.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use machinery::codec::{json, protobuf, yaml};
use machinery::meta::v1::{PartialObjectMetadata, Status};
use machinery::status::StatusError;
use machinery::{Message, wire};

use super::negotiation::{Encoding, Output, Shape};
use super::resource::{ServedResource, metadata_json};
use super::table::{TableOptions, table};
use crate::chain::body::{Body, full};

/// Smaller responses are not worth compressing; upstream's threshold.
pub const GZIP_FROM: usize = 128 * 1024;
/// Upstream's level: most of the gain for a fraction of the time.
pub const GZIP_LEVEL: u32 = 1;

/// Whether the client takes compressed bodies.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let header = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    header.split(',').any(|part| {
        let mut pieces = part.split(';').map(str::trim);
        let gzip = pieces.next() == Some("gzip");
        gzip && !pieces
            .any(|piece| piece.strip_prefix("q=").is_some_and(|quality| quality.parse() == Ok(0f32)))
    })
}

/// One object as the response.
pub fn object(
    headers: &HeaderMap,
    output: Output,
    resource: &ServedResource,
    code: StatusCode,
    stored: &[u8],
    table_options: Option<TableOptions>,
    now: jiff::Timestamp,
) -> Result<Response<Body>, StatusError> {
    let bytes = encode_object(output, resource, stored, table_options, now)?;
    Ok(ready(headers, output.encoding, code, bytes))
}

/// The bytes of a response that shows one object.
fn encode_object(
    output: Output,
    resource: &ServedResource,
    stored: &[u8],
    table_options: Option<TableOptions>,
    now: jiff::Timestamp,
) -> Result<Vec<u8>, StatusError> {
    let failed = |error: String| StatusError::internal_error(error);
    match (output.shape, output.encoding) {
        (Shape::Object, Encoding::Protobuf) => {
            let raw = resource.codec.protobuf(stored).map_err(failed)?;
            Ok(protobuf::wrap(&resource.api_version, &resource.kind.kind, &raw))
        }
        (Shape::Object, _) => text(output, resource.codec.json(stored).map_err(failed)?),
        (Shape::Metadata, Encoding::Protobuf) => {
            let raw = resource.codec.metadata(stored).map_err(failed)?;
            let api_version = format!("meta.k8s.io/{}", output.meta_version);
            Ok(protobuf::wrap(&api_version, "PartialObjectMetadata", &raw))
        }
        (Shape::Metadata, _) => {
            let raw = resource.codec.metadata(stored).map_err(failed)?;
            text(output, metadata_json(&raw, output.meta_version).map_err(failed)?)
        }
        (Shape::MetadataList, _) => Err(StatusError::new(
            406,
            "NotAcceptable",
            "you requested PartialObjectMetadataList, but the requested object is not a list",
        )),
        (Shape::Table, _) => {
            let options = table_options.unwrap_or_default();
            let rendered = table(resource, output.meta_version, options, [stored], None, now)?;
            text(output, serde_json::to_vec(&rendered).map_err(|error| failed(error.to_string()))?)
        }
    }
}

/// JSON in the text form the client asked for.
pub fn text(output: Output, mut text: Vec<u8>) -> Result<Vec<u8>, StatusError> {
    if output.encoding == Encoding::Yaml {
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(StatusError::internal_error)?;
        return Ok(yaml::to_string_sorted(&value).into_bytes());
    }
    if output.pretty {
        return json::pretty(&text).map_err(StatusError::internal_error);
    }
    text.push(b'\n');
    Ok(text)
}

/// Ready bytes as a response.
pub fn ready(headers: &HeaderMap, encoding: Encoding, code: StatusCode, bytes: Vec<u8>) -> Response<Body> {
    let compresses = bytes.len() >= GZIP_FROM && accepts_gzip(headers);
    let (bytes, compressed) = match compresses.then(|| compress(&bytes)).flatten() {
        Some(compressed) => (compressed, true),
        None => (bytes, false),
    };
    let mut response = Response::new(full(Bytes::from(bytes)));
    *response.status_mut() = code;
    set_headers(&mut response, encoding.media_type(), compressed);
    response
}

/// Marks a response as compressed or not.
pub fn set_headers(response: &mut Response<Body>, media_type: &'static str, compressed: bool) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::new(GZIP_LEVEL));
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// A status of success or failure as the response. A table of a status is the status.
pub fn status(headers: &HeaderMap, output: Output, status: &Status) -> Response<Body> {
    let raw = status.encode_to_vec();
    let code = u16::try_from(status.code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let code = code.unwrap_or(StatusCode::OK);
    if output.encoding == Encoding::Protobuf {
        return ready(headers, output.encoding, code, protobuf::wrap("v1", "Status", &raw));
    }
    let json = json::encode(Status::SCHEMA, &raw, Some(("v1", "Status")));
    match text(output, json) {
        Ok(bytes) => ready(headers, output.encoding, code, bytes),
        Err(error) => crate::chain::respond::error(headers, &error),
    }
}

/// A kind that no store holds (reviews, bindings, scales) as the response.
pub fn computed(
    headers: &HeaderMap,
    output: Output,
    code: StatusCode,
    object: &dyn machinery::object::Object,
) -> Result<Response<Body>, StatusError> {
    let kind = object.kind();
    let api_version = kind.api_version();
    let raw = object.encode();
    let bytes = match (output.encoding, output.shape) {
        (Encoding::Protobuf, Shape::Object) => protobuf::wrap(&api_version, &kind.kind, &raw),
        (_, Shape::Metadata) => {
            let partial = PartialObjectMetadata { metadata: object.meta().clone() }.encode_to_vec();
            if output.encoding == Encoding::Protobuf {
                let api_version = format!("meta.k8s.io/{}", output.meta_version);
                protobuf::wrap(&api_version, "PartialObjectMetadata", &partial)
            } else {
                text(
                    output,
                    metadata_json(&partial, output.meta_version).map_err(StatusError::internal_error)?,
                )?
            }
        }
        _ => text(output, json::encode(object.schema(), &raw, Some((&api_version, &kind.kind))))?,
    };
    Ok(ready(headers, output.encoding, code, bytes))
}

/// The length of a varint, for lengths that are written before their content.
pub fn varint_len(value: u64) -> usize {
    let mut out = Vec::with_capacity(10);
    wire::append_varint(&mut out, value);
    out.len()
}
