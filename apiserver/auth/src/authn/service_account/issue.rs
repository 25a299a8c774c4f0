//! Making bound tokens, for TokenRequest and for the system's own use.

use serde_json::Value;

use super::claims::{Claims, Kubernetes, NumericDate, Reference};
use super::jwt;
use super::keys::{KeyError, SigningKey};
use crate::user::service_account_username;

/// The expiration, in seconds, that marks a token which is to outlive its request: mounted by an old
/// client that reads it only once.
pub const WARN_ONLY_EXPIRATION_SECONDS: i64 = 60 * 60 + 7;
/// How long such a token really lives, in seconds.
pub const EXTENDED_EXPIRATION_SECONDS: i64 = 365 * 24 * 60 * 60;

/// What a token is bound to besides its service account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// Nothing else.
    #[default]
    None,
    /// A pod, and the node it runs on when that is known.
    Pod(Reference, Option<Reference>),
    /// A secret.
    Secret(Reference),
    /// A node.
    Node(Reference),
}

/// The facts a token is made of.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Namespace of the service account.
    pub namespace: String,
    /// The service account.
    pub service_account: Reference,
    /// The bound object.
    pub binding: Binding,
    /// For whom.
    pub audiences: Vec<String>,
    /// Lifetime in seconds.
    pub expiration_seconds: i64,
    /// After how many seconds use is noted.
    pub warn_after_seconds: Option<i64>,
    /// The token's id, a random UUID.
    pub token_id: String,
}

/// Signs tokens under one issuer name.
pub struct Issuer {
    /// The name, usually the URL of the OpenID discovery document.
    pub name: String,
    key: SigningKey,
}

impl Issuer {
    /// An issuer named `name`.
    pub fn new(name: impl Into<String>, key: SigningKey) -> Self {
        Issuer { name: name.into(), key }
    }

    /// The claims of a token made at `now`.
    pub fn claims(&self, request: &Request, now: jiff::Timestamp) -> Claims {
        let now = now.as_second();
        let after = |seconds: i64| Some(NumericDate(now.saturating_add(seconds)));
        let (pod, secret, node) = match request.binding.clone() {
            Binding::None => (None, None, None),
            Binding::Pod(pod, node) => (Some(pod), None, node),
            Binding::Secret(secret) => (None, Some(secret), None),
            Binding::Node(node) => (None, None, Some(node)),
        };
        Claims {
            aud: request.audiences.clone(),
            exp: after(request.expiration_seconds),
            iat: after(0),
            iss: self.name.clone(),
            jti: request.token_id.clone(),
            kubernetes: Some(Kubernetes {
                namespace: request.namespace.clone(),
                node,
                pod,
                secret,
                serviceaccount: request.service_account.clone(),
                warnafter: request.warn_after_seconds.and_then(after),
            }),
            nbf: after(0),
            sub: service_account_username(&request.namespace, &request.service_account.name),
        }
    }

    /// Makes a token.
    pub fn issue(&self, request: &Request, now: jiff::Timestamp) -> Result<String, KeyError> {
        let claims = serde_json::to_value(self.claims(request, now)).unwrap_or(Value::Null);
        jwt::sign(&self.key, &claims)
    }
}
