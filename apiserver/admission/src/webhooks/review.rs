//! `AdmissionReview`: the question a webhook is asked, and what its answer must be like.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/webhook/request/admissionreview.go`.

use std::collections::BTreeMap;

use api_types::admission::v1::AdmissionReview;
use machinery::Message;
use machinery::meta::v1::Status;
use machinery::quote::go_quote;
use serde_json::{Map, Value, json};

use super::matching::Invocation;
use crate::attributes::{Attributes, Options};

const GROUP: &str = "admission.k8s.io";
const KIND: &str = "AdmissionReview";

/// The question, in the first version that the webhook reads and we know.
#[derive(Debug)]
pub struct Question {
    /// Identifies it in the answer.
    pub uid: String,
    /// `v1` or `v1beta1`.
    pub version: &'static str,
    /// The whole review.
    pub review: Value,
}

/// What a webhook has answered.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// Yes or no.
    pub allowed: bool,
    /// Why not.
    pub status: Option<Box<Status>>,
    /// Annotations for the audit log, without the webhook's name.
    pub audit_annotations: BTreeMap<String, String>,
    /// Warnings for the client.
    pub warnings: Vec<String>,
    /// Changes to the object; empty without any.
    pub patch: Vec<u8>,
    /// How the patch is written; empty without one.
    pub patch_type: String,
}

/// The version of reviews to talk in.
pub fn version(accepted: &[String]) -> Result<&'static str, String> {
    accepted
        .iter()
        .find_map(|version| ["v1", "v1beta1"].into_iter().find(|known| known == version))
        .ok_or_else(|| "webhook does not accept known AdmissionReview versions (v1, v1beta1)".to_owned())
}

/// Asks about a request whose objects are given in the version of the invocation.
pub fn question(
    version: &'static str,
    attributes: &Attributes,
    invocation: &Invocation,
    object: Option<&Value>,
    old_object: Option<&Value>,
) -> Question {
    let uid = uuid::Uuid::new_v4().to_string();
    let mut request = request(attributes, invocation);
    request.insert("uid".to_owned(), json!(uid));
    request.insert("object".to_owned(), object.cloned().unwrap_or_default());
    request.insert("oldObject".to_owned(), old_object.cloned().unwrap_or_default());
    let review = json!({"kind": KIND, "apiVersion": format!("{GROUP}/{version}"), "request": request});
    Question { uid, version, review }
}

/// The request without its objects, as expressions see it too.
pub fn request(attributes: &Attributes, invocation: &Invocation) -> Map<String, Value> {
    let kind = |kind: &machinery::GroupVersionKind| json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    let resource = |resource: &machinery::GroupVersionResource| json!({"group": resource.group, "version": resource.version, "resource": resource.resource});
    let mut request = Map::new();
    let mut put = |name: &str, value: Value| {
        let absent = value.as_str().is_some_and(str::is_empty);
        if !absent {
            request.insert(name.to_owned(), value);
        }
    };
    put("kind", kind(&invocation.kind));
    put("resource", resource(&invocation.resource));
    put("subResource", json!(attributes.subresource));
    put("requestKind", kind(&attributes.kind));
    put("requestResource", resource(&attributes.resource));
    put("requestSubResource", json!(attributes.subresource));
    put("name", json!(attributes.name));
    put("namespace", json!(attributes.namespace));
    put("operation", json!(attributes.operation.name()));
    put("userInfo", user(attributes));
    put("dryRun", json!(attributes.dry_run));
    put("options", options(&attributes.options));
    request
}

fn user(attributes: &Attributes) -> Value {
    let user = &attributes.user;
    let mut value = Map::new();
    for (name, text) in [("username", &user.username), ("uid", &user.uid)] {
        if !text.is_empty() {
            value.insert(name.to_owned(), json!(text));
        }
    }
    if !user.groups.is_empty() {
        value.insert("groups".to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        value.insert("extra".to_owned(), json!(user.extra));
    }
    Value::Object(value)
}

fn options(options: &Options) -> Value {
    let (kind, value) = match options {
        Options::Create(options) => ("CreateOptions", options.to_value()),
        Options::Update(options) => ("UpdateOptions", options.to_value()),
        Options::Delete(options) => ("DeleteOptions", options.to_value()),
        Options::Connect(_) | Options::None => return Value::Null,
    };
    let mut typed = Map::new();
    typed.insert("kind".to_owned(), json!(kind));
    typed.insert("apiVersion".to_owned(), json!("meta.k8s.io/v1"));
    if let Value::Object(fields) = value {
        typed.extend(fields);
    }
    Value::Object(typed)
}

/// Why a body is no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum BadAnswer {
    /// It is no review at all.
    Undecodable(String),
    /// It is a review that breaks rules.
    Invalid(String),
}

/// Reads the answer to `question`.
pub fn answer(question: &Question, mutating: bool, body: &[u8]) -> Result<Answer, BadAnswer> {
    let undecodable = |error: String| BadAnswer::Undecodable(error);
    let invalid = |error: String| Err(BadAnswer::Invalid(error));
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| undecodable(format!("couldn't get version/kind; json parse error: {error}")))?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, api_version) = (text("kind"), text("apiVersion"));
    for (name, given) in [("Kind", &kind), ("apiVersion", &api_version)] {
        if given.is_empty() {
            let shown = String::from_utf8_lossy(body);
            return Err(undecodable(format!("Object '{name}' is missing in '{shown}'")));
        }
    }
    let review = AdmissionReview::from_value(&value).map_err(|error| undecodable(error.to_string()))?;
    let Some(response) = review.response else { return invalid("webhook response was absent".to_owned()) };
    // Reviews of v1beta1 are taken as leniently as upstream takes them.
    let strict = question.version == "v1";
    if strict && response.uid != question.uid {
        return invalid(format!(
            "expected response.uid={}, got {}",
            go_quote(&question.uid),
            go_quote(&response.uid)
        ));
    }
    if strict && (kind != KIND || api_version != format!("{GROUP}/v1")) {
        return invalid(format!(
            "expected webhook response of {GROUP}/v1, Kind={KIND}, got {api_version}, Kind={kind}"
        ));
    }
    let (patch, patch_type) = (response.patch, response.patch_type);
    if strict && mutating {
        match (&patch_type, patch.is_empty()) {
            (None, false) => {
                return invalid("webhook returned response.patch but not response.patchType".to_owned());
            }
            (Some(_), true) => {
                return invalid("webhook returned response.patchType but not response.patch".to_owned());
            }
            (Some(given), false) if given.is_empty() => {
                return invalid("webhook returned invalid response.patchType of \"\"".to_owned());
            }
            _ => {}
        }
    }
    if strict && !mutating {
        if !patch.is_empty() {
            return invalid("validating webhook may not return response.patch".to_owned());
        }
        if patch_type.is_some() {
            return invalid("validating webhook may not return response.patchType".to_owned());
        }
    }
    let patch = if mutating { patch } else { Vec::new() };
    let patch_type = match strict {
        true => patch_type.unwrap_or_default(),
        false if patch.is_empty() => String::new(),
        false => "JSONPatch".to_owned(),
    };
    Ok(Answer {
        allowed: response.allowed,
        status: response.status,
        audit_annotations: response.audit_annotations,
        warnings: response.warnings,
        patch,
        patch_type,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(version: &'static str) -> Question {
        Question { uid: "u1".to_owned(), version, review: Value::Null }
    }

    #[track_caller]
    fn check(version: &'static str, mutating: bool, body: Value, expected: Result<bool, &str>) {
        let got = answer(&question(version), mutating, body.to_string().as_bytes());
        let got = got.map(|answer| answer.allowed).map_err(|error| match error {
            BadAnswer::Undecodable(text) | BadAnswer::Invalid(text) => text,
        });
        assert_eq!(got, expected.map_err(str::to_owned), "{body}");
    }

    fn review(response: Value) -> Value {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
    }

    #[test]
    fn answers_are_checked() {
        check("v1", false, review(json!({"uid": "u1", "allowed": true})), Ok(true));
        check(
            "v1",
            false,
            review(json!({"uid": "u2", "allowed": true})),
            Err("expected response.uid=\"u1\", got \"u2\""),
        );
        check("v1", false, review(Value::Null), Err("webhook response was absent"));
        check(
            "v1",
            true,
            json!({"kind": "AdmissionReview"}),
            Err("Object 'apiVersion' is missing in '{\"kind\":\"AdmissionReview\"}'"),
        );
        let beta = json!({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview",
            "response": {"uid": "u1", "allowed": true}});
        check(
            "v1",
            true,
            beta.clone(),
            Err(
                "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v1beta1, \
             Kind=AdmissionReview",
            ),
        );
        check("v1beta1", true, beta, Ok(true));
        let patch = json!({"uid": "u1", "allowed": true, "patch": "W10="});
        check("v1", false, review(patch.clone()), Err("validating webhook may not return response.patch"));
        check("v1", true, review(patch), Err("webhook returned response.patch but not response.patchType"));
        let typed = json!({"uid": "u1", "allowed": true, "patchType": "JSONPatch"});
        check("v1", true, review(typed), Err("webhook returned response.patchType but not response.patch"));
    }

    #[test]
    fn the_first_known_version_is_spoken() {
        let owned =
            |versions: &[&str]| versions.iter().map(|version| (*version).to_owned()).collect::<Vec<_>>();
        assert_eq!(version(&owned(&["v2", "v1beta1", "v1"])), Ok("v1beta1"));
        assert!(version(&owned(&["v2"])).is_err());
    }
}
