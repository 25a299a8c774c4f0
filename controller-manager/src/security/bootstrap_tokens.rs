//! What the Secrets of bootstrap tokens say (`cluster-bootstrap/util/secrets`).

use api_types::core::v1::Secret;
use jiff::Timestamp;

/// Type of the Secrets.
pub(super) const TYPE: &str = "bootstrap.kubernetes.io/token";
/// Namespace of the Secrets.
pub(super) const NAMESPACE: &str = "kube-system";
const PREFIX: &str = "bootstrap-token-";

/// Text of a key; empty when it is missing.
fn value<'a>(secret: &'a Secret, key: &str) -> &'a str {
    secret.data.get(key).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// When a token ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiration {
    /// Never.
    Never,
    /// Then.
    At(Timestamp),
    /// The time cannot be read, which counts as ended.
    Unreadable,
}

/// When the token of a Secret ends.
pub(super) fn expiration(secret: &Secret) -> Expiration {
    match value(secret, "expiration") {
        "" => Expiration::Never,
        text => text.parse().map_or(Expiration::Unreadable, Expiration::At),
    }
}

/// Id and secret of a token that may sign, `None` when the Secret is malformed, has ended or may not.
pub(super) fn signing_token(secret: &Secret, now: Timestamp) -> Option<(&str, &str)> {
    let named = secret.metadata.name.strip_prefix(PREFIX)?;
    let (id, text) = (value(secret, "token-id"), value(secret, "token-secret"));
    let valid = match expiration(secret) {
        Expiration::Never => true,
        Expiration::At(end) => now < end,
        Expiration::Unreadable => false,
    };
    let may_sign = value(secret, "usage-bootstrap-signing") == "true";
    (id == named && !id.is_empty() && !text.is_empty() && valid && may_sign).then_some((id, text))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A Secret for a token.
    pub(in super::super) fn secret(id: &str, pairs: &[(&str, &str)]) -> Secret {
        let mut secret = Secret { type_: TYPE.into(), ..Secret::default() };
        (secret.metadata.namespace, secret.metadata.name) = (NAMESPACE.into(), format!("{PREFIX}{id}"));
        let own =
            [("token-id", id), ("token-secret", "0123456789abcdef"), ("usage-bootstrap-signing", "true")];
        secret.data = own
            .iter()
            .chain(pairs)
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
            .collect();
        secret
    }

    #[test]
    fn only_good_tokens_sign() {
        let now = "2030-01-01T00:00:00Z".parse().expect("time");
        let check = |pairs: &[(&str, &str)], expected: bool| {
            assert_eq!(signing_token(&secret("abcdef", pairs), now).is_some(), expected, "{pairs:?}");
        };
        check(&[], true);
        check(&[("expiration", "2030-01-01T00:00:01Z")], true);
        check(&[("expiration", "2030-01-01T00:00:00Z")], false);
        check(&[("expiration", "tomorrow")], false);
        check(&[("token-id", "other1")], false);
        check(&[("token-secret", "")], false);
        check(&[("usage-bootstrap-signing", "yes")], false);
    }
}
