//! Station: may they.

use apiserver_auth::UserInfo;
use apiserver_auth::authz::{Attributes, Authorizer, Decision, FieldRequirement};
use machinery::selectors::fields;
use machinery::status::StatusError;

use super::context::Notes;
use super::request_info::RequestInfo;
use super::respond;

const DECISION_KEY: &str = "authorization.k8s.io/decision";
const REASON_KEY: &str = "authorization.k8s.io/reason";

/// The conditions of a field selector; none when it cannot be parsed, which grants nothing more.
pub fn field_requirements(selector: &str) -> Vec<FieldRequirement> {
    if selector.is_empty() {
        return Vec::new();
    }
    let Ok(parsed) = fields::Selector::parse(selector) else { return Vec::new() };
    parsed
        .requirements()
        .iter()
        .map(|requirement| FieldRequirement {
            field: requirement.field.clone(),
            equals: requirement.equal,
            value: requirement.value.clone(),
        })
        .collect()
}

/// What `user` wants, in the words of authorizers.
pub fn attributes<'a>(
    info: &'a RequestInfo,
    user: &'a UserInfo,
    field_requirements: &'a [FieldRequirement],
) -> Attributes<'a> {
    Attributes {
        user,
        verb: &info.verb,
        namespace: &info.namespace,
        api_group: &info.api_group,
        api_version: &info.api_version,
        resource: &info.resource,
        subresource: &info.subresource,
        name: &info.name,
        resource_request: info.is_resource_request,
        path: &info.path,
        field_requirements,
    }
}

/// Lets the request through or says why not.
pub async fn check(
    authorizer: &dyn Authorizer,
    info: &RequestInfo,
    user: &UserInfo,
    notes: &Notes,
) -> Result<(), StatusError> {
    let requirements = field_requirements(&info.field_selector);
    let attributes = attributes(info, user, &requirements);
    let Decision { reason, .. } = match authorizer.authorize(&attributes).await {
        allowed if allowed.is_allowed() => {
            notes.annotate(DECISION_KEY, "allow");
            notes.annotate(REASON_KEY, allowed.reason);
            return Ok(());
        }
        refused => refused,
    };
    notes.annotate(DECISION_KEY, "forbid");
    notes.annotate(REASON_KEY, reason.clone());
    tracing::debug!(user = user.username, verb = info.verb, path = info.path, reason, "forbidden");
    Err(respond::forbidden(&attributes, &reason))
}
