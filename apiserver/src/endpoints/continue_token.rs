//! The opaque `continue` of paged lists, in upstream's form: base64url of
//! `{"v":"meta.k8s.io/v1","rv":123,"start":"namespace/name\u0000"}`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContinueToken {
    /// The state to read; `None` to go on in the present one, after the old one was compacted.
    pub revision: Option<u64>,
    /// First key of the page, relative to the list's prefix.
    pub start: String,
}

/// Why a token was refused; upstream's texts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not base64 or not JSON, or a key that leaves its prefix.
    #[error("continue key is not valid: {0}")]
    Invalid(String),
    /// Made by another version of the server.
    #[error("continue key is not valid: server does not recognize this encoded version {0}")]
    Version(String),
    /// The state is missing.
    #[error("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)")]
    Revision,
    /// The key is missing.
    #[error("continue key is not valid: encoded start key empty (version meta.k8s.io/v1)")]
    Start,
}

#[derive(Deserialize, Serialize)]
struct Encoded {
    #[serde(default)]
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
}

const VERSION: &str = "meta.k8s.io/v1";

impl ContinueToken {
    /// The text for clients.
    pub fn encode(&self) -> String {
        let rv = self.revision.map_or(-1, |revision| i64::try_from(revision).unwrap_or(i64::MAX));
        let encoded = Encoded { v: VERSION.to_owned(), rv, start: self.start.clone() };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&encoded).unwrap_or_default())
    }

    /// Reads the text of a client.
    pub fn decode(text: &str) -> Result<ContinueToken, TokenError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|error| TokenError::Invalid(error.to_string()))?;
        let encoded: Encoded =
            serde_json::from_slice(&bytes).map_err(|error| TokenError::Invalid(error.to_string()))?;
        if encoded.v != VERSION {
            return Err(TokenError::Version(encoded.v));
        }
        if encoded.rv == 0 {
            return Err(TokenError::Revision);
        }
        if encoded.start.is_empty() {
            return Err(TokenError::Start);
        }
        let relative = encoded.start.strip_prefix('/').unwrap_or(&encoded.start);
        // A key that climbs out of its prefix would read other resources.
        if relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(TokenError::Invalid(encoded.start));
        }
        let start = relative.to_owned();
        Ok(ContinueToken { revision: u64::try_from(encoded.rv).ok(), start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_upstream() {
        let token = ContinueToken { revision: Some(42), start: "default/web\0".to_owned() };
        let text = URL_SAFE_NO_PAD.encode(r#"{"v":"meta.k8s.io/v1","rv":42,"start":"default/web\u0000"}"#);
        assert_eq!(token.encode(), text);
        assert_eq!(ContinueToken::decode(&text), Ok(token));
        let inconsistent = ContinueToken { revision: None, start: "web\0".to_owned() };
        assert_eq!(ContinueToken::decode(&inconsistent.encode()), Ok(inconsistent));
    }

    #[test]
    fn bad_tokens_are_refused() {
        let check = |json: &str, expected: &str| {
            let error = ContinueToken::decode(&URL_SAFE_NO_PAD.encode(json)).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        };
        check("{}", "continue key is not valid: server does not recognize this encoded version ");
        check(r#"{"v":"meta.k8s.io/v1","start":"a"}"#, "continue key is not valid: incorrect encoded start");
        check(r#"{"v":"meta.k8s.io/v1","rv":5}"#, "continue key is not valid: encoded start key empty");
        for start in ["../secrets/a", "a/../../b", "//a", "a//b"] {
            let json = format!(r#"{{"v":"meta.k8s.io/v1","rv":5,"start":"{start}"}}"#);
            check(&json, &format!("continue key is not valid: {start}"));
        }
        assert!(ContinueToken::decode("%%%").is_err());
    }
}
