//! DELETE of one object and of collections.

use futures_util::StreamExt;
use futures_util::stream;
use http::{Response, StatusCode};
use machinery::Message;
use machinery::codec::json::{self, Strictness};
use machinery::codec::{protobuf, yaml};
use machinery::meta::v1::{DELETE_OPTIONS, DeleteOptions, Status, StatusDetails};
use machinery::status::StatusError;

use super::admission::AdmitDelete;
use super::list_body::{self, ListHeader};
use super::negotiation::{self, Encoding, Shape};
use super::query::{ListOptions, check_delete_options, delete_options};
use super::request::ApiRequest;
use super::table::TableOptions;
use super::{list, response};
use crate::chain::body::Body;
use crate::store::{DeleteOutcome, Store};

/// Objects of a collection deleted at the same time; upstream's default is one, which only makes it slow.
const WORKERS: usize = 8;

/// Answers a delete.
pub async fn delete(request: &ApiRequest) -> Result<Response<Body>, StatusError> {
    let resource = &request.resource;
    let output = negotiation::output(&request.headers, &request.query, resource.codec.has_protobuf(), false)?;
    let options = read_options(request)?;
    let store = resource.stored("delete")?;
    let dry_run = !options.dry_run.is_empty();
    let context = request.write_context(request.name(), dry_run);
    let validation = AdmitDelete { request, name: request.name(), options: &options };
    let outcome = store.delete(&context, &options, &validation).await?;
    let code = match options.orphan_dependents {
        Some(false) if !outcome.deleted => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    if !outcome.shows_object {
        return Ok(response::status(&request.headers, output, &success(store, &outcome)));
    }
    let table_options =
        if output.shape == Shape::Table { Some(TableOptions::read(&request.query)?) } else { None };
    let (value, now) = (&outcome.stored.value, request.context.received);
    response::object(&request.headers, output, resource, code, value, table_options, now)
}

/// The status that tells which object is gone. Upstream puts the resource where the kind should be.
fn success(store: &Store, outcome: &DeleteOutcome) -> Status {
    let meta = outcome.stored.object.meta();
    let details = StatusDetails {
        name: meta.name.clone(),
        group: store.resource().group.to_string(),
        kind: store.resource().resource.to_string(),
        uid: meta.uid.clone(),
        ..StatusDetails::default()
    };
    Status { status: "Success".to_owned(), details: Some(Box::new(details)), ..Status::default() }
}

/// Options from the body, or from the query when there is none.
fn read_options(request: &ApiRequest) -> Result<DeleteOptions, StatusError> {
    let mut options = if request.body.is_empty() {
        delete_options(&request.query)?
    } else {
        let encoding = negotiation::input(&request.headers, true)?;
        decode_options(encoding, &request.body)?
    };
    // Deleting what cannot be read is behind a feature that is off.
    options.ignore_store_read_error_with_cluster_breaking_potential = None;
    check_delete_options(&options)?;
    Ok(options)
}

fn decode_options(encoding: Encoding, body: &[u8]) -> Result<DeleteOptions, StatusError> {
    let refused = |error: String| StatusError::bad_request(error);
    if encoding == Encoding::Protobuf {
        let envelope = protobuf::unwrap(body).map_err(|error| refused(error.to_string()))?;
        check_options_kind(envelope.kind)?;
        return DeleteOptions::decode(envelope.raw).map_err(|error| refused(error.to_string()));
    }
    let converted;
    let text = if encoding == Encoding::Yaml {
        let text = std::str::from_utf8(body).map_err(|error| refused(error.to_string()))?;
        let value = yaml::from_str(text).map_err(|error| refused(error.to_string()))?;
        converted = value.to_string();
        converted.as_bytes()
    } else {
        body
    };
    let decoded = json::decode(&DELETE_OPTIONS, text, Strictness::Ignore)
        .map_err(|error| refused(error.to_string()))?;
    check_options_kind(&decoded.kind)?;
    DeleteOptions::decode(&decoded.protobuf).map_err(|error| refused(error.to_string()))
}

fn check_options_kind(kind: &str) -> Result<(), StatusError> {
    if matches!(kind, "" | "DeleteOptions") {
        return Ok(());
    }
    Err(StatusError::bad_request("decoded object cannot be converted to DeleteOptions"))
}

/// Answers a delete of everything that is selected.
pub async fn delete_collection(request: &ApiRequest) -> Result<Response<Body>, StatusError> {
    let resource = &request.resource;
    let output = negotiation::output(&request.headers, &request.query, resource.codec.has_protobuf(), false)?;
    let list_options = ListOptions::read(&request.query, false)?;
    let options = read_options(request)?;
    let store = resource.stored("deletecollection")?;
    let listed = list::collect(request, &list_options).await?;
    let validation = AdmitDelete { request, name: "", options: &options };
    let dry_run = !options.dry_run.is_empty();
    let mut deletions = Vec::with_capacity(listed.objects.len());
    for object in &listed.objects {
        let mut context = request.write_context(object.name(), dry_run);
        context.rules.namespace = object.namespace().to_owned();
        let (options, validation) = (&options, &validation);
        deletions.push(async move { store.delete(&context, options, validation).await });
    }
    let mut running = stream::iter(deletions).buffer_unordered(WORKERS);
    while let Some(outcome) = running.next().await {
        match outcome {
            // Someone else was faster.
            Err(error) if error.is_not_found() => {}
            other => drop(other?),
        }
    }
    drop(running);
    let header = ListHeader { resource: resource.clone(), output, meta: listed.meta };
    if output.encoding == Encoding::Yaml || output.pretty || output.shape == Shape::Table {
        let text = response::text(output, list_body::whole_json(&header, &listed.objects)?)?;
        return Ok(response::ready(&request.headers, output.encoding, StatusCode::OK, text));
    }
    list_body::respond(&request.headers, header, listed.objects)
}
