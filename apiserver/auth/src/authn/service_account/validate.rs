//! Judging bound tokens: signature, issuer, audience, time, and that all they are bound to still lives.

use std::sync::Arc;

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use super::claims::{Claims, Reference};
use super::jwt::Unverified;
use super::keys::PublicKey;
use super::{BoundObject, LEEWAY_SECONDS, ObjectGetter};
use crate::UserInfo;
use crate::authn::certificate::CREDENTIAL_ID_KEY;
use crate::authn::{Authenticated, AuthnError, Outcome, TokenAuthenticator};
use crate::user::{service_account_groups, service_account_username};

/// Key in [`UserInfo::extra`]: the pod a token is bound to.
pub const POD_NAME_KEY: &str = "authentication.kubernetes.io/pod-name";
/// Key in [`UserInfo::extra`]: the uid of that pod.
pub const POD_UID_KEY: &str = "authentication.kubernetes.io/pod-uid";
/// Key in [`UserInfo::extra`]: the node of that pod, or the node the token is bound to.
pub const NODE_NAME_KEY: &str = "authentication.kubernetes.io/node-name";
/// Key in [`UserInfo::extra`]: the uid of that node.
pub const NODE_UID_KEY: &str = "authentication.kubernetes.io/node-uid";

/// Finds the key that made a token's signature.
pub(super) struct Verifier {
    pub issuers: Vec<String>,
    pub keys: Arc<Vec<PublicKey>>,
}

impl Verifier {
    /// `Ok(None)` when another authenticator must judge the token; claims only after verification.
    pub fn claims<C: DeserializeOwned>(&self, token: &str) -> Result<Option<C>, AuthnError> {
        let Some(unverified) = Unverified::parse(token) else { return Ok(None) };
        if !self.issuers.iter().any(|issuer| issuer == unverified.claimed_issuer()) {
            return Ok(None);
        }
        let mut candidates = self
            .keys
            .iter()
            .filter(|key| unverified.key_id.is_empty() || key.key_id == unverified.key_id)
            .peekable();
        if candidates.peek().is_none() {
            return Err(refused("invalid signature, no keys found"));
        }
        let claims = candidates
            .find_map(|key| unverified.verified_by(key))
            .ok_or_else(|| refused("invalid signature"))?;
        let claims = serde_json::from_value(serde_json::Value::Object(claims.clone()))
            .map_err(|error| refused(format!("claims cannot be read: {error}")))?;
        Ok(Some(claims))
    }
}

pub(super) fn refused(text: impl Into<String>) -> AuthnError {
    AuthnError::Token(text.into())
}

/// The audiences a token serves, or an error when the asker is none of them.
pub(super) fn audiences_in_common(
    token: &[String],
    requested: &[String],
    own: &[String],
) -> Result<Vec<String>, AuthnError> {
    let token = if token.is_empty() { own } else { token };
    let requested = if requested.is_empty() { own } else { requested };
    let common: Vec<String> = token.iter().filter(|audience| requested.contains(audience)).cloned().collect();
    if common.is_empty() && !own.is_empty() {
        return Err(refused(format!(
            "token audiences {token:?} is invalid for the target audiences {requested:?}"
        )));
    }
    Ok(common)
}

/// Recognises bound tokens that this or another API server of the cluster has issued.
pub struct BoundTokens {
    verifier: Verifier,
    own_audiences: Vec<String>,
    getter: Arc<dyn ObjectGetter>,
}

impl BoundTokens {
    /// Accepts tokens of `issuers` signed by one of `keys`; a token that names no audience is for
    /// `own_audiences`.
    pub fn new(
        issuers: Vec<String>,
        keys: Arc<Vec<PublicKey>>,
        own_audiences: Vec<String>,
        getter: Arc<dyn ObjectGetter>,
    ) -> Self {
        BoundTokens { verifier: Verifier { issuers, keys }, own_audiences, getter }
    }

    async fn check_binding(
        &self,
        claims: &Claims,
        now: jiff::Timestamp,
    ) -> Result<(UserInfo, Vec<(String, String)>), AuthnError> {
        let seconds = now.as_second();
        check_times(claims, seconds)?;
        let bound = claims.kubernetes.clone().unwrap_or_default();
        let (namespace, account) = (bound.namespace.as_str(), &bound.serviceaccount);
        let found = self.getter.service_account(namespace, &account.name).await?;
        let found = found.ok_or_else(|| refused(format!("serviceaccounts {:?} not found", account.name)))?;
        if found.metadata.uid != account.uid {
            return Err(refused(format!(
                "service account UID ({}) does not match claim ({})",
                found.metadata.uid, account.uid
            )));
        }
        let deleted = found.metadata.deletion_timestamp.and_then(|time| time.to_timestamp());
        if is_gone(deleted, seconds) {
            return Err(refused(format!("service account {namespace}/{} has been deleted", account.name)));
        }

        let mut extra = std::collections::BTreeMap::new();
        if !claims.jti.is_empty() {
            extra.insert(CREDENTIAL_ID_KEY.to_string(), vec![format!("JTI={}", claims.jti)]);
        }
        let mut add = |name_key: &str, uid_key: &str, object: &Reference| {
            extra.insert(name_key.to_string(), vec![object.name.clone()]);
            extra.insert(uid_key.to_string(), vec![object.uid.clone()]);
        };
        if let Some(secret) = &bound.secret {
            let found = self.getter.secret(namespace, &secret.name).await?.map(|s| BoundObject {
                name: s.metadata.name,
                uid: s.metadata.uid,
                deletion_timestamp: s.metadata.deletion_timestamp.and_then(|time| time.to_timestamp()),
            });
            check_bound("secret", "secret ref", found, secret, seconds)?;
        }
        if let Some(pod) = &bound.pod {
            let found = self.getter.pod(namespace, &pod.name).await?;
            check_bound("pod", "pod ref", found, pod, seconds)?;
            add(POD_NAME_KEY, POD_UID_KEY, pod);
        }
        if let Some(node) = &bound.node {
            // Beside a pod the node is only information: the pod's life decides.
            if bound.pod.is_none() {
                let found = self.getter.node(&node.name).await?;
                check_bound("node", "node ref", found, node, seconds)?;
            }
            add(NODE_NAME_KEY, NODE_UID_KEY, node);
        }

        let mut annotations = Vec::new();
        if let Some(warn_after) = bound.warnafter
            && warn_after.0 != 0
            && seconds > warn_after.0
        {
            let text = format!(
                "subject: {}, seconds after warning threshold: {}",
                claims.sub,
                seconds - warn_after.0
            );
            annotations.push(("authentication.k8s.io/stale-token".to_string(), text));
        }
        let user = UserInfo {
            username: service_account_username(namespace, &account.name),
            uid: account.uid.clone(),
            groups: service_account_groups(namespace),
            extra,
        };
        Ok((user, annotations))
    }
}

#[async_trait]
impl TokenAuthenticator for BoundTokens {
    async fn authenticate_token(&self, token: &str, audiences: &[String], now: jiff::Timestamp) -> Outcome {
        let Some(claims) = self.verifier.claims::<Claims>(token)? else { return Ok(None) };
        let common = audiences_in_common(&claims.aud, audiences, &self.own_audiences)?;
        let (user, audit_annotations) = self.check_binding(&claims, now).await?;
        Ok(Some(Authenticated { user, audiences: common, warnings: Vec::new(), audit_annotations }))
    }
}

fn check_times(claims: &Claims, now: i64) -> Result<(), AuthnError> {
    if claims.nbf.is_some_and(|begin| now + LEEWAY_SECONDS < begin.0) {
        return Err(refused("service account token is not valid yet"));
    }
    if claims.exp.is_some_and(|end| now - LEEWAY_SECONDS > end.0) {
        return Err(refused("service account token has expired"));
    }
    if claims.iat.is_some_and(|issued| now + LEEWAY_SECONDS < issued.0) {
        return Err(refused("service account token is issued in the future"));
    }
    Ok(())
}

fn is_gone(deleted: Option<jiff::Timestamp>, now: i64) -> bool {
    deleted.is_some_and(|at| at.as_second() < now - LEEWAY_SECONDS)
}

fn check_bound(
    kind: &str,
    claim: &str,
    found: Option<BoundObject>,
    claimed: &Reference,
    now: i64,
) -> Result<(), AuthnError> {
    let invalidated = || refused("service account token has been invalidated");
    let found = found.ok_or_else(invalidated)?;
    if found.uid != claimed.uid {
        return Err(refused(format!(
            "{kind} UID ({}) does not match service account {claim} claim ({})",
            found.uid, claimed.uid
        )));
    }
    if is_gone(found.deletion_timestamp, now) { Err(invalidated()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
