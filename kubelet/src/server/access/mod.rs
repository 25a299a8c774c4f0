//! Who asks, and whether they may: the authentication and authorization of the server's requests.

mod attributes;
mod authentication;
mod authorization;
mod remembered;

use std::sync::Arc;

use async_trait::async_trait;
use http::StatusCode;
use rustls_pki_types::CertificateDer;

use super::reply::{self, Reply};

pub use attributes::{NodeAttributes, attributes};
pub use authentication::{Anonymous, ClientCertificate, TokenWebhook};
pub use authorization::{AccessReviews, AlwaysAllow};

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct User {
    /// Name.
    pub name: String,
    /// Id, when the source of the identity has one.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// More about the user, sorted by key.
    pub extra: Vec<(String, Vec<String>)>,
}

/// What a request shows of its sender.
#[derive(Debug)]
pub struct Presented<'a> {
    /// Certificates of the connection, leaf first; the key's possession is proven, trust is not.
    pub certificates: &'a [CertificateDer<'static>],
    /// The token of an `Authorization: Bearer` header.
    pub token: Option<&'a str>,
}

/// Knows users by what they present.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The user; `None` when nothing this authenticator understands is presented.
    ///
    /// # Errors
    /// Something was presented and is wrong, or could not be checked.
    async fn authenticate(&self, presented: &Presented<'_>) -> Result<Option<User>, String>;
}

/// Decides what users may.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// Whether the user may.
    ///
    /// # Errors
    /// It could not be found out.
    async fn authorize(&self, user: &User, attributes: &NodeAttributes) -> Result<bool, String>;
}

/// The door of the server.
#[derive(Clone)]
pub struct Access {
    authenticators: Vec<Arc<dyn Authenticator>>,
    authorizer: Arc<dyn Authorizer>,
    node_name: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Access").field("authenticators", &self.authenticators.len()).finish_non_exhaustive()
    }
}

impl Access {
    /// Asks the authenticators in order, then the authorizer about `node_name`.
    pub fn new(
        authenticators: Vec<Arc<dyn Authenticator>>,
        authorizer: Arc<dyn Authorizer>,
        node_name: String,
    ) -> Access {
        Access { authenticators, authorizer, node_name }
    }

    /// Lets a request in, or answers why not.
    pub async fn check(
        &self,
        head: &http::request::Parts,
        certificates: &[CertificateDer<'static>],
    ) -> Result<(), Reply> {
        let token =
            head.headers.get(http::header::AUTHORIZATION).and_then(|value| bearer(value.to_str().ok()?));
        let Some(user) = self.user(&Presented { certificates, token }).await else {
            return Err(reply::text(StatusCode::UNAUTHORIZED, "Unauthorized"));
        };
        let all = attributes(&head.method, head.uri.path(), &self.node_name);
        for one in &all {
            match self.authorizer.authorize(&user, one).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(user = user.name, error, "authorization failed");
                    let message = format!(
                        "Authorization error (user={}, verb={}, resource=nodes, subresource={})",
                        user.name, one.verb, one.subresource
                    );
                    return Err(reply::text(StatusCode::INTERNAL_SERVER_ERROR, message));
                }
            }
        }
        let subresources: Vec<&str> = all.iter().map(|one| one.subresource).collect();
        let verb = all.first().map(|one| one.verb).unwrap_or_default();
        let message = format!(
            "Forbidden (user={}, verb={verb}, resource=nodes, subresource(s)=[{}])\n",
            user.name,
            subresources.join(" ")
        );
        Err(reply::text(StatusCode::FORBIDDEN, message))
    }

    async fn user(&self, presented: &Presented<'_>) -> Option<User> {
        for authenticator in &self.authenticators {
            match authenticator.authenticate(presented).await {
                Ok(Some(user)) => return Some(user),
                Ok(None) => {}
                // Another authenticator may still know the user.
                Err(error) => tracing::warn!(error, "request could not be authenticated"),
            }
        }
        None
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests;
