//! The `scale` subresource: the replica count of an object as an `autoscaling/v1` Scale.

use api_types::autoscaling::v1::Scale;
use apiserver_registry::Scaling;
use async_trait::async_trait;
use http::{Response, StatusCode};
use machinery::codec::json::{self, Strictness};
use machinery::codec::{protobuf, yaml};
use machinery::field::{Error, Path};
use machinery::meta::v1::ManagedFieldsEntry;
use machinery::object::Object;
use machinery::patch::apply::scale::{ReplicasPaths, to_parent, to_scale};
use machinery::patch::apply::{FieldManager, PathElement, SingleVersion};
use machinery::patch::shape::Shape;
use machinery::status::StatusError;
use machinery::{GroupKind, GroupVersionKind, Message, Resource};
use serde_json::Value;

use super::decode::FieldValidation;
use super::negotiation::{self, Encoding};
use super::patch::{Patch, PatchType, as_update};
use super::query::{patch_options, update_options};
use super::request::ApiRequest;
use super::response;
use super::update::Judge;
use crate::chain::body::Body;
use crate::store::{Change, UpdateRules};

const API_VERSION: &str = "autoscaling/v1";

/// Answers a get.
pub async fn get(request: &ApiRequest, scaling: &'static Scaling) -> Result<Response<Body>, StatusError> {
    let output = negotiation::output(&request.headers, &request.query, true, false)?;
    let store = request.resource.stored("get")?;
    let found =
        store.get(request.namespace(), request.name(), apiserver_storage::Freshness::Consistent).await?;
    let scale = (scaling.read)(store.decode_cached(&found)?.object.as_ref())?;
    response::computed(&request.headers, output, StatusCode::OK, &scale)
}

/// Answers an update.
pub async fn update(request: &ApiRequest, scaling: &'static Scaling) -> Result<Response<Body>, StatusError> {
    let options = update_options(&request.query)?;
    let scale = read_body(request, FieldValidation::from_option(&options.field_validation))?;
    if scale.metadata.name != request.name() {
        return Err(StatusError::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            scale.metadata.name,
            request.name()
        )));
    }
    let manager = request.field_manager(&options.field_manager);
    let dry_run = !options.dry_run.is_empty();
    let judge = Judge { request, options, dry_run };
    write(request, scaling, Content::Body(Box::new(scale)), manager, judge).await
}

/// Answers a patch.
pub async fn patch(request: &ApiRequest, scaling: &'static Scaling) -> Result<Response<Body>, StatusError> {
    let kind = PatchType::of(request, true)?;
    let options = patch_options(&request.query, kind == PatchType::Apply)?;
    let patch = Patch::read(request, kind, &options)?;
    let manager = request.field_manager(&options.field_manager);
    let dry_run = !options.dry_run.is_empty();
    let judge = Judge { request, options: as_update(&options), dry_run };
    write(request, scaling, Content::Patch(patch), manager, judge).await
}

enum Content {
    Body(Box<Scale>),
    Patch(Patch),
}

async fn write(
    request: &ApiRequest,
    scaling: &'static Scaling,
    content: Content,
    manager: String,
    judge: Judge<'_>,
) -> Result<Response<Body>, StatusError> {
    let output = negotiation::output(&request.headers, &request.query, true, false)?;
    let store = request.resource.stored("update")?;
    let context = request.write_context(request.name(), judge.dry_run);
    let mut change = ScaleChange { request, scaling, content, manager, judge };
    let updated = store.update(&context, UpdateRules::Derived, false, &mut change).await?;
    let scale = (scaling.read)(updated.stored.object.as_ref())?;
    response::computed(&request.headers, output, StatusCode::OK, &scale)
}

fn read_body(request: &ApiRequest, validation: FieldValidation) -> Result<Scale, StatusError> {
    let refused = |error: String| {
        StatusError::bad_request(format!("Scale in version \"v1\" cannot be handled as a Scale: {error}"))
    };
    let converted;
    let text = match negotiation::input(&request.headers, true)? {
        Encoding::Protobuf => {
            let envelope = protobuf::unwrap(&request.body).map_err(|error| refused(error.to_string()))?;
            return Scale::decode(envelope.raw).map_err(|error| refused(error.to_string()));
        }
        Encoding::Json => &request.body[..],
        Encoding::Yaml => {
            let text = std::str::from_utf8(&request.body).map_err(|error| refused(error.to_string()))?;
            converted = yaml::from_str(text).map_err(|error| refused(error.to_string()))?.to_string();
            converted.as_bytes()
        }
    };
    let decoded =
        json::decode(Scale::SCHEMA, text, Strictness::Report).map_err(|error| refused(error.to_string()))?;
    if !matches!(decoded.kind.as_str(), "" | "Scale")
        || !matches!(decoded.api_version.as_str(), "" | API_VERSION)
    {
        return Err(StatusError::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({API_VERSION})",
            decoded.api_version
        )));
    }
    let objections: Vec<String> =
        decoded.unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
    match validation {
        FieldValidation::Strict if !objections.is_empty() => {
            return Err(refused(format!("strict decoding error: {}", objections.join(", "))));
        }
        FieldValidation::Warn => objections.into_iter().for_each(|text| request.context.notes.warn(text)),
        _ => {}
    }
    Scale::decode(&decoded.protobuf).map_err(|error| refused(error.to_string()))
}

struct ScaleChange<'a> {
    request: &'a ApiRequest,
    scaling: &'static Scaling,
    content: Content,
    manager: String,
    judge: Judge<'a>,
}

impl ScaleChange<'_> {
    /// The scale the request wants, and for an apply its entries of managed fields.
    fn wanted(&self, current: &Scale) -> Result<Scale, StatusError> {
        match &self.content {
            Content::Body(scale) => Ok((**scale).clone()),
            Content::Patch(patch) if patch.kind == PatchType::Apply => {
                let now = self.request.context.received;
                let live = current.to_object_value();
                let applied = with_field_manager(|manager| {
                    manager.apply(&live, &patch.content, &self.manager, patch.force, now)
                });
                decode_patched(&applied.map_err(|error| error.to_status())?)
            }
            Content::Patch(patch) => {
                decode_patched(&patch.apply_to(current.to_object_value(), Some(Scale::SCHEMA))?)
            }
        }
    }

    /// The entries of the scale after the request.
    fn entries(&self, before: &Scale, after: &Scale) -> Vec<ManagedFieldsEntry> {
        let mut new = after.clone();
        let entries = std::mem::take(&mut new.metadata.managed_fields);
        if matches!(&self.content, Content::Patch(patch) if patch.kind == PatchType::Apply) {
            return entries;
        }
        let (live, new) = (before.to_object_value(), new.to_object_value());
        let now = self.request.context.received;
        with_field_manager(|manager| manager.update(&live, &new, &self.manager, now)).unwrap_or_default()
    }
}

fn decode_patched(patched: &Value) -> Result<Scale, StatusError> {
    Scale::from_value(patched).map_err(|error| {
        let text = patched.to_string();
        let error = Error::invalid(&Path::new("patch"), text.as_str(), error.to_string());
        StatusError::invalid(&GroupKind::default(), "", &[error])
    })
}

/// Fields of a scale are managed as those of a kind of its own.
fn with_field_manager<T>(ask: impl FnOnce(FieldManager<'_>) -> T) -> T {
    let kind = GroupVersionKind::new("autoscaling", "v1", "Scale");
    let versions = SingleVersion { api_version: API_VERSION, shape: Shape::Struct(Scale::SCHEMA) };
    ask(FieldManager { kind: &kind, subresource: "scale", filter: None, versions: &versions })
}

fn check(scale: &Scale) -> Result<(), StatusError> {
    if scale.spec.replicas >= 0 {
        return Ok(());
    }
    let path = Path::new("spec").child("replicas");
    let error = Error::invalid(&path, i64::from(scale.spec.replicas), "must be greater than or equal to 0");
    Err(StatusError::invalid(&GroupKind::new("autoscaling", "Scale"), &scale.metadata.name, &[error]))
}

#[async_trait]
impl Change for ScaleChange<'_> {
    fn uid_precondition(&self) -> Option<String> {
        match &self.content {
            Content::Body(scale) => Some(scale.metadata.uid.clone()).filter(|uid| !uid.is_empty()),
            Content::Patch(_) => None,
        }
    }

    async fn apply(&mut self, current: Option<&dyn Object>) -> Result<Box<dyn Object>, StatusError> {
        let resource = &self.request.resource;
        let Some(current) = current else {
            return Err(StatusError::not_found(&resource.group_resource(), self.request.name()));
        };
        let path = match resource.custom.as_ref().and_then(|version| version.scale.as_ref()) {
            Some(scale) => scale.spec_replicas.iter().map(|name| PathElement::field(name.clone())).collect(),
            None => self.scaling.replicas_path.iter().map(|name| PathElement::field(*name)).collect(),
        };
        let paths: ReplicasPaths = [(resource.api_version.clone(), Some(path))].into();
        let mut before = (self.scaling.read)(current)?;
        before.metadata.managed_fields = to_scale(&current.meta().managed_fields, &paths).unwrap_or_default();
        let wanted = self.wanted(&before)?;
        let entries = self.entries(&before, &wanted);
        let admitted = self.judge.admit(Box::new(wanted), Some(&before)).await?;
        let Some(wanted) = admitted.downcast_ref::<Scale>() else {
            return Err(StatusError::internal_error("admission has made something else of a scale"));
        };
        check(wanted)?;
        let mut object = current.clone_box();
        (self.scaling.write)(object.as_mut(), wanted)?;
        let meta = object.meta_mut();
        if !wanted.metadata.resource_version.is_empty() {
            meta.resource_version.clone_from(&wanted.metadata.resource_version);
        }
        match to_parent(&current.meta().managed_fields, &entries, &resource.api_version, &paths) {
            Ok(entries) => meta.managed_fields = entries,
            Err(error) => tracing::warn!(%error, "managed fields of a scale cannot be updated"),
        }
        Ok(object)
    }

    async fn validate_create(&mut self, _new: &dyn Object) -> Result<(), StatusError> {
        Err(StatusError::internal_error("a scale creates nothing"))
    }

    async fn validate_update(&mut self, new: &dyn Object, old: &dyn Object) -> Result<(), StatusError> {
        let (new, old) = ((self.scaling.read)(new)?, (self.scaling.read)(old)?);
        self.judge.validate_update(&new, &old).await
    }
}
