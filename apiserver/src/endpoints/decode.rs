//! Request bodies to objects, with upstream's words when they are refused.

use machinery::codec::{protobuf, yaml};
use machinery::status::StatusError;

use super::negotiation::{self, Encoding};
use super::request::ApiRequest;
use super::resource::{DecodedBody, ServedResource};

/// What is done about fields the kind does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    /// Nothing.
    Ignore,
    /// A warning each.
    Warn,
    /// The request is refused.
    Strict,
}

impl FieldValidation {
    /// From the option; upstream's default is to warn.
    pub fn from_option(option: &str) -> FieldValidation {
        match option {
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            _ => FieldValidation::Warn,
        }
    }

    /// Whether unknown fields must be looked for.
    pub fn looks(self) -> bool {
        self != FieldValidation::Ignore
    }
}

/// `kind` and `apiVersion` of a body that does not decode as a whole.
#[derive(Default, serde::Deserialize)]
struct TypeMeta {
    #[serde(default)]
    kind: String,
    #[serde(default, rename = "apiVersion")]
    api_version: String,
}

/// Reads the body as an object of the request's resource.
pub fn body(request: &ApiRequest, validation: FieldValidation) -> Result<DecodedBody, StatusError> {
    let _station = tracing::debug_span!("decode").entered();
    let resource = &request.resource;
    let encoding = negotiation::input(&request.headers, resource.codec.has_protobuf())?;
    let decoded = match encoding {
        Encoding::Json => from_json(resource, &request.body, &request.body, validation)?,
        Encoding::Yaml => {
            let text = std::str::from_utf8(&request.body)
                .map_err(|error| unrecognized(resource, &error.to_string(), &request.body))?;
            let document = yaml::decode(text)
                .map_err(|error| unrecognized(resource, &format!("yaml: {error}"), &request.body))?;
            let json = serde_json::to_vec(&document.value).map_err(StatusError::internal_error)?;
            let mut decoded = from_json(resource, &json, &request.body, validation)?;
            if validation.looks() {
                let duplicates = document.duplicates.iter().map(ToString::to_string);
                decoded.strict_errors = duplicates.chain(decoded.strict_errors).collect();
            }
            decoded
        }
        Encoding::Protobuf => from_protobuf(resource, &request.body)?,
    };
    check_kind(resource, &decoded.kind, &decoded.api_version)?;
    if decoded.strict_errors.is_empty() {
        return Ok(decoded);
    }
    match validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => {
            for error in &decoded.strict_errors {
                request.context.notes.warn(error.clone());
            }
        }
        FieldValidation::Strict => {
            let text = format!("strict decoding error: {}", decoded.strict_errors.join(", "));
            return Err(cannot_be_handled(resource, &decoded.kind, &decoded.api_version, &text));
        }
    }
    Ok(decoded)
}

fn from_json(
    resource: &ServedResource,
    json: &[u8],
    body: &[u8],
    validation: FieldValidation,
) -> Result<DecodedBody, StatusError> {
    resource.codec.read_json(json, validation.looks()).map_err(|error| {
        let syntax = serde_json::from_slice::<serde::de::IgnoredAny>(json).is_err();
        match serde_json::from_slice::<TypeMeta>(json) {
            Ok(given) if !given.kind.is_empty() => {
                match check_kind(resource, &given.kind, &given.api_version) {
                    Err(mismatch) => mismatch,
                    Ok(()) => cannot_be_handled(resource, &given.kind, &given.api_version, &error),
                }
            }
            Ok(_) => cannot_be_handled(resource, "", "", &error),
            Err(_) if syntax => {
                unrecognized(resource, &format!("couldn't get version/kind; json parse error: {error}"), body)
            }
            Err(_) => unrecognized(resource, &error, body),
        }
    })
}

fn from_protobuf(resource: &ServedResource, body: &[u8]) -> Result<DecodedBody, StatusError> {
    let envelope =
        protobuf::unwrap(body).map_err(|error| unrecognized(resource, &error.to_string(), body))?;
    check_kind(resource, envelope.kind, envelope.api_version)?;
    let object = resource
        .codec
        .read_protobuf(envelope.raw)
        .map_err(|error| cannot_be_handled(resource, envelope.kind, envelope.api_version, &error))?;
    Ok(DecodedBody {
        object,
        api_version: envelope.api_version.to_owned(),
        kind: envelope.kind.to_owned(),
        strict_errors: Vec::new(),
        resets_managers: false,
    })
}

/// The body must be of the resource's kind and version; what it leaves out is taken as right.
fn check_kind(resource: &ServedResource, kind: &str, api_version: &str) -> Result<(), StatusError> {
    let kind_differs = !kind.is_empty() && kind != resource.kind.kind;
    let version_differs = !api_version.is_empty() && api_version != resource.api_version;
    if !kind_differs && !version_differs {
        return Ok(());
    }
    if kind_differs || !same_kind_elsewhere(resource, kind, api_version) {
        let shown = if kind.is_empty() { resource.kind.kind.as_ref() } else { kind };
        let given_version = if api_version.is_empty() { resource.api_version.as_str() } else { api_version };
        let registered = is_registered(shown, given_version);
        let error = if registered {
            let (_, version) = given_version.rsplit_once('/').unwrap_or(("", given_version));
            let package = package_of(resource);
            format!(
                "converting ({version}.{shown}) to ({package}.{}): unknown conversion",
                resource.kind.kind
            )
        } else {
            format!(
                "no kind {} is registered for version {} in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
                machinery::quote::go_quote(shown),
                machinery::quote::go_quote(given_version),
            )
        };
        return Err(cannot_be_handled(resource, shown, given_version, &error));
    }
    Err(StatusError::bad_request(format!(
        "the API version in the data ({api_version}) does not match the expected API version ({})",
        resource.api_version
    )))
}

fn is_registered(kind: &str, api_version: &str) -> bool {
    api_types::facts::all().iter().any(|facts| {
        facts.kind == kind && machinery::group::api_version(facts.group, facts.version) == api_version
    })
}

/// The same kind in another version or group that can be read as this one.
fn same_kind_elsewhere(resource: &ServedResource, kind: &str, api_version: &str) -> bool {
    let kind = if kind.is_empty() { resource.kind.kind.as_ref() } else { kind };
    let (group, _) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    kind == resource.kind.kind && group == resource.kind.group && is_registered(kind, api_version)
}

/// The Go package of the internal type, which upstream's message shows.
fn package_of(resource: &ServedResource) -> &str {
    match resource.kind.group.as_ref() {
        "" => "core",
        group => group.split('.').next().unwrap_or(group),
    }
}

/// The refusal of a body whose kind is known.
fn cannot_be_handled(resource: &ServedResource, kind: &str, api_version: &str, error: &str) -> StatusError {
    let kind = if kind.is_empty() { resource.kind.kind.as_ref() } else { kind };
    let api_version = if api_version.is_empty() { resource.api_version.as_str() } else { api_version };
    let version = api_version.rsplit('/').next().unwrap_or(api_version);
    StatusError::bad_request(format!(
        "{kind} in version {} cannot be handled as a {}: {error}",
        machinery::quote::go_quote(version),
        resource.kind.kind
    ))
}

/// The refusal of a body that is nothing recognizable.
fn unrecognized(resource: &ServedResource, error: &str, body: &[u8]) -> StatusError {
    StatusError::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): {error} ({})",
        resource.kind.kind,
        summary(body)
    ))
}

/// The first bytes of a body: as text when it looks like JSON, in hexadecimal otherwise.
fn summary(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let more = if body.len() > SHOWN { " ..." } else { "" };
    let shown = &body[..body.len().min(SHOWN)];
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(shown)),
        Some(_) => {
            let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{hex}{more}")
        }
    }
}
