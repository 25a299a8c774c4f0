//! Authentication: from what a connection and a request offer to a [`UserInfo`].
//!
//! Authenticators are asked in the order front proxy, client certificate, bearer token, anonymous
//! ([`union::Union`]). Each says "not mine" (`Ok(None)`), "this is who" or "mine, and refused".

pub mod anonymous;
pub mod bearer;
pub mod bootstrap_token;
pub mod cache;
pub mod certificate;
pub mod request_header;
pub mod service_account;
pub mod token_file;
pub mod union;

use async_trait::async_trait;
use rustls_pki_types::CertificateDer;

use crate::UserInfo;

/// What a request offers as proof of identity.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The chain the peer presented and proved possession of, leaf first; empty without client TLS.
    pub peer_certificates: &'a [CertificateDer<'static>],
    /// Headers of the request.
    pub headers: &'a http::HeaderMap,
    /// Path of the request, which anonymous access may be restricted to.
    pub path: &'a str,
    /// The moment against which validity is judged.
    pub now: jiff::Timestamp,
}

/// A successful answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Authenticated {
    /// Who it is.
    pub user: UserInfo,
    /// Audiences for which the credential is valid; empty when the credential has none.
    pub audiences: Vec<String>,
    /// Texts to be sent back in `Warning` headers.
    pub warnings: Vec<String>,
    /// Annotations for the audit event.
    pub audit_annotations: Vec<(String, String)>,
}

impl Authenticated {
    /// An answer that is only a user.
    pub fn user(user: UserInfo) -> Self {
        Authenticated { user, ..Authenticated::default() }
    }
}

/// Why a credential was refused. The text goes to the log, never to the client.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum AuthnError {
    /// The certificate chain does not verify.
    #[error("verifying certificate {subject} failed: {reason}")]
    Certificate {
        /// Subject and serial number of the leaf.
        subject: String,
        /// What the verifier said.
        reason: String,
    },
    /// A front proxy presented a certificate whose name is not on the list.
    #[error("x509: subject with cn={common_name} is not in the allowed list")]
    ProxyNotAllowed {
        /// Common name of the certificate.
        common_name: String,
    },
    /// The bearer token is well formed, ours to judge, and bad.
    #[error("{0}")]
    Token(String),
    /// Nobody recognised the bearer token.
    #[error("invalid bearer token")]
    InvalidBearerToken,
    /// A store that the decision depends on did not answer.
    #[error("reading {object}: {reason}")]
    Lookup {
        /// The object that was asked for.
        object: String,
        /// What the store said.
        reason: String,
    },
    /// Several authenticators refused.
    #[error("[{}]", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Several(Vec<AuthnError>),
}

/// The outcome of asking one authenticator: `Ok(None)` means "no opinion".
pub type Outcome = Result<Option<Authenticated>, AuthnError>;

/// Judges requests.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// Identifies the sender of a request.
    async fn authenticate(&self, credentials: &Credentials<'_>) -> Outcome;
}

/// Judges bearer tokens.
#[async_trait]
pub trait TokenAuthenticator: Send + Sync {
    /// Identifies the bearer of `token`. `audiences` are those the asker accepts; empty stands for
    /// the API server's own.
    async fn authenticate_token(&self, token: &str, audiences: &[String], now: jiff::Timestamp) -> Outcome;
}
