//! Authorization: may this user do this?
//!
//! Authorizers are asked in the order of `--authorization-mode` ([`union::Union`]); the first that
//! has an opinion decides, and no opinion at all is a refusal.

pub mod always;
pub mod node;
pub mod rbac;
pub mod union;

use api_types::rbac::v1::PolicyRule;
use async_trait::async_trait;

use crate::UserInfo;

/// A single condition of a field selector, as authorizers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRequirement {
    /// Path of the field, such as `spec.nodeName`.
    pub field: String,
    /// `true` for `=` and `==`, `false` for `!=`.
    pub equals: bool,
    /// The value compared with.
    pub value: String,
}

/// What a user wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// Who.
    pub user: &'a UserInfo,
    /// `get`, `list`, `create` …; for non-resource requests the lower-case HTTP method.
    pub verb: &'a str,
    /// Namespace, empty for cluster-wide requests.
    pub namespace: &'a str,
    /// API group, empty for the core group.
    pub api_group: &'a str,
    /// API version.
    pub api_version: &'a str,
    /// Plural name of the resource.
    pub resource: &'a str,
    /// Subresource, often empty.
    pub subresource: &'a str,
    /// Name of the object, empty when the request names none.
    pub name: &'a str,
    /// Whether the request is about an API object.
    pub resource_request: bool,
    /// URL path, meaningful for non-resource requests.
    pub path: &'a str,
    /// Conditions of the field selector; empty when there is none or it cannot be parsed.
    pub field_requirements: &'a [FieldRequirement],
}

impl<'a> Attributes<'a> {
    /// A request for a resource; the fields not named here start empty.
    pub fn resource(user: &'a UserInfo, verb: &'a str, api_group: &'a str, resource: &'a str) -> Self {
        Attributes {
            user,
            verb,
            namespace: "",
            api_group,
            api_version: "*",
            resource,
            subresource: "",
            name: "",
            resource_request: true,
            path: "",
            field_requirements: &[],
        }
    }

    /// A request for a path outside the API.
    pub fn path(user: &'a UserInfo, verb: &'a str, path: &'a str) -> Self {
        Attributes {
            resource_request: false,
            api_version: "",
            path,
            ..Attributes::resource(user, verb, "", "")
        }
    }

    /// Whether changing things is out of the question.
    pub fn is_read_only(&self) -> bool {
        matches!(self.verb, "get" | "list" | "watch")
    }
}

/// What an authorizer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request is refused, whatever the next authorizers would say.
    Deny,
    /// The request is allowed.
    Allow,
    /// Others shall decide.
    NoOpinion,
}

/// An answer and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub verdict: Verdict,
    /// Text for the audit log and, when refused, for the user; may be empty.
    pub reason: String,
}

impl Decision {
    /// "Allowed", because of `reason`.
    pub fn allow(reason: impl Into<String>) -> Self {
        Decision { verdict: Verdict::Allow, reason: reason.into() }
    }

    /// "Refused", because of `reason`.
    pub fn deny(reason: impl Into<String>) -> Self {
        Decision { verdict: Verdict::Deny, reason: reason.into() }
    }

    /// "Ask others", because of `reason`.
    pub fn no_opinion(reason: impl Into<String>) -> Self {
        Decision { verdict: Verdict::NoOpinion, reason: reason.into() }
    }

    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allow
    }
}

/// What a user may do in one namespace, for SelfSubjectRulesReview.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResolvedRules {
    /// Rules on resources and on paths, in the order found.
    pub rules: Vec<PolicyRule>,
    /// Whether some authorizer cannot list its rules, or some role is missing.
    pub incomplete: bool,
    /// What went wrong on the way.
    pub errors: Vec<String>,
}

/// Decides about requests.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// Decides about one request.
    async fn authorize(&self, attributes: &Attributes<'_>) -> Decision;

    /// Lists what `user` may do in `namespace`.
    async fn rules_for(&self, user: &UserInfo, namespace: &str) -> ResolvedRules;
}
