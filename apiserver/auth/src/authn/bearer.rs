//! Bearer tokens: where a request carries one, in a header or in a WebSocket subprotocol.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};

use super::{Authenticator, AuthnError, Credentials, Outcome, TokenAuthenticator};

/// Prefix of the subprotocol by which browsers, which cannot set headers, pass a token.
const PROTOCOL_PREFIX: &str = "base64url.bearer.authorization.k8s.io.";

/// Takes the token out of the request and asks a token authenticator.
pub struct Bearer {
    /// Who judges the token.
    pub tokens: Arc<dyn TokenAuthenticator>,
}

#[async_trait]
impl Authenticator for Bearer {
    async fn authenticate(&self, credentials: &Credentials<'_>) -> Outcome {
        let token = match token_in_header(credentials.headers) {
            Some(token) => Some(token),
            None => token_in_subprotocol(credentials.headers)?,
        };
        let Some(token) = token else { return Ok(None) };
        match self.tokens.authenticate_token(&token, &[], credentials.now).await? {
            Some(authenticated) => Ok(Some(authenticated)),
            None => Err(AuthnError::InvalidBearerToken),
        }
    }
}

/// The token of an `Authorization: Bearer` header.
pub fn token_in_header(headers: &http::HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, rest) = value.split_once(' ')?;
    // The token ends at the next space; two spaces in a row stand for an empty token.
    let token = rest.split(' ').next().unwrap_or_default();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_string())
}

fn token_in_subprotocol(headers: &http::HeaderMap) -> Result<Option<String>, AuthnError> {
    if !is_websocket_request(headers) {
        return Ok(None);
    }
    let mut token = None;
    let mut others = 0;
    for protocol in subprotocols(headers) {
        let Some(encoded) = protocol.strip_prefix(PROTOCOL_PREFIX) else {
            others += 1;
            continue;
        };
        if token.is_some() {
            return Err(AuthnError::Token("multiple base64.bearer.authorization tokens specified".into()));
        }
        let decoded =
            URL_SAFE_NO_PAD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(
                || AuthnError::Token("invalid base64.bearer.authorization token encoding".into()),
            )?;
        token = Some(decoded);
    }
    // The server has to answer with one of the offered protocols, and that may not be the token.
    if token.is_some() && others == 0 {
        return Err(AuthnError::Token("missing additional subprotocol".into()));
    }
    Ok(token)
}

/// Removes the token from the request, so that nothing behind authentication sees or forwards it.
pub fn strip_token(headers: &mut http::HeaderMap) {
    headers.remove(AUTHORIZATION);
    if !is_websocket_request(headers) {
        return;
    }
    let kept: Vec<&str> = subprotocols(headers).filter(|p| !p.starts_with(PROTOCOL_PREFIX)).collect();
    let Ok(joined) = http::HeaderValue::from_str(&kept.join(", ")) else { return };
    headers.insert(SEC_WEBSOCKET_PROTOCOL, joined);
}

fn subprotocols(headers: &http::HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|protocol| !protocol.is_empty())
}

fn is_websocket_request(headers: &http::HeaderMap) -> bool {
    let has = |name, wanted: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.to_ascii_lowercase().contains(wanted))
    };
    has(UPGRADE, "websocket") && has(CONNECTION, "upgrade")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> http::HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect()
    }

    #[track_caller]
    fn check_header(value: &str, expected: Option<&str>) {
        assert_eq!(token_in_header(&headers(&[("authorization", value)])).as_deref(), expected, "{value:?}");
    }

    #[test]
    fn tokens_in_headers() {
        check_header("Bearer abc", Some("abc"));
        check_header("bearer abc", Some("abc"));
        check_header(" Bearer abc def", Some("abc"));
        check_header("Bearer  abc", None);
        check_header("Bearer", None);
        check_header("Basic abc", None);
    }

    #[track_caller]
    fn check_protocol(value: &str, expected: Result<Option<&str>, &str>) {
        let headers = headers(&[
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-protocol", value),
        ]);
        let got = token_in_subprotocol(&headers).map_err(|e| e.to_string());
        assert_eq!(got, expected.map(|t| t.map(str::to_string)).map_err(str::to_string), "{value:?}");
    }

    #[test]
    fn tokens_in_subprotocols() {
        let token = "base64url.bearer.authorization.k8s.io.dG9rZW4";
        check_protocol(&format!("{token}, v5.channel.k8s.io"), Ok(Some("token")));
        check_protocol("v5.channel.k8s.io", Ok(None));
        check_protocol(token, Err("missing additional subprotocol"));
        check_protocol(
            &format!("{token},{token},x"),
            Err("multiple base64.bearer.authorization tokens specified"),
        );
        check_protocol(
            "base64url.bearer.authorization.k8s.io.!,x",
            Err("invalid base64.bearer.authorization token encoding"),
        );
    }

    #[test]
    fn the_token_is_removed_behind_authentication() {
        let mut request = headers(&[
            ("authorization", "Bearer x"),
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
            ("sec-websocket-protocol", "base64url.bearer.authorization.k8s.io.dG9rZW4, a, b"),
        ]);
        strip_token(&mut request);
        assert!(request.get("authorization").is_none());
        assert_eq!(request.get("sec-websocket-protocol").unwrap(), "a, b");
    }
}
