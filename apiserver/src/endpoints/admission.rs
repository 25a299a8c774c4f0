//! Requests as admission plugins see them.

use apiserver_admission::{Attributes, Operation, Options};
use async_trait::async_trait;
use machinery::meta::v1::{CreateOptions, DeleteOptions};
use machinery::object::Object;
use machinery::status::StatusError;
use machinery::{GroupResource, GroupVersionKind};
use tracing::Instrument as _;

use super::request::ApiRequest;
use crate::chain::respond::forbidden;
use crate::store::{CreateValidation, DeleteValidation};

/// The request with the given objects.
pub fn attributes(
    request: &ApiRequest,
    operation: Operation,
    name: &str,
    object: Option<Box<dyn Object>>,
    old_object: Option<Box<dyn Object>>,
    options: Options,
    dry_run: bool,
) -> Attributes {
    let kind = match (&object, request.subresource()) {
        // A posted action or a scale is of a kind of its own.
        (Some(object), subresource) if !subresource.is_empty() && is_foreign(request, object.as_ref()) => {
            object.kind()
        }
        _ => request.resource.kind.clone(),
    };
    attributes_of_kind(request, operation, kind, name, object, old_object, options, dry_run)
}

fn is_foreign(request: &ApiRequest, object: &dyn Object) -> bool {
    object.kind().kind != request.resource.kind.kind
}

fn attributes_of_kind(
    request: &ApiRequest,
    operation: Operation,
    kind: GroupVersionKind,
    name: &str,
    object: Option<Box<dyn Object>>,
    old_object: Option<Box<dyn Object>>,
    options: Options,
    dry_run: bool,
) -> Attributes {
    let is_namespace =
        request.resource.resource.group.is_empty() && request.resource.resource.resource == "namespaces";
    let namespace = if is_namespace { name } else { request.namespace() };
    Attributes {
        operation,
        kind,
        resource: request.resource.resource.clone(),
        subresource: request.subresource().to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        object,
        old_object,
        options,
        dry_run,
        user: request.context.user.clone(),
        now: request.context.received,
        notes: request.notes(),
    }
}

/// Lets mutating plugins change `object`.
pub async fn admit(
    request: &ApiRequest,
    operation: Operation,
    name: &str,
    object: Box<dyn Object>,
    old_object: Option<&dyn Object>,
    options: Options,
    dry_run: bool,
) -> Result<Box<dyn Object>, StatusError> {
    if !request.shared.admission.handles(operation) {
        return Ok(object);
    }
    let old_object = old_object.map(Object::clone_box);
    let mut attributes = attributes(request, operation, name, Some(object), old_object, options, dry_run);
    let station = tracing::debug_span!("mutating_admission");
    request.shared.admission.admit(&mut attributes).instrument(station).await?;
    attributes.object.ok_or_else(|| StatusError::internal_error("an admission plugin has removed the object"))
}

/// Lets validating plugins judge.
pub async fn validate(
    request: &ApiRequest,
    operation: Operation,
    name: &str,
    object: Option<&dyn Object>,
    old_object: Option<&dyn Object>,
    options: Options,
    dry_run: bool,
) -> Result<(), StatusError> {
    if !request.shared.admission.handles(operation) {
        return Ok(());
    }
    let (object, old_object) = (object.map(Object::clone_box), old_object.map(Object::clone_box));
    let attributes = attributes(request, operation, name, object, old_object, options, dry_run);
    let station = tracing::debug_span!("validating_admission");
    request.shared.admission.validate(&attributes).instrument(station).await
}

/// Validating admission of a create.
pub struct AdmitCreate<'a> {
    /// The request.
    pub request: &'a ApiRequest,
    /// Its options.
    pub options: &'a CreateOptions,
}

#[async_trait]
impl CreateValidation for AdmitCreate<'_> {
    async fn validate(&self, object: &dyn Object) -> Result<(), StatusError> {
        let name = object.meta().name.clone();
        let options = Options::Create(self.options.clone());
        let dry_run = !self.options.dry_run.is_empty();
        validate(self.request, Operation::Create, &name, Some(object), None, options, dry_run).await
    }
}

/// Admission of a delete; both phases see the object that would go.
pub struct AdmitDelete<'a> {
    /// The request.
    pub request: &'a ApiRequest,
    /// Name in the path; empty for collections.
    pub name: &'a str,
    /// Its options.
    pub options: &'a DeleteOptions,
}

#[async_trait]
impl DeleteValidation for AdmitDelete<'_> {
    async fn validate(&self, object: &dyn Object) -> Result<(), StatusError> {
        let admission = &self.request.shared.admission;
        if !admission.handles(Operation::Delete) {
            return Ok(());
        }
        let options = Options::Delete(self.options.clone());
        let dry_run = !self.options.dry_run.is_empty();
        let old = Some(object.clone_box());
        let mut attributes =
            attributes(self.request, Operation::Delete, self.name, None, old, options, dry_run);
        admission.admit(&mut attributes).await?;
        admission.validate(&attributes).await
    }
}

/// Refuses an update that would create unless the user may create.
pub async fn authorize_create(request: &ApiRequest) -> Result<(), StatusError> {
    let info = &request.context.info;
    let attributes = apiserver_auth::authz::Attributes {
        namespace: request.namespace(),
        api_version: &info.api_version,
        subresource: request.subresource(),
        name: request.name(),
        path: &info.path,
        ..apiserver_auth::authz::Attributes::resource(
            &request.context.user,
            "create",
            &info.api_group,
            &info.resource,
        )
    };
    let decision = request.shared.authorizer.authorize(&attributes).await;
    if decision.is_allowed() { Ok(()) } else { Err(forbidden(&attributes, &decision.reason)) }
}

/// Removes repeated owner references, with upstream's warning.
pub fn deduplicate_owners(request: &ApiRequest, object: &mut dyn Object, after_admission: bool) {
    let references = &mut object.meta_mut().owner_references;
    let mut kept = Vec::with_capacity(references.len());
    let mut repeated = Vec::new();
    for reference in references.drain(..) {
        if kept.contains(&reference) {
            repeated.push(reference.uid);
        } else {
            kept.push(reference);
        }
    }
    *references = kept;
    if repeated.is_empty() {
        return;
    }
    let uids = repeated.join(", ");
    let where_ = if after_admission { " after mutating admission happens" } else { "" };
    request.context.notes.warn(format!(
        ".metadata.ownerReferences contains duplicate entries{where_}; API server dedups owner references in 1.20+, \
         and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {uids}"
    ));
}

/// The error of a verb that a resource does not have.
pub fn method_not_allowed() -> StatusError {
    machinery::status::ServerResponse {
        code: 405,
        method: "",
        resource: &GroupResource::default(),
        name: "",
        message: "",
        retry_after_seconds: 0,
        unexpected: true,
    }
    .to_error()
}
