//! A front proxy that has authenticated the user and says so in headers, under its own certificate.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName};

use super::certificate::Authorities;
use super::{Authenticated, Authenticator, AuthnError, Credentials, Outcome};
use crate::UserInfo;

/// Which headers speak, and whom we believe.
pub struct RequestHeader {
    /// Who may sign the proxy's certificate.
    pub authorities: Arc<Authorities>,
    /// Common names the proxy may have; empty allows any certificate of the authorities.
    pub allowed_names: Vec<String>,
    /// Headers to look for the user name in, first hit wins.
    pub username_headers: Vec<String>,
    /// Headers to look for the uid in.
    pub uid_headers: Vec<String>,
    /// Headers whose values are all groups.
    pub group_headers: Vec<String>,
    /// Prefixes of headers that carry extra fields.
    pub extra_header_prefixes: Vec<String>,
}

#[async_trait]
impl Authenticator for RequestHeader {
    async fn authenticate(&self, credentials: &Credentials<'_>) -> Outcome {
        if credentials.peer_certificates.is_empty() {
            return Ok(None);
        }
        let leaf = self.authorities.verify(credentials.peer_certificates, credentials.now)?;
        let common_name = leaf.common_name.clone();
        if !self.allowed_names.is_empty() && !self.allowed_names.contains(&common_name) {
            return Err(AuthnError::ProxyNotAllowed { common_name });
        }
        let headers = credentials.headers;
        let Some(username) = first_value(headers, &self.username_headers) else { return Ok(None) };
        let mut user = UserInfo {
            username,
            uid: first_value(headers, &self.uid_headers).unwrap_or_default(),
            groups: self.group_headers.iter().flat_map(|name| all_values(headers, name)).collect(),
            ..UserInfo::default()
        };
        for (name, value) in headers {
            let Ok(value) = value.to_str() else { continue };
            for prefix in &self.extra_header_prefixes {
                let Some(key) = strip_prefix_ignoring_case(name, prefix) else { continue };
                user.extra.entry(percent_decode(key)).or_default().push(value.to_string());
            }
        }
        Ok(Some(Authenticated::user(user)))
    }
}

impl RequestHeader {
    /// Removes the headers, so that a client's own copy never reaches what is behind.
    pub fn clear(&self, headers: &mut HeaderMap) {
        for name in self.username_headers.iter().chain(&self.uid_headers).chain(&self.group_headers) {
            headers.remove(name.as_str());
        }
        let extras: Vec<HeaderName> = headers
            .keys()
            .filter(|name| {
                self.extra_header_prefixes.iter().any(|p| strip_prefix_ignoring_case(name, p).is_some())
            })
            .cloned()
            .collect();
        for name in extras {
            headers.remove(name);
        }
    }
}

fn first_value(headers: &HeaderMap, names: &[String]) -> Option<String> {
    names
        .iter()
        .filter_map(|name| headers.get(name.as_str())?.to_str().ok())
        .find(|value| !value.is_empty())
        .map(str::to_string)
}

fn all_values<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = String> + use<'h> {
    let values: Vec<String> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter(|value| !value.is_empty())
        .map(str::to_string)
        .collect();
    values.into_iter()
}

/// `http` keeps header names in lower case, prefixes come as the operator wrote them.
pub fn strip_prefix_ignoring_case<'n>(name: &'n HeaderName, prefix: &str) -> Option<&'n str> {
    let name = name.as_str();
    let head = name.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &name[prefix.len()..])
}

/// Decodes `%xx`; a name that is not well encoded is taken as it is.
pub fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let digits = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        let Some(byte) = digits.and_then(|d| u8::from_str_radix(d, 16).ok()) else { return text.to_string() };
        bytes.push(byte);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_decode(text: &str, expected: &str) {
        assert_eq!(percent_decode(text), expected);
    }

    #[test]
    fn extra_names_are_decoded() {
        check_decode("example.org%2fscopes", "example.org/scopes");
        check_decode("plain", "plain");
        check_decode("bad%zz", "bad%zz");
        check_decode("cut%2", "cut%2");
        check_decode("%ff", "%ff");
    }
}
