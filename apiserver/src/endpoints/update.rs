//! UPDATE: a body takes the place of an object, or of the part a view may write.

use apiserver_admission::{Operation, Options};
use async_trait::async_trait;
use http::{Response, StatusCode};
use machinery::meta::v1::{CreateOptions, UpdateOptions};
use machinery::object::Object;
use machinery::status::StatusError;

use super::admission::{admit, authorize_create, deduplicate_owners, validate};
use super::decode::{self, FieldValidation};
use super::managed_fields::Writer;
use super::negotiation::{self, Output, Shape};
use super::query::update_options;
use super::request::ApiRequest;
use super::response;
use super::table::TableOptions;
use crate::chain::body::Body;
use crate::store::{Change, UpdateRules, Updated, ensure_namespace};

/// Answers an update of the resource or of a view of it.
pub async fn update(request: &ApiRequest, rules: UpdateRules) -> Result<Response<Body>, StatusError> {
    let resource = &request.resource;
    let output = negotiation::output(&request.headers, &request.query, resource.codec.has_protobuf(), false)?;
    let options = update_options(&request.query)?;
    let decoded = decode::body(request, FieldValidation::from_option(&options.field_validation))?;
    let store = resource.stored("update")?;
    let mut object = decoded.object;
    ensure_namespace(request.namespace(), object.meta_mut())?;
    check_name(request, object.as_ref())?;
    deduplicate_owners(request, object.as_mut(), false);
    let dry_run = !options.dry_run.is_empty();
    let context = request.write_context(request.name(), dry_run);
    let manager = request.field_manager(&options.field_manager);
    let (reset, judge) = (decoded.resets_managers, Judge { request, options, dry_run });
    let mut change = Replace { writer: Writer::new(request, &manager, store), object, reset, judge };
    let updated = store.update(&context, rules, false, &mut change).await?;
    respond(request, output, &updated)
}

/// The object in its new state as the response.
pub fn respond(
    request: &ApiRequest,
    output: Output,
    updated: &Updated,
) -> Result<Response<Body>, StatusError> {
    let code = if updated.created { StatusCode::CREATED } else { StatusCode::OK };
    let table_options =
        if output.shape == Shape::Table { Some(TableOptions::read(&request.query)?) } else { None };
    let (value, now) = (&updated.stored.value, request.context.received);
    response::object(&request.headers, output, &request.resource, code, value, table_options, now)
}

/// The body must be about the object in the path.
pub fn check_name(request: &ApiRequest, object: &dyn Object) -> Result<(), StatusError> {
    let (name, meta) = (request.name(), object.meta());
    if meta.name != name {
        return Err(StatusError::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({name})",
            meta.name
        )));
    }
    let namespace = request.namespace();
    if !namespace.is_empty() && !meta.namespace.is_empty() && meta.namespace != namespace {
        return Err(StatusError::bad_request(format!(
            "the namespace of the object ({}) does not match the namespace on the request ({namespace})",
            meta.namespace
        )));
    }
    Ok(())
}

/// Admission of updates and of the creates they may turn into.
pub struct Judge<'a> {
    /// The request.
    pub request: &'a ApiRequest,
    /// Its options; a patch is judged as an update.
    pub options: UpdateOptions,
    /// Whether nothing will be written.
    pub dry_run: bool,
}

impl Judge<'_> {
    fn create_options(&self) -> Options {
        Options::Create(CreateOptions {
            dry_run: self.options.dry_run.clone(),
            field_manager: self.options.field_manager.clone(),
            field_validation: self.options.field_validation.clone(),
        })
    }

    /// Mutating admission, then the owner references once more.
    pub async fn admit(
        &self,
        object: Box<dyn Object>,
        current: Option<&dyn Object>,
    ) -> Result<Box<dyn Object>, StatusError> {
        let (operation, options) = match current {
            Some(_) => (Operation::Update, Options::Update(self.options.clone())),
            None => (Operation::Create, self.create_options()),
        };
        let name = self.request.name();
        let mut object = admit(self.request, operation, name, object, current, options, self.dry_run).await?;
        deduplicate_owners(self.request, object.as_mut(), true);
        Ok(object)
    }

    /// Whether the user may create, then validating admission.
    pub async fn validate_create(&self, new: &dyn Object) -> Result<(), StatusError> {
        authorize_create(self.request).await?;
        let (name, options) = (self.request.name(), self.create_options());
        validate(self.request, Operation::Create, name, Some(new), None, options, self.dry_run).await
    }

    /// Validating admission.
    pub async fn validate_update(&self, new: &dyn Object, old: &dyn Object) -> Result<(), StatusError> {
        let (name, options) = (self.request.name(), Options::Update(self.options.clone()));
        validate(self.request, Operation::Update, name, Some(new), Some(old), options, self.dry_run).await
    }
}

/// A body in place of the object.
struct Replace<'a> {
    writer: Writer<'a>,
    object: Box<dyn Object>,
    reset: bool,
    judge: Judge<'a>,
}

#[async_trait]
impl Change for Replace<'_> {
    fn uid_precondition(&self) -> Option<String> {
        Some(self.object.meta().uid.clone()).filter(|uid| !uid.is_empty())
    }

    async fn apply(&mut self, current: Option<&dyn Object>) -> Result<Box<dyn Object>, StatusError> {
        let mut object = self.object.clone();
        self.writer.update(current, &mut object, self.reset);
        self.judge.admit(object, current).await
    }

    async fn validate_create(&mut self, new: &dyn Object) -> Result<(), StatusError> {
        self.judge.validate_create(new).await
    }

    async fn validate_update(&mut self, new: &dyn Object, old: &dyn Object) -> Result<(), StatusError> {
        self.judge.validate_update(new, old).await
    }
}
