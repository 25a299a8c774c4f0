//! GET of one object, from the watch cache.

use apiserver_storage::Freshness;
use http::{Response, StatusCode};
use machinery::status::StatusError;

use super::encode;
use super::negotiation::{self, Encoding, Shape};
use super::query::parse_resource_version;
use super::request::ApiRequest;
use super::response;
use super::table::TableOptions;
use crate::chain::body::Body;

/// Answers a get. Views (status and the like) show the whole object and are answered here too.
pub async fn get(request: &ApiRequest) -> Result<Response<Body>, StatusError> {
    let resource = &request.resource;
    let output = negotiation::output(&request.headers, &request.query, resource.codec.has_protobuf(), false)?;
    if request.query.flag("export") == Some(true) {
        let text = "the export parameter, deprecated since v1.14, is no longer supported";
        return Err(StatusError::bad_request(text));
    }
    let store = resource.stored("get")?;
    let freshness = match request.query.get("resourceVersion").unwrap_or_default() {
        "" => Freshness::Consistent,
        text => match parse_resource_version(text)? {
            0 => Freshness::Any,
            revision => Freshness::AtLeast(revision),
        },
    };
    let about = resource.group_resource();
    let found = store.get_as(&about, request.namespace(), request.name(), freshness).await?;
    if output.shape == Shape::Object && output.encoding == Encoding::Json {
        // The encoding is shared with lists and watches.
        let text = response::text(output, encode::json(resource, &found)?.to_vec())?;
        return Ok(response::ready(&request.headers, output.encoding, StatusCode::OK, text));
    }
    let table_options =
        if output.shape == Shape::Table { Some(TableOptions::read(&request.query)?) } else { None };
    let now = request.context.received;
    response::object(&request.headers, output, resource, StatusCode::OK, found.value(), table_options, now)
}
