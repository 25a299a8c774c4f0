//! LIST: a state of the resource, selected, cut into pages and streamed as a join of ready bytes.

use std::sync::Arc;

use apiserver_storage::cacher::{CachedObject, Snapshot};
use apiserver_storage::{Freshness, StorageError};
use http::{Response, StatusCode};
use machinery::meta::v1::ListMeta;
use machinery::status::StatusError;

use super::continue_token::ContinueToken;
use super::encode::Objects;
use super::list_body::{self, ListHeader};
use super::negotiation::{self, Encoding, Shape};
use super::query::{EXACT, ListOptions, parse_resource_version};
use super::request::ApiRequest;
use super::response;
use super::selection::Selection;
use super::table::{TableOptions, table};
use crate::chain::body::Body;
use crate::store::{Store, status_of};

/// Objects read at once from a state that only the store still has.
const STORED_PAGE: usize = 1000;

/// Upstream's texts for a page whose state was compacted.
const INCONSISTENT: &str = "The provided continue parameter is too old to display a consistent list result. You can \
     start a new list without the continue parameter, or use the continue token in this response to retrieve the \
     remainder of the results. Continuing with the provided token results in an inconsistent list - objects that \
     were created, modified, or deleted between the time the first chunk was returned and now may show up in the \
     list.";

/// What a list came to.
pub struct Listed {
    /// The selected objects.
    pub objects: Objects,
    /// Revision, continue token, remaining count.
    pub meta: ListMeta,
}

/// Answers a list.
pub async fn list(request: &ApiRequest, options: &ListOptions) -> Result<Response<Body>, StatusError> {
    let resource = &request.resource;
    let output = negotiation::output(&request.headers, &request.query, resource.codec.has_protobuf(), false)?;
    let table_options = if output.shape == Shape::Table {
        TableOptions::read(&request.query)?
    } else {
        TableOptions::default()
    };
    if output.shape == Shape::Metadata {
        return Err(StatusError::new(
            406,
            "NotAcceptable",
            format!(
                "you requested PartialObjectMetadata, but the requested object is a list ({})",
                resource.list_kind
            ),
        ));
    }
    let listed = collect(request, options).await?;
    if output.shape == Shape::Table {
        let values = listed.objects.iter().map(|object| &object.value()[..]);
        let rendered = table(
            resource,
            output.meta_version,
            table_options,
            values,
            Some(&listed.meta),
            request.context.received,
        )?;
        let text =
            response::text(output, serde_json::to_vec(&rendered).map_err(StatusError::internal_error)?)?;
        return Ok(response::ready(&request.headers, output.encoding, StatusCode::OK, text));
    }
    let header = ListHeader { resource: resource.clone(), output, meta: listed.meta };
    if output.encoding == Encoding::Yaml || output.pretty {
        // These forms need the whole text at once.
        let whole = list_body::whole_json(&header, &listed.objects)?;
        let text = response::text(output, whole)?;
        return Ok(response::ready(&request.headers, output.encoding, StatusCode::OK, text));
    }
    list_body::respond(&request.headers, header, listed.objects)
}

/// Selects the objects of a list request.
pub async fn collect(request: &ApiRequest, options: &ListOptions) -> Result<Listed, StatusError> {
    let resource = &request.resource;
    let store = resource.stored("list")?;
    let selection = Selection::new(
        resource,
        store,
        request.namespace(),
        request.name(),
        &options.label_selector,
        &options.field_selector,
    )?;
    let failed = |error: StorageError| status_of(&error, store.resource(), "");
    let token = read_token(options)?;
    let freshness = freshness(options, token.as_ref())?;
    let prefix = selection.path_prefix();
    let start = token.as_ref().map_or(prefix.clone(), |token| format!("{prefix}{}", token.start));
    // A read of any state may ignore the page size, and always did.
    let limit = if options.resource_version == "0" { 0 } else { usize::try_from(options.limit).unwrap_or(0) };
    let page = Page { selection: &selection, prefix: &prefix, start: &start, limit };
    match store.cacher().snapshot(freshness).await {
        Ok(snapshot) => Ok(page.of_snapshot(store, &snapshot)),
        Err(StorageError::TooOld { .. }) => match freshness {
            Freshness::Exactly(revision) => match page.of_store(store, revision).await {
                Ok(listed) => Ok(listed),
                Err(StorageError::Compacted { .. }) if token.is_some() => Err(expired_page(token)),
                Err(error) => Err(failed(error)),
            },
            _ => Err(failed(StorageError::NotReady)),
        },
        Err(error) => Err(failed(error)),
    }
}

fn read_token(options: &ListOptions) -> Result<Option<ContinueToken>, StatusError> {
    if options.continue_.is_empty() {
        return Ok(None);
    }
    let token = ContinueToken::decode(&options.continue_)
        .map_err(|error| StatusError::bad_request(format!("invalid continue token: {error}")))?;
    if !matches!(options.resource_version.as_str(), "" | "0") {
        return Err(StatusError::bad_request(
            "specifying resource version is not allowed when using continue",
        ));
    }
    Ok(Some(token))
}

fn freshness(options: &ListOptions, token: Option<&ContinueToken>) -> Result<Freshness, StatusError> {
    if let Some(token) = token {
        return Ok(token.revision.map_or(Freshness::Consistent, Freshness::Exactly));
    }
    let revision = parse_resource_version(&options.resource_version)?;
    Ok(match (options.resource_version.as_str(), options.resource_version_match.as_str()) {
        ("", _) => Freshness::Consistent,
        _ if revision == 0 => Freshness::Any,
        (_, EXACT) => Freshness::Exactly(revision),
        // Before there was a way to say so, a page of a version meant exactly that version.
        (_, "") if options.limit > 0 => Freshness::Exactly(revision),
        _ => Freshness::AtLeast(revision),
    })
}

/// The error of a page whose state is gone, with a token that goes on in the present state.
fn expired_page(token: Option<ContinueToken>) -> StatusError {
    let mut error = StatusError::expired(INCONSISTENT);
    if let Some(token) = token {
        error.status.metadata.continue_ = ContinueToken { revision: None, ..token }.encode();
    }
    error
}

struct Page<'a> {
    selection: &'a Selection,
    prefix: &'a str,
    start: &'a str,
    /// 0 for everything.
    limit: usize,
}

impl Page<'_> {
    fn of_snapshot(&self, store: &Store, snapshot: &Snapshot) -> Listed {
        // A selection that pins one object needs no walk.
        if let Some(path) = self.selection.single_path(store) {
            let found = snapshot.objects.get(&path).filter(|object| self.selection.matches(object));
            let found = found.filter(|_| path.as_str() >= self.start);
            return self.listed(found.cloned().into_iter().collect(), snapshot.revision, None);
        }
        let mut objects = Vec::new();
        if self.selection.is_everything() && self.prefix.is_empty() && self.limit == 0 {
            objects.reserve(snapshot.objects.len());
        }
        let mut within = snapshot
            .objects
            .iter_from(self.start)
            .take_while(|object| object.path().starts_with(self.prefix));
        for object in within.by_ref() {
            if self.selection.matches(object) {
                objects.push(object.clone());
                if self.limit > 0 && objects.len() == self.limit {
                    break;
                }
            }
        }
        let full = self.limit > 0 && objects.len() == self.limit;
        let remaining = if full { within.count() as u64 } else { 0 };
        self.listed(objects, snapshot.revision, Some(remaining))
    }

    /// A state that is older than the history of the cache.
    async fn of_store(&self, store: &Store, revision: u64) -> Result<Listed, StorageError> {
        let mut objects: Vec<Arc<CachedObject>> = Vec::new();
        let mut start = self.start.to_owned();
        loop {
            let (read, after) = store.cacher().stored_page(revision, &start, STORED_PAGE).await?;
            let last = read.last().map(|object| format!("{}\0", object.path()));
            let total = read.len();
            for (index, object) in read.into_iter().enumerate() {
                if !object.path().starts_with(self.prefix) {
                    return Ok(self.listed(objects, revision, Some(0)));
                }
                if self.selection.matches(&object) {
                    objects.push(object);
                    if self.limit > 0 && objects.len() == self.limit {
                        // Exact within a namespace is not known here, more than none is enough.
                        let remaining = after + (total - index - 1) as u64;
                        return Ok(self.listed(objects, revision, Some(remaining)));
                    }
                }
            }
            match last {
                Some(last) if after > 0 => start = last,
                _ => return Ok(self.listed(objects, revision, Some(0))),
            }
        }
    }

    /// `remaining` counts what follows in the prefix, selected or not.
    fn listed(&self, objects: Objects, revision: u64, remaining: Option<u64>) -> Listed {
        let mut meta = ListMeta { resource_version: revision.to_string(), ..ListMeta::default() };
        let remaining = remaining.unwrap_or(0);
        if remaining > 0
            && let Some(last) = objects.last()
        {
            let start = format!("{}\0", last.path().strip_prefix(self.prefix).unwrap_or(last.path()));
            meta.continue_ = ContinueToken { revision: Some(revision), start }.encode();
            // How many of the rest are selected nobody has counted.
            if self.selection.is_everything() {
                meta.remaining_item_count = i64::try_from(remaining).ok();
            }
        }
        Listed { objects, meta }
    }
}
