//! PATCH: JSON patch, merge patch, strategic merge patch and server-side apply.
//!
//! A patch is made of the object as it is at the moment of writing; when that moment has passed it is made again
//! from the newer object, so a patch conflicts only if it names the version it was made for.

use async_trait::async_trait;
use http::Response;
use http::header::CONTENT_TYPE;
use machinery::GroupKind;
use machinery::codec::yaml;
use machinery::field::{Error, Path};
use machinery::meta::v1::{PatchOptions, UpdateOptions};
use machinery::object::Object;
use machinery::patch;
use machinery::patch::apply::is_reset;
use machinery::status::StatusError;
use serde_json::Value;

use super::decode::FieldValidation;
use super::managed_fields::Writer;
use super::negotiation;
use super::query::patch_options;
use super::request::ApiRequest;
use super::resource::ServedResource;
use super::update::{Judge, check_name, respond};
use crate::chain::body::Body;
use crate::store::{Change, UpdateRules, ensure_namespace};

/// Upstream's bound on the operations of a JSON patch.
const MOST_OPERATIONS: usize = 10_000;

/// The kinds of patches, by media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7396.
    Merge,
    /// Kubernetes' own.
    Strategic,
    /// Server-side apply.
    Apply,
}

const TYPES: [(PatchType, &str); 4] = [
    (PatchType::Json, "application/json-patch+json"),
    (PatchType::Merge, "application/merge-patch+json"),
    (PatchType::Strategic, "application/strategic-merge-patch+json"),
    (PatchType::Apply, "application/apply-patch+yaml"),
];

impl PatchType {
    /// From the Content-Type. Kinds without a table take no strategic merge patches.
    pub fn of(request: &ApiRequest, strategic: bool) -> Result<PatchType, StatusError> {
        let header =
            request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = header.split(';').next().unwrap_or_default().trim();
        let available = || TYPES.into_iter().filter(|(kind, _)| strategic || *kind != PatchType::Strategic);
        let found = available().find(|(_, name)| *name == media_type);
        let names = || available().map(|(_, name)| name).collect::<Vec<_>>();
        found.map(|(kind, _)| kind).ok_or_else(|| StatusError::unsupported_media_type(&names()))
    }
}

/// Answers a patch of the resource or of a view of it.
pub async fn patch(request: &ApiRequest, rules: UpdateRules) -> Result<Response<Body>, StatusError> {
    let resource = &request.resource;
    let output = negotiation::output(&request.headers, &request.query, resource.codec.has_protobuf(), false)?;
    let kind = PatchType::of(request, resource.entry.is_some())?;
    let options = patch_options(&request.query, kind == PatchType::Apply)?;
    let store = resource.stored("patch")?;
    let patch = Patch::read(request, kind, &options)?;
    let dry_run = !options.dry_run.is_empty();
    let context = request.write_context(request.name(), dry_run);
    let judge = Judge { request, options: as_update(&options), dry_run };
    let manager = request.field_manager(&options.field_manager);
    let mut change = Patched { request, patch, writer: Writer::new(request, &manager, store), judge };
    let updated = store.update(&context, rules, kind == PatchType::Apply, &mut change).await?;
    respond(request, output, &updated)
}

/// The options of the update a patch amounts to.
pub fn as_update(options: &PatchOptions) -> UpdateOptions {
    UpdateOptions {
        dry_run: options.dry_run.clone(),
        field_manager: options.field_manager.clone(),
        field_validation: options.field_validation.clone(),
    }
}

/// A patch that has been read but not applied.
pub struct Patch {
    /// Its kind.
    pub kind: PatchType,
    /// Its content.
    pub content: Value,
    /// Whether apply takes fields over from other managers.
    pub force: bool,
    validation: FieldValidation,
    /// Objections to the patch itself; they become errors or warnings together with those to the object.
    objections: Vec<String>,
}

impl Patch {
    /// Reads the body.
    pub fn read(request: &ApiRequest, kind: PatchType, options: &PatchOptions) -> Result<Patch, StatusError> {
        let validation = FieldValidation::from_option(&options.field_validation);
        let mut objections = Vec::new();
        let content = if kind == PatchType::Apply {
            let text = std::str::from_utf8(&request.body)
                .map_err(|error| StatusError::bad_request(format!("error decoding YAML: {error}")))?;
            let decoded = yaml::decode(text)
                .map_err(|error| StatusError::bad_request(format!("error decoding YAML: {error}")))?;
            objections.extend(decoded.duplicates.iter().map(ToString::to_string));
            decoded.value
        } else {
            serde_json::from_slice(&request.body).map_err(|error| undecodable(kind, &request.body, &error))?
        };
        if kind == PatchType::Json {
            let operations = content.as_array().map_or(0, Vec::len);
            if operations > MOST_OPERATIONS {
                return Err(StatusError::request_entity_too_large(&format!(
                    "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {operations}"
                )));
            }
            let unknown = patch::json::unknown_fields(&content);
            objections.extend(unknown.iter().map(|field| format!("json patch unknown field \"{field}\"")));
        } else if kind != PatchType::Apply && !content.is_object() {
            return Err(StatusError::bad_request("Invalid JSON Patch"));
        }
        if !validation.looks() {
            objections.clear();
        }
        Ok(Patch { kind, content, force: options.force.unwrap_or(false), validation, objections })
    }

    /// The dynamic object after the patch; apply has a way of its own.
    pub fn apply_to(
        &self,
        current: Value,
        schema: Option<&'static machinery::schema::Message>,
    ) -> Result<Value, StatusError> {
        match self.kind {
            PatchType::Json => patch::json::apply(&current, &self.content).map_err(|error| error.to_status()),
            PatchType::Merge => {
                patch::merge::apply(current, self.content.clone()).map_err(|error| error.to_status())
            }
            PatchType::Strategic => {
                let schema =
                    schema.ok_or_else(|| StatusError::unsupported_media_type(&[TYPES[0].1, TYPES[1].1]))?;
                patch::strategic::apply(current, self.content.clone(), schema)
                    .map_err(|error| error.to_status())
            }
            PatchType::Apply => Err(StatusError::internal_error("an apply patch has no dynamic form")),
        }
    }

    /// Reads the patched object back; what the kind does not have is refused or warned about.
    pub fn decode(
        &self,
        request: &ApiRequest,
        resource: &ServedResource,
        patched: &Value,
    ) -> Result<Box<dyn Object>, StatusError> {
        let text = patched.to_string();
        let refused = |detail: &str| {
            let error = Error::invalid(&Path::new("patch"), text.as_str(), detail);
            StatusError::invalid(&GroupKind::default(), "", &[error])
        };
        let decoded = resource
            .codec
            .read_json(text.as_bytes(), self.validation.looks())
            .map_err(|error| refused(&error))?;
        self.report(request, &decoded.strict_errors, refused)?;
        Ok(decoded.object)
    }

    /// Turns objections into warnings or into the given error.
    pub fn report(
        &self,
        request: &ApiRequest,
        more: &[String],
        refused: impl FnOnce(&str) -> StatusError,
    ) -> Result<(), StatusError> {
        let all: Vec<&String> = self.objections.iter().chain(more).collect();
        match self.validation {
            _ if all.is_empty() => Ok(()),
            FieldValidation::Ignore => Ok(()),
            FieldValidation::Warn => {
                all.into_iter().for_each(|text| request.context.notes.warn(text.clone()));
                Ok(())
            }
            FieldValidation::Strict => {
                let joined = all.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                Err(refused(&format!("strict decoding error: {joined}")))
            }
        }
    }
}

fn undecodable(kind: PatchType, body: &[u8], error: &serde_json::Error) -> StatusError {
    // The scanner of the codec has Go's words for broken JSON.
    let text = machinery::codec::json::compact(body, &mut Vec::new())
        .err()
        .map_or_else(|| error.to_string(), |error| error.to_string());
    match kind {
        PatchType::Strategic => StatusError::bad_request(text),
        _ => StatusError::bad_request(format!("error decoding patch: {text}")),
    }
}

struct Patched<'a> {
    request: &'a ApiRequest,
    patch: Patch,
    writer: Writer<'a>,
    judge: Judge<'a>,
}

impl Patched<'_> {
    fn patched(&self, current: Option<&dyn Object>) -> Result<Box<dyn Object>, StatusError> {
        let resource = &self.request.resource;
        if self.patch.kind == PatchType::Apply {
            let object = self.writer.apply(current, &self.patch.content, self.patch.force)?;
            self.patch.report(self.request, &[], |text| {
                let text = text.strip_prefix("strict decoding error: ").unwrap_or(text);
                StatusError::bad_request(format!("error strict decoding YAML: {text}"))
            })?;
            return Ok(object);
        }
        let Some(current) = current else {
            return Err(StatusError::not_found(&resource.group_resource(), self.request.name()));
        };
        let value = resource.codec.to_value(current).map_err(StatusError::internal_error)?;
        let patched = self.patch.apply_to(value, resource.codec.schema())?;
        let mut object = self.patch.decode(self.request, resource, &patched)?;
        self.writer.update(Some(current), &mut object, is_reset(&patched));
        Ok(object)
    }
}

#[async_trait]
impl Change for Patched<'_> {
    async fn apply(&mut self, current: Option<&dyn Object>) -> Result<Box<dyn Object>, StatusError> {
        let mut object = self.patched(current)?;
        if current.is_none() && !object.meta().uid.is_empty() {
            let text = format!(
                "uid mismatch: the provided object specified uid {}, and no existing object was found",
                object.meta().uid
            );
            let resource = self.request.resource.group_resource();
            return Err(StatusError::conflict(&resource, self.request.name(), text));
        }
        ensure_namespace(self.request.namespace(), object.meta_mut())?;
        check_name(self.request, object.as_ref())?;
        self.judge.admit(object, current).await
    }

    async fn validate_create(&mut self, new: &dyn Object) -> Result<(), StatusError> {
        self.judge.validate_create(new).await
    }

    async fn validate_update(&mut self, new: &dyn Object, old: &dyn Object) -> Result<(), StatusError> {
        self.judge.validate_update(new, old).await
    }
}
