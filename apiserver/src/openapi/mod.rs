//! OpenAPI documents, generated from the table of facts on first use and kept.
//!
//! `definitions` (schemas of kinds) and `paths` (operations of resources) → `documents` (one per group and
//! version in v3) → bytes with their hash.

pub mod custom;
pub mod definitions;
pub mod descriptions;
pub mod documents;
pub mod gnostic;
pub mod paths;

use std::io::{Read, Write};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA512, digest};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use hashbrown::HashMap;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
    VARY,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use parking_lot::Mutex;

use crate::chain::body::{Body, empty, full};
use crate::chain::request_info::query_value;
use crate::chain::respond;
use crate::discovery::Discovery;
use crate::discovery::catalog::Catalog;

/// Documents asked for by their hash do not change.
const FOREVER: &str = "public, immutable";

const JSON: &str = "application/json";
/// How clients ask for protobuf of v2, and how the answer is called (`@` may not stand in a media type).
const PROTOBUF_ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const PROTOBUF_GIVEN: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Kept compressed alone: nearly every client takes it so, and a document is twenty times its size.
#[derive(Clone)]
struct Document {
    gzip: Bytes,
}

impl Document {
    fn new(content: &[u8]) -> Document {
        let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 16), Compression::default());
        // Writing to memory cannot fail; an empty document would be seen by every client at once.
        let gzip = encoder.write_all(content).and_then(|()| encoder.finish()).unwrap_or_default();
        Document { gzip: gzip.into() }
    }

    fn response(&self, headers: &HeaderMap, content_type: &'static str) -> Response<Body> {
        let accept = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let takes_gzip =
            accept.split(',').any(|coding| coding.split(';').next().unwrap_or_default().trim() == "gzip");
        let mut response = if takes_gzip {
            let mut response = Response::new(full(self.gzip.clone()));
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        } else {
            let mut content = Vec::new();
            if let Err(error) = GzDecoder::new(self.gzip.as_ref()).read_to_end(&mut content) {
                tracing::error!(%error, "an OpenAPI document cannot be decompressed");
            }
            Response::new(full(content))
        };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}

/// Answers requests below `/openapi/`.
pub struct OpenApi {
    discovery: Arc<Discovery>,
    /// By path: `v2`, `v3`, `v3/api/v1` …; emptied when the catalog changes.
    made: Mutex<(Catalog, HashMap<String, Document>)>,
}

impl OpenApi {
    /// Documents of what `discovery` shows.
    pub fn new(discovery: Arc<Discovery>) -> OpenApi {
        OpenApi { discovery, made: Mutex::new((Catalog::default(), HashMap::new())) }
    }

    /// The answer, or `None` when there is no such document.
    pub fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let path = request.uri().path().strip_prefix("/openapi/")?.trim_end_matches('/');
        let headers = request.headers();
        let catalog = self.discovery.catalog();
        let hash = hash_of(&catalog, path)?;
        let etag = HeaderValue::from_str(&format!("\"{hash}\"")).ok()?;
        let asked = query_value(request.uri().query().unwrap_or_default(), "hash");
        if asked.as_ref().is_some_and(|asked| *asked != hash) {
            // A hash of another time: the client is shown the way to what there is now.
            let mut response = Response::new(empty());
            *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
            let location = format!("/openapi/{path}?hash={hash}");
            response.headers_mut().insert(LOCATION, HeaderValue::from_str(&location).ok()?);
            return Some(response);
        }
        let Some(content_type) = content_type(headers, path == "v2") else {
            let text = "406 not acceptable: only application/json is served\n";
            return Some(respond::text(StatusCode::NOT_ACCEPTABLE, text));
        };
        let known = headers.get_all(IF_NONE_MATCH).iter().any(|tag| *tag == etag);
        let mut response = if known {
            let mut response = Response::new(empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            self.document(&catalog, path, content_type)?.response(headers, content_type)
        };
        let answered = response.headers_mut();
        answered.insert(ETAG, etag);
        answered.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
        if asked.is_some() {
            answered.insert(CACHE_CONTROL, HeaderValue::from_static(FOREVER));
        }
        Some(response)
    }

    fn document(&self, catalog: &Catalog, path: &str, content_type: &str) -> Option<Document> {
        let key = format!("{path} {content_type}");
        {
            let mut made = self.made.lock();
            if made.0 != *catalog {
                *made = (catalog.clone(), HashMap::new());
            }
            if let Some(document) = made.1.get(&key) {
                return Some(document.clone());
            }
        }
        let value = match path {
            "v2" => documents::v2(catalog),
            "v3" => documents::v3_index(
                documents::v3_paths(catalog)
                    .into_iter()
                    .filter_map(|entry| Some((entry.clone(), hash_of(catalog, &format!("v3/{entry}"))?))),
            ),
            path => documents::v3(catalog, path.strip_prefix("v3/")?)?,
        };
        let content =
            if content_type == JSON { value.to_string().into_bytes() } else { gnostic::encode(&value) };
        let document = Document::new(&content);
        self.made.lock().1.insert(key, document.clone());
        Some(document)
    }
}

/// Changes whenever the document at `path` does. It is made of what the document is made from, so that the
/// index of v3 does not need all the documents.
fn hash_of(catalog: &Catalog, path: &str) -> Option<String> {
    let source = match path {
        "v2" | "v3" => format!("{catalog:?}"),
        path => {
            let (group, version) = documents::group_version(path.strip_prefix("v3/")?)?;
            format!("{:?}", catalog.version(group, version)?)
        }
    };
    let text = format!("{path}\n{}\n{source}", component_base::version::git_version());
    Some(digest(&SHA512, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02X}")).collect())
}

/// The first acceptable media type.
fn content_type(headers: &HeaderMap, has_protobuf: bool) -> Option<&'static str> {
    let Some(accept) = headers.get(ACCEPT).and_then(|value| value.to_str().ok()) else { return Some(JSON) };
    accept.split(',').find_map(|clause| match clause.split(';').next().unwrap_or_default().trim() {
        "" | "*/*" | "application/*" | JSON => Some(JSON),
        PROTOBUF_ASKED | PROTOBUF_GIVEN if has_protobuf => Some(PROTOBUF_GIVEN),
        _ => None,
    })
}
