//! Bootstrap tokens `<id>.<secret>`, kept as secrets `bootstrap-token-<id>` in `kube-system`.

use std::sync::Arc;

use api_types::core::v1::Secret;
use async_trait::async_trait;

use super::service_account::ObjectGetter;
use super::{Authenticated, Outcome, TokenAuthenticator};
use crate::UserInfo;

/// Type of a secret that holds a bootstrap token.
pub const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";
/// Prefix of the secret's name, followed by the token's id.
pub const SECRET_PREFIX: &str = "bootstrap-token-";
/// Prefix of the user name, followed by the token's id.
pub const USER_PREFIX: &str = "system:bootstrap:";
/// The group every bootstrap token is in, and the prefix further groups must have.
pub const DEFAULT_GROUP: &str = "system:bootstrappers";
const NAMESPACE: &str = "kube-system";
const ID_LENGTH: usize = 6;
const SECRET_LENGTH: usize = 16;
/// `system:bootstrappers:` and what may follow it.
const GROUP_TAIL_LENGTH: usize = 256;

/// Recognises kubelets that join with a bootstrap token.
pub struct BootstrapTokens {
    /// Where the secrets are.
    pub getter: Arc<dyn ObjectGetter>,
}

#[async_trait]
impl TokenAuthenticator for BootstrapTokens {
    async fn authenticate_token(&self, token: &str, _: &[String], now: jiff::Timestamp) -> Outcome {
        let Some((id, secret)) = parse(token) else { return Ok(None) };
        let name = format!("{SECRET_PREFIX}{id}");
        let Some(object) = self.getter.secret(NAMESPACE, &name).await? else {
            tracing::debug!(secret = name, "no secret matches the bootstrap bearer token");
            return Ok(None);
        };
        match judge(&object, id, secret, now) {
            Ok(groups) => Ok(Some(Authenticated::user(UserInfo::new(format!("{USER_PREFIX}{id}"), groups)))),
            Err(reason) => {
                tracing::info!(
                    secret = name,
                    reason,
                    "bootstrap secret matching the bearer token is refused"
                );
                Ok(None)
            }
        }
    }
}

/// Id and secret of a well-formed token.
pub fn parse(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let fits = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    (fits(id, ID_LENGTH) && fits(secret, SECRET_LENGTH)).then_some((id, secret))
}

/// The groups the secret grants, or why it grants nothing.
fn judge(object: &Secret, id: &str, secret: &str, now: jiff::Timestamp) -> Result<Vec<String>, String> {
    let text = |key: &str| object.data.get(key).map(Vec::as_slice).unwrap_or_default();
    if object.metadata.deletion_timestamp.is_some() {
        return Err("is deleted and awaiting removal".into());
    }
    if object.type_ != SECRET_TYPE || object.data.is_empty() {
        return Err(format!("has invalid type, expected {SECRET_TYPE}"));
    }
    if aws_lc_rs::constant_time::verify_slices_are_equal(text("token-secret"), secret.as_bytes()).is_err() {
        return Err("has invalid value for key token-secret".into());
    }
    if text("token-id") != id.as_bytes() {
        return Err("has invalid value for key token-id".into());
    }
    let expiration = String::from_utf8_lossy(text("expiration")).into_owned();
    if !expiration.is_empty() {
        match expiration.parse::<jiff::Timestamp>() {
            Ok(end) if now < end => {}
            Ok(_) => return Err("has expired".into()),
            Err(error) => return Err(format!("has an unreadable expiration: {error}")),
        }
    }
    if text("usage-bootstrap-authentication") != b"true" {
        return Err("is not marked usage-bootstrap-authentication=true".into());
    }
    groups(&String::from_utf8_lossy(text("auth-extra-groups")))
}

fn groups(extra: &str) -> Result<Vec<String>, String> {
    let mut groups = vec![DEFAULT_GROUP.to_string()];
    for group in extra.split(',').filter(|group| !group.is_empty()) {
        if !is_group(group) {
            return Err(format!(
                "has invalid value for key auth-extra-groups: bootstrap group {group:?} is invalid (must match \\Asystem:bootstrappers:[a-z0-9:-]{{0,255}}[a-z0-9]\\z)"
            ));
        }
        groups.push(group.to_string());
    }
    groups[1..].sort();
    groups.dedup();
    Ok(groups)
}

fn is_group(group: &str) -> bool {
    let Some(tail) = group.strip_prefix(DEFAULT_GROUP).and_then(|tail| tail.strip_prefix(':')) else {
        return false;
    };
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b':' || b == b'-';
    (1..=GROUP_TAIL_LENGTH).contains(&tail.len())
        && tail.bytes().all(allowed)
        && tail.bytes().last().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_parsed() {
        assert_eq!(parse("abcdef.0123456789abcdef"), Some(("abcdef", "0123456789abcdef")));
        for bad in
            ["abcdef0123456789abcdef", "abcde.0123456789abcdef", "Abcdef.0123456789abcdef", "abcdef.0123"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    fn secret(changes: &[(&str, &str)]) -> Secret {
        let mut secret = Secret { type_: SECRET_TYPE.into(), ..Secret::default() };
        let base = [
            ("token-id", "abcdef"),
            ("token-secret", "0123456789abcdef"),
            ("usage-bootstrap-authentication", "true"),
        ];
        for (key, value) in base.iter().chain(changes) {
            secret.data.insert(key.to_string(), value.as_bytes().to_vec());
        }
        secret
    }

    #[track_caller]
    fn check(changes: &[(&str, &str)], expected: Result<&[&str], &str>) {
        let now = "2030-01-01T00:00:00Z".parse().unwrap();
        let got = judge(&secret(changes), "abcdef", "0123456789abcdef", now);
        match (&got, expected) {
            (Ok(groups), Ok(expected)) => assert_eq!(groups, expected),
            (Err(reason), Err(expected)) => assert!(reason.contains(expected), "{reason}"),
            _ => panic!("{got:?}, want {expected:?}"),
        }
    }

    #[test]
    fn secrets_are_judged() {
        check(&[], Ok(&["system:bootstrappers"]));
        let extra = "system:bootstrappers:kubeadm:default-node-token";
        check(&[("auth-extra-groups", extra)], Ok(&["system:bootstrappers", extra]));
        check(
            &[("auth-extra-groups", "system:masters")],
            Err("bootstrap group \"system:masters\" is invalid"),
        );
        check(&[("auth-extra-groups", "system:bootstrappers:a:")], Err("is invalid"));
        check(&[("expiration", "2030-01-01T00:00:01Z")], Ok(&["system:bootstrappers"]));
        check(&[("expiration", "2030-01-01T00:00:00Z")], Err("has expired"));
        check(&[("expiration", "tomorrow")], Err("unreadable expiration"));
        check(&[("token-secret", "x")], Err("token-secret"));
        check(&[("token-id", "x")], Err("token-id"));
        check(&[("usage-bootstrap-authentication", "false")], Err("usage-bootstrap-authentication"));
    }

    #[test]
    fn other_types_and_deleted_secrets_are_refused() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let other = Secret { type_: "Opaque".into(), ..secret(&[]) };
        assert!(judge(&other, "abcdef", "0123456789abcdef", now).is_err());
        let mut deleted = secret(&[]);
        deleted.metadata.deletion_timestamp = Some(machinery::Time { seconds: 1, nanos: 0 });
        assert!(judge(&deleted, "abcdef", "0123456789abcdef", now).is_err());
    }
}
