//! What the stations of the chain have found out about a request, handed to the endpoint.

use std::sync::Arc;
use std::time::Instant;

use apiserver_auth::UserInfo;
use parking_lot::Mutex;

use super::request_info::RequestInfo;

/// A request's companion from the first station to the endpoint.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// What the request is about.
    pub info: Arc<RequestInfo>,
    /// Who asks, after impersonation.
    pub user: Arc<UserInfo>,
    /// When it was received.
    pub received: jiff::Timestamp,
    /// When an answer must be ready; `None` for long-running requests.
    pub deadline: Option<Instant>,
    /// Identifies the request in logs and in the audit log.
    pub audit_id: Arc<str>,
    /// Address of the peer, for the audit log.
    pub source: std::net::IpAddr,
    /// What stations and endpoints want to tell the client and the auditor.
    pub notes: Notes,
}

/// Warnings and annotations, collected while a request is served; clones share one collection.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    inner: Arc<Mutex<Collected>>,
}

#[derive(Debug, Default)]
struct Collected {
    warnings: Vec<String>,
    annotations: std::collections::BTreeMap<String, String>,
}

/// All warnings together may be this long; then each is cut to [`WARNING_LENGTH_WHEN_MANY`].
const WARNINGS_LENGTH: usize = 4 * 1024;
const WARNING_LENGTH_WHEN_MANY: usize = 256;

impl Notes {
    /// Adds a text for a `Warning` header. Repeated texts are sent once.
    pub fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut collected = self.inner.lock();
        if !text.is_empty() && !collected.warnings.contains(&text) {
            collected.warnings.push(text);
        }
    }

    /// Adds an annotation to the audit event. The first value of a key stays.
    pub fn annotate(&self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        let mut collected = self.inner.lock();
        if let Some(existing) = collected.annotations.get(&key) {
            if *existing != value {
                tracing::warn!(key, "audit annotation is set twice; the first value stays");
            }
            return;
        }
        collected.annotations.insert(key, value);
    }

    /// The values of `Warning` headers, cut so that together they stay within what proxies accept.
    pub fn warning_headers(&self) -> Vec<http::HeaderValue> {
        let collected = self.inner.lock();
        let total: usize = collected.warnings.iter().map(String::len).sum();
        let limit = if total > WARNINGS_LENGTH { WARNING_LENGTH_WHEN_MANY } else { usize::MAX };
        let mut left = WARNINGS_LENGTH;
        let mut headers = Vec::new();
        for warning in &collected.warnings {
            let cut = cut_to(warning, limit);
            if cut.len() > left {
                break;
            }
            left -= cut.len();
            let mut quoted = String::with_capacity(cut.len() + 10);
            quoted.push_str("299 - \"");
            for character in cut.chars() {
                match character {
                    '"' | '\\' => quoted.extend(['\\', character]),
                    control if control.is_control() => quoted.push(' '),
                    other => quoted.push(other),
                }
            }
            quoted.push('"');
            headers.extend(http::HeaderValue::from_bytes(quoted.as_bytes()).ok());
        }
        headers
    }

    /// The annotations, by key.
    pub fn annotations(&self) -> std::collections::BTreeMap<String, String> {
        self.inner.lock().annotations.clone()
    }
}

impl apiserver_admission::Notes for Notes {
    fn warn(&self, text: &str) {
        Notes::warn(self, text);
    }

    fn annotate(&self, key: &str, value: &str) {
        Notes::annotate(self, key, value);
    }
}

fn cut_to(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(notes: &Notes) -> Vec<String> {
        notes.warning_headers().iter().map(|h| String::from_utf8_lossy(h.as_bytes()).into_owned()).collect()
    }

    #[test]
    fn warnings_are_quoted_and_sent_once() {
        let notes = Notes::default();
        notes.warn("a \"b\" \\ c\nd");
        notes.warn("a \"b\" \\ c\nd");
        notes.warn("");
        notes.warn("é");
        assert_eq!(headers(&notes), ["299 - \"a \\\"b\\\" \\\\ c d\"", "299 - \"é\""]);
    }

    #[test]
    fn many_warnings_are_cut() {
        let notes = Notes::default();
        for index in 0..100 {
            notes.warn(format!("{index:03}{}", "x".repeat(1000)));
        }
        let headers = headers(&notes);
        assert_eq!(headers.len(), WARNINGS_LENGTH / WARNING_LENGTH_WHEN_MANY);
        assert!(headers.iter().all(|h| h.len() == WARNING_LENGTH_WHEN_MANY + 8));
    }

    #[test]
    fn the_first_annotation_stays() {
        let notes = Notes::default();
        notes.annotate("k", "1");
        notes.annotate("k", "2");
        assert_eq!(notes.annotations().get("k").map(String::as_str), Some("1"));
    }
}
