//! Discovery: which groups, versions and resources there are.
//!
//! `catalog` (what is served) → `documents` (typed answers) → encodings, made once and kept.

pub mod catalog;
pub mod documents;
pub mod openid;

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA512, digest};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use machinery::Message;
use machinery::codec::{json, protobuf};

use crate::chain::body::{Body, empty, full};
use crate::chain::respond;
use catalog::Catalog;

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const AGGREGATED_PARAMETERS: &str = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A document in both encodings.
#[derive(Clone)]
struct Document {
    json: Bytes,
    protobuf: Bytes,
}

impl Document {
    fn new<M: Message>(message: &M, api_version: &str, kind: &str) -> Document {
        let encoded = message.encode_to_vec();
        let mut text = json::encode(M::SCHEMA, &encoded, Some((api_version, kind)));
        text.push(b'\n');
        Document { json: text.into(), protobuf: protobuf::wrap(api_version, kind, &encoded).into() }
    }
}

struct Aggregated {
    document: Document,
    etag: HeaderValue,
}

impl Aggregated {
    fn new(catalog: &Catalog, core: bool) -> Aggregated {
        let list = documents::aggregated(catalog, core);
        let document = Document::new(&list, "apidiscovery.k8s.io/v2", "APIGroupDiscoveryList");
        let hash: String =
            digest(&SHA512, &document.json).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let etag = HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""));
        Aggregated { document, etag }
    }
}

struct Documents {
    catalog: Catalog,
    versions: Document,
    groups: Document,
    aggregated_core: Aggregated,
    aggregated_groups: Aggregated,
}

/// Answers discovery requests.
pub struct Discovery {
    server_address: String,
    documents: ArcSwap<Documents>,
}

impl Discovery {
    /// Discovery of `catalog`; `server_address` is `host:port` under which clients reach the server.
    pub fn new(catalog: Catalog, server_address: String) -> Discovery {
        let documents = ArcSwap::from_pointee(make(catalog, &server_address));
        Discovery { server_address, documents }
    }

    /// Replaces what is served, as when a custom resource is defined.
    pub fn replace(&self, catalog: Catalog) {
        self.documents.store(Arc::new(make(catalog, &self.server_address)));
    }

    /// What is served now.
    pub fn catalog(&self) -> Catalog {
        self.documents.load().catalog.clone()
    }

    /// The answer, or `None` when the path is not about discovery or nothing is there.
    pub fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let documents = self.documents.load();
        let headers = request.headers();
        let path = request.uri().path().trim_matches('/');
        let segments: Vec<&str> = path.split('/').collect();
        let simple = |document: &Document| Some(plain(headers, document));
        match segments.as_slice() {
            ["api"] if wants_aggregated(headers) => Some(aggregated(headers, &documents.aggregated_core)),
            ["apis"] if wants_aggregated(headers) => Some(aggregated(headers, &documents.aggregated_groups)),
            ["api"] => simple(&documents.versions),
            ["apis"] => simple(&documents.groups),
            ["api", version] => {
                let version = documents.catalog.version("", version)?;
                simple(&Document::new(&documents::api_resource_list("", version), "v1", "APIResourceList"))
            }
            ["apis", group] => {
                let group = documents.catalog.group(group).filter(|group| !group.name.is_empty())?;
                simple(&Document::new(&documents::api_group(group), "v1", "APIGroup"))
            }
            ["apis", group, version] => {
                let version = documents.catalog.version(group, version)?;
                simple(&Document::new(&documents::api_resource_list(group, version), "v1", "APIResourceList"))
            }
            _ => None,
        }
    }
}

fn make(catalog: Catalog, server_address: &str) -> Documents {
    Documents {
        versions: Document::new(&documents::api_versions(&catalog, server_address), "v1", "APIVersions"),
        groups: Document::new(&documents::api_group_list(&catalog), "v1", "APIGroupList"),
        aggregated_core: Aggregated::new(&catalog, true),
        aggregated_groups: Aggregated::new(&catalog, false),
        catalog,
    }
}

/// Media types of the `Accept` header with their parameters, in the client's order.
fn accepted(headers: &HeaderMap) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').map(|clause| {
        let mut parts = clause.split(';').map(str::trim);
        (parts.next().unwrap_or_default(), parts.collect())
    })
}

/// Whether the first acceptable form is the aggregated one.
fn wants_aggregated(headers: &HeaderMap) -> bool {
    for (media_type, parameters) in accepted(headers) {
        if !matches!(media_type, JSON | PROTOBUF) {
            if media_type == "*/*" || media_type == "application/*" {
                return false;
            }
            continue;
        }
        let has = |parameter: &str| parameters.contains(&parameter);
        if has("as=APIGroupDiscoveryList") {
            if has("g=apidiscovery.k8s.io") && has("v=v2") {
                return true;
            }
            // An older version of the aggregated form, which is not served any more.
            continue;
        }
        return false;
    }
    false
}

fn wants_protobuf(headers: &HeaderMap) -> bool {
    for (media_type, _) in accepted(headers) {
        match media_type {
            PROTOBUF => return true,
            JSON | "*/*" | "application/*" => return false,
            _ => {}
        }
    }
    false
}

fn plain(headers: &HeaderMap, document: &Document) -> Response<Body> {
    let mut response = encoded(headers, document, "");
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

fn encoded(headers: &HeaderMap, document: &Document, parameters: &str) -> Response<Body> {
    let (media_type, bytes) = if wants_protobuf(headers) {
        (PROTOBUF, document.protobuf.clone())
    } else if respond::wants_indentation(headers) {
        (JSON, json::pretty(&document.json).map_or(document.json.clone(), Bytes::from))
    } else {
        (JSON, document.json.clone())
    };
    let content_type = if parameters.is_empty() {
        HeaderValue::from_static(media_type)
    } else {
        HeaderValue::from_str(&format!("{media_type};{parameters}")).unwrap_or(HeaderValue::from_static(JSON))
    };
    let mut response = Response::new(full(bytes));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn aggregated(headers: &HeaderMap, list: &Aggregated) -> Response<Body> {
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|tag| *tag == list.etag);
    let mut response = if known {
        let mut response = Response::new(empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        encoded(headers, &list.document, AGGREGATED_PARAMETERS)
    };
    response.headers_mut().insert(ETAG, list.etag.clone());
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

#[cfg(test)]
mod tests;
