//! Request paths and query strings.

/// Percent-encodes everything but unreserved characters (RFC 3986, 2.3).
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

/// A query string under construction; empty values are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    text: String,
}

impl Query {
    pub(crate) fn push(&mut self, name: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        if !value.is_empty() {
            self.push_even_empty(name, value);
        }
    }

    pub(crate) fn push_even_empty(&mut self, name: &str, value: &str) {
        self.text.push(if self.text.is_empty() { '?' } else { '&' });
        self.text.push_str(name);
        self.text.push('=');
        self.text.push_str(&escape(value));
    }

    /// With its question mark, or empty.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// `/api/v1` or `/apis/<group>/<version>`.
pub(crate) fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

/// The path of a collection.
pub(crate) fn collection(group: &str, version: &str, plural: &str, namespace: Option<&str>) -> String {
    let base = group_version(group, version);
    match namespace {
        Some(namespace) => format!("{base}/namespaces/{}/{plural}", escape(namespace)),
        None => format!("{base}/{plural}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_upstreams() {
        assert_eq!(collection("", "v1", "nodes", None), "/api/v1/nodes");
        assert_eq!(
            collection("apps", "v1", "deployments", Some("a b")),
            "/apis/apps/v1/namespaces/a%20b/deployments"
        );
    }

    #[test]
    fn queries_leave_out_what_is_empty() {
        let mut query = Query::default();
        query.push("limit", "");
        assert_eq!(query.text(), "");
        query.push("labelSelector", "a=b,c");
        query.push("limit", "5");
        assert_eq!(query.text(), "?labelSelector=a%3db%2cc&limit=5");
    }
}
