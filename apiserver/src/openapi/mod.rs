//! OpenAPI documents, generated from the table of facts on first use and kept.
//!
//! `definitions` (schemas of kinds) and `paths` (operations of resources) → `documents` (one per group and
//! version in v3) → bytes with their hash.

pub mod definitions;
pub mod descriptions;
pub mod documents;
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
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
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

/// Kept compressed alone: nearly every client takes it so, and a document is twenty times its size.
#[derive(Clone)]
struct Document {
    gzip: Bytes,
    hash: Arc<str>,
}

impl Document {
    fn new(value: &serde_json::Value) -> Document {
        let text = value.to_string();
        let hash: String =
            digest(&SHA512, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 16), Compression::default());
        // Writing to memory cannot fail; an empty document would be seen by every client at once.
        let gzip = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
        Document { gzip: gzip.into(), hash: hash.into() }
    }

    fn response(&self, headers: &HeaderMap) -> Response<Body> {
        let accept = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let takes_gzip =
            accept.split(',').any(|coding| coding.split(';').next().unwrap_or_default().trim() == "gzip");
        let mut response = if takes_gzip {
            let mut response = Response::new(full(self.gzip.clone()));
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        } else {
            let mut text = Vec::new();
            if let Err(error) = GzDecoder::new(self.gzip.as_ref()).read_to_end(&mut text) {
                tracing::error!(%error, "an OpenAPI document cannot be decompressed");
            }
            Response::new(full(text))
        };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
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
        let document = self.document(path)?;
        let etag = HeaderValue::from_str(&format!("\"{}\"", document.hash)).ok()?;
        let asked = query_value(request.uri().query().unwrap_or_default(), "hash");
        if let Some(asked) = asked.filter(|asked| *asked != *document.hash) {
            // A hash of another time: the client is shown the way to what there is now.
            tracing::debug!(asked, path, "OpenAPI document was asked for by an outdated hash");
            let mut response = Response::new(empty());
            *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
            let location = format!("/openapi/{path}?hash={}", document.hash);
            response.headers_mut().insert(http::header::LOCATION, HeaderValue::from_str(&location).ok()?);
            return Some(response);
        }
        if !accepts_json(headers) {
            let mut response = respond::text(
                StatusCode::NOT_ACCEPTABLE,
                "406 not acceptable: only application/json is served\n",
            );
            response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
            return Some(response);
        }
        let known = headers.get_all(IF_NONE_MATCH).iter().any(|tag| *tag == etag);
        let mut response = if known {
            let mut response = Response::new(empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            document.response(headers)
        };
        let answered = response.headers_mut();
        answered.insert(ETAG, etag);
        answered.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
        if query_value(request.uri().query().unwrap_or_default(), "hash").is_some() {
            answered.insert(CACHE_CONTROL, HeaderValue::from_static(FOREVER));
        }
        Some(response)
    }

    fn document(&self, path: &str) -> Option<Document> {
        let catalog = self.discovery.catalog();
        {
            let mut made = self.made.lock();
            if made.0 != catalog {
                *made = (catalog.clone(), HashMap::new());
            }
            if let Some(document) = made.1.get(path) {
                return Some(document.clone());
            }
        }
        let value = match path {
            "v2" => documents::v2(&catalog),
            "v3" => {
                let entries = documents::v3_paths(&catalog);
                let hashed = entries.into_iter().filter_map(|entry| {
                    let hash = self.document(&format!("v3/{entry}"))?.hash;
                    Some((entry, hash.to_string()))
                });
                documents::v3_index(hashed)
            }
            path => documents::v3(&catalog, path.strip_prefix("v3/")?)?,
        };
        let document = Document::new(&value);
        self.made.lock().1.insert(path.to_string(), document.clone());
        Some(document)
    }
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let Some(accept) = headers.get(ACCEPT).and_then(|value| value.to_str().ok()) else { return true };
    accept.split(',').any(|clause| {
        let media_type = clause.split(';').next().unwrap_or_default().trim();
        matches!(media_type, "" | "*/*" | "application/*" | "application/json")
    })
}
