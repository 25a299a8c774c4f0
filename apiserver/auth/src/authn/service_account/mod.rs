//! Service-account tokens: keys, issuing and both kinds of validation.
//!
//! `keys` (PEM ↔ signing and verifying) → `jwt` (compact form) → `claims` (what upstream writes) →
//! `issue` and `validate` (bound tokens) and `legacy` (tokens in secrets).

pub mod claims;
pub mod issue;
pub mod jwt;
pub mod keys;
pub mod legacy;
pub mod validate;

use api_types::core::v1::{Secret, ServiceAccount};
use async_trait::async_trait;

use super::AuthnError;

/// The life facts of an object a token is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoundObject {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.deletionTimestamp`.
    pub deletion_timestamp: Option<jiff::Timestamp>,
}

/// Reads the objects that tokens refer to.
///
/// Guarantees expected: an object that exists is found even when a cache has not seen it yet, so an
/// implementation on a cache reads through on a miss.
#[async_trait]
pub trait ObjectGetter: Send + Sync {
    /// The service account, if it exists.
    async fn service_account(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ServiceAccount>, AuthnError>;
    /// The secret, if it exists.
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, AuthnError>;
    /// The pod, if it exists.
    async fn pod(&self, namespace: &str, name: &str) -> Result<Option<BoundObject>, AuthnError>;
    /// The node, if it exists.
    async fn node(&self, name: &str) -> Result<Option<BoundObject>, AuthnError>;
    /// Labels a token secret with the day (`YYYY-MM-DD`) of its last use.
    async fn record_last_use(&self, namespace: &str, secret: &str, uid: &str, day: &str);
}

/// The time objects and tokens are given after their end, for clocks that differ.
pub const LEEWAY_SECONDS: i64 = 60;
