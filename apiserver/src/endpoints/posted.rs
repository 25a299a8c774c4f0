//! Posted objects that are not stored: bindings, evictions, reviews and tokens.

use apiserver_admission::{Operation, Options};
use apiserver_registry::objects::Address;
use apiserver_registry::subresource::Action;
use http::{Response, StatusCode};
use machinery::codec::json::{self, Strictness};
use machinery::codec::{protobuf, yaml};
use machinery::meta::v1::{CreateOptions, Status};
use machinery::object::Object;
use machinery::schema::Message;
use machinery::status::StatusError;

use super::admission::{admit, validate};
use super::decode::FieldValidation;
use super::negotiation::{self, Encoding};
use super::query::create_options;
use super::request::ApiRequest;
use super::response;
use crate::chain::body::Body;
use crate::store::{StoreObjects, ensure_namespace};

/// The kind of a posted body.
struct Posted {
    schema: &'static Message,
    api_version: String,
    kind: &'static str,
}

/// Answers a create that acts through `action`.
pub async fn act(
    request: &ApiRequest,
    action: &'static dyn Action,
    objects: &StoreObjects,
) -> Result<Response<Body>, StatusError> {
    let output = negotiation::output(&request.headers, &request.query, true, false)?;
    let options = create_options(&request.query)?;
    let raw = read(request, FieldValidation::from_option(&options.field_validation))?;
    let mut object = action.decode(&raw)?;
    ensure_namespace(request.namespace(), object.meta_mut())?;
    let name = if request.name().is_empty() { object.meta().name.clone() } else { request.name().to_owned() };
    let dry_run = !options.dry_run.is_empty();
    let context = request.write_context(&name, dry_run);
    action.validate(&context.rules, &name, object.as_ref())?;
    let object = judged(request, &name, object, &options).await?;
    let entry =
        request.resource.entry.ok_or_else(|| StatusError::internal_error("an action without a row"))?;
    let at = Address { entry, namespace: request.namespace(), name: &name };
    match action.run(&context.rules, at, object, objects).await? {
        Some(answer) => response::computed(&request.headers, output, StatusCode::CREATED, answer.as_ref()),
        None => {
            let status = Status { status: "Success".to_owned(), code: 201, ..Status::default() };
            Ok(response::status(&request.headers, output, &status))
        }
    }
}

/// Answers a create that the server fills in by means of its own.
pub async fn answer(request: &ApiRequest) -> Result<Response<Body>, StatusError> {
    let output = negotiation::output(&request.headers, &request.query, true, false)?;
    let options = create_options(&request.query)?;
    let raw = read(request, FieldValidation::from_option(&options.field_validation))?;
    let mut object = decode(request, &raw)?;
    ensure_namespace(request.namespace(), object.meta_mut())?;
    let (resource, server_side) = (&request.resource.resource, &request.shared.server_side);
    let at = (resource.group.as_ref(), resource.resource.as_ref(), request.subresource());
    let (name, dry_run) = (request.name(), !options.dry_run.is_empty());
    let create = || Options::Create(options.clone());
    // Mutating plugins see what was asked for, validating ones what it comes to.
    object = admit(request, Operation::Create, name, object, None, create(), dry_run).await?;
    server_side.prepare(&request.context, at, name, &mut object).await?;
    validate(request, Operation::Create, name, Some(object.as_ref()), None, create(), dry_run).await?;
    let answered = server_side.answer(&request.context, at, request.name(), object).await?;
    response::computed(&request.headers, output, StatusCode::CREATED, answered.as_ref())
}

/// Both phases of admission.
async fn judged(
    request: &ApiRequest,
    name: &str,
    object: Box<dyn Object>,
    options: &CreateOptions,
) -> Result<Box<dyn Object>, StatusError> {
    let dry_run = !options.dry_run.is_empty();
    let create = || Options::Create(options.clone());
    let object = admit(request, Operation::Create, name, object, None, create(), dry_run).await?;
    validate(request, Operation::Create, name, Some(object.as_ref()), None, create(), dry_run).await?;
    Ok(object)
}

/// Decodes plain protobuf of what is posted here.
fn decode(request: &ApiRequest, raw: &[u8]) -> Result<Box<dyn Object>, StatusError> {
    let refused = |error: machinery::DecodeError| StatusError::bad_request(error.to_string());
    if request.subresource() == "token" {
        use machinery::Message as _;
        let token = api_types::authentication::v1::TokenRequest::decode(raw).map_err(refused)?;
        return Ok(Box::new(token));
    }
    let entry =
        request.resource.entry.ok_or_else(|| StatusError::internal_error("a review without a row"))?;
    let mut object = entry.decode(raw).map_err(refused)?;
    entry.default(object.as_mut());
    Ok(object)
}

fn posted(request: &ApiRequest) -> Result<Posted, StatusError> {
    let missing = || StatusError::internal_error(format!("{} has no posted kind", request.resource.kind));
    let facts = request.resource.entry.ok_or_else(missing)?.facts;
    let (group, version, kind) = match request.subresource() {
        "" => {
            return Ok(Posted { schema: facts.schema, api_version: facts.api_version(), kind: facts.kind });
        }
        name => {
            let of = facts.subresource(name).ok_or_else(missing)?;
            (of.group, of.version, of.kind)
        }
    };
    let found = api_types::facts::kind(group, version, kind).ok_or_else(missing)?;
    Ok(Posted { schema: found.schema, api_version: machinery::group::api_version(group, version), kind })
}

/// Reads the body as plain protobuf of the posted kind.
fn read(request: &ApiRequest, validation: FieldValidation) -> Result<Vec<u8>, StatusError> {
    let Posted { schema, api_version, kind } = posted(request)?;
    let version = api_version.rsplit('/').next().unwrap_or(&api_version);
    let refused = |error: String| {
        StatusError::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: {error}"
        ))
    };
    let check = |given_version: &str, given_kind: &str| {
        let same_kind = given_kind.is_empty() || given_kind == kind;
        if same_kind && (given_version.is_empty() || given_version == api_version) {
            return Ok(());
        }
        Err(StatusError::bad_request(format!(
            "the API version in the data ({given_version}) does not match the expected API version ({api_version})"
        )))
    };
    let converted;
    let text = match negotiation::input(&request.headers, true)? {
        Encoding::Protobuf => {
            let envelope = protobuf::unwrap(&request.body).map_err(|error| refused(error.to_string()))?;
            check(envelope.api_version, envelope.kind)?;
            return Ok(envelope.raw.to_vec());
        }
        Encoding::Json => &request.body[..],
        Encoding::Yaml => {
            let text = std::str::from_utf8(&request.body).map_err(|error| refused(error.to_string()))?;
            converted = yaml::from_str(text).map_err(|error| refused(error.to_string()))?.to_string();
            converted.as_bytes()
        }
    };
    let strictness = if validation.looks() { Strictness::Report } else { Strictness::Ignore };
    let decoded = json::decode(schema, text, strictness).map_err(|error| refused(error.to_string()))?;
    check(&decoded.api_version, &decoded.kind)?;
    let duplicate = decoded.duplicate.iter().map(|path| format!("duplicate field \"{path}\""));
    let objections: Vec<String> =
        duplicate.chain(decoded.unknown.iter().map(|path| format!("unknown field \"{path}\""))).collect();
    match validation {
        FieldValidation::Strict if !objections.is_empty() => {
            return Err(refused(format!("strict decoding error: {}", objections.join(", "))));
        }
        _ => objections.into_iter().for_each(|text| request.context.notes.warn(text)),
    }
    Ok(decoded.protobuf)
}
