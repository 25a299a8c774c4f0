//! Bootstrap tokens as the Secrets that keep them.

use std::collections::BTreeMap;

use api_types::core::v1::Secret;
use client::ListParams;
use jiff::{SignedDuration, Timestamp};

use super::{ClusterError, access::ClusterAccess, rbac::metadata};
use crate::{
    config::{
        tokens::{Token, TokenError, secret_name},
        v1beta4::BootstrapToken,
    },
    constants::KUBE_SYSTEM,
};

/// The type of a Secret that holds a bootstrap token.
pub const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";
const USAGE_PREFIX: &str = "usage-bootstrap-";

/// The Secret of a token whose life starts now.
pub fn to_secret(token: &BootstrapToken, now: Timestamp) -> Result<Secret, TokenError> {
    let parsed: Token = token.token.parse()?;
    let mut data: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut put = |key: &str, value: &str| data.insert(key.to_owned(), value.as_bytes().to_vec());
    put("token-id", &parsed.id);
    put("token-secret", &parsed.secret);
    if !token.description.is_empty() {
        put("description", &token.description);
    }
    if let Some(expiration) = expiration(token, now) {
        put("expiration", &expiration.to_string());
    }
    for usage in &token.usages {
        put(&format!("{USAGE_PREFIX}{usage}"), "true");
    }
    if !token.groups.is_empty() {
        put("auth-extra-groups", &token.groups.join(","));
    }
    Ok(Secret {
        metadata: metadata(KUBE_SYSTEM, &secret_name(&parsed.id)),
        type_: SECRET_TYPE.to_owned(),
        data,
        ..Secret::default()
    })
}

fn expiration(token: &BootstrapToken, now: Timestamp) -> Option<Timestamp> {
    let moment = match (&token.expires, token.ttl) {
        (Some(expires), _) => expires.parse::<Timestamp>().ok()?,
        (None, Some(ttl)) if !ttl.is_zero() && !ttl.is_negative() => {
            now.checked_add(SignedDuration::try_from(ttl.to_std()).ok()?).ok()?
        }
        _ => return None,
    };
    // Whole seconds, as the readers of the Secret expect.
    Timestamp::from_second(moment.as_second()).ok()
}

/// A token as `kubeadm token list` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedToken {
    pub token: String,
    pub expires: Option<Timestamp>,
    pub usages: Vec<String>,
    pub description: String,
    pub groups: Vec<String>,
}

/// Reads a token back; none for a Secret that holds no whole token.
pub fn from_secret(secret: &Secret) -> Option<ListedToken> {
    let text = |key: &str| secret.data.get(key).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let token = format!("{}.{}", text("token-id")?, text("token-secret")?);
    token.parse::<Token>().ok()?;
    let usages = secret
        .data
        .iter()
        .filter(|(_, value)| value.as_slice() == b"true")
        .filter_map(|(key, _)| key.strip_prefix(USAGE_PREFIX).map(str::to_owned))
        .collect();
    let groups = text("auth-extra-groups").unwrap_or_default();
    Some(ListedToken {
        token,
        expires: text("expiration").and_then(|text| text.parse().ok()),
        usages,
        description: text("description").unwrap_or_default(),
        groups: groups.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect(),
    })
}

/// Stores a token; refuses one whose id is taken when `fail_if_exists`.
pub async fn store(
    cluster: &ClusterAccess,
    secret: &Secret,
    fail_if_exists: bool,
) -> Result<(), ClusterError> {
    if fail_if_exists {
        let existing: Option<Secret> = cluster.get(KUBE_SYSTEM, &secret.metadata.name).await?;
        if existing.is_some() {
            let id = secret.metadata.name.trim_start_matches("bootstrap-token-").to_owned();
            return Err(ClusterError::TokenExists { id });
        }
    }
    cluster.create_or_update(secret).await
}

/// All tokens of the cluster.
pub async fn list(cluster: &ClusterAccess) -> Result<Vec<ListedToken>, ClusterError> {
    let Some(client) = cluster.client() else { return Ok(Vec::new()) };
    let params = ListParams::default().fields(format!("type={SECRET_TYPE}"));
    let secrets = client.namespaced::<Secret>(KUBE_SYSTEM).list_all(&params).await.map_err(|source| {
        ClusterError::Call {
            action: "list",
            kind: "Secret",
            name: "bootstrap-token-*".to_owned(),
            source: Box::new(source),
        }
    })?;
    Ok(secrets.items.iter().filter_map(from_secret).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{defaults, duration::GoDuration};

    fn now() -> Timestamp {
        "2026-01-01T00:00:00.5Z".parse().expect("a time")
    }

    fn token() -> BootstrapToken {
        let mut token = BootstrapToken {
            token: "abcdef.0123456789abcdef".to_owned(),
            description: "first".to_owned(),
            ..Default::default()
        };
        defaults::bootstrap_token(&mut token);
        token
    }

    #[test]
    fn a_token_reads_back_from_its_secret() {
        let secret = to_secret(&token(), now()).expect("a valid token");
        assert_eq!(secret.metadata.name, "bootstrap-token-abcdef");
        let listed = from_secret(&secret).expect("a whole token");
        assert_eq!(listed.token, "abcdef.0123456789abcdef");
        assert_eq!(listed.expires.map(|time| time.to_string()).as_deref(), Some("2026-01-02T00:00:00Z"));
        assert_eq!(listed.usages, ["authentication", "signing"]);
        assert_eq!(listed.groups, [crate::constants::BOOTSTRAPPERS_GROUP]);
    }

    #[test]
    fn a_life_of_zero_never_ends() {
        let eternal = BootstrapToken { ttl: Some(GoDuration::default()), ..token() };
        assert!(!to_secret(&eternal, now()).expect("valid").data.contains_key("expiration"));
    }

    #[test]
    fn other_secrets_are_no_tokens() {
        assert_eq!(from_secret(&Secret::default()), None);
        assert!(to_secret(&BootstrapToken::default(), now()).is_err());
    }
}
