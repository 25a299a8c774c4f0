//! CREATE: a body becomes an object of the store.

use apiserver_admission::{Operation, Options};
use http::{Response, StatusCode};
use machinery::status::StatusError;

use super::admission::{AdmitCreate, admit, deduplicate_owners};
use super::decode::{self, FieldValidation};
use super::managed_fields::Writer;
use super::negotiation::{self, Shape};
use super::query::create_options;
use super::request::ApiRequest;
use super::response;
use super::table::TableOptions;
use crate::chain::body::Body;
use crate::store::{ensure_namespace, wipe_system_fields};

/// Answers a create.
pub async fn create(request: &ApiRequest) -> Result<Response<Body>, StatusError> {
    let resource = &request.resource;
    let output = negotiation::output(&request.headers, &request.query, resource.codec.has_protobuf(), false)?;
    let options = create_options(&request.query)?;
    let decoded = decode::body(request, FieldValidation::from_option(&options.field_validation))?;
    let store = resource.stored("create")?;
    let mut object = decoded.object;
    wipe_system_fields(object.meta_mut());
    ensure_namespace(request.namespace(), object.meta_mut())?;
    deduplicate_owners(request, object.as_mut(), false);
    let dry_run = !options.dry_run.is_empty();
    let manager = request.field_manager(&options.field_manager);
    Writer::new(request, &manager, store).update(None, &mut object, decoded.resets_managers);
    let name = object.meta().name.clone();
    let admission_options = Options::Create(options.clone());
    let mut object =
        admit(request, Operation::Create, &name, object, None, admission_options, dry_run).await?;
    deduplicate_owners(request, object.as_mut(), true);
    let context = request.write_context("", dry_run);
    let validation = AdmitCreate { request, options: &options };
    let stored = store.create(&context, object, &validation).await?;
    let table_options =
        if output.shape == Shape::Table { Some(TableOptions::read(&request.query)?) } else { None };
    let (code, now) = (StatusCode::CREATED, request.context.received);
    response::object(&request.headers, output, resource, code, &stored.value, table_options, now)
}
