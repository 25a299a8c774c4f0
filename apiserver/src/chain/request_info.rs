//! First station: what a request is about, read from its method, path and query alone.

use machinery::selectors::fields;

/// The API-relevant content of a request line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// Whether the request is about an API object; everything else is judged by its path.
    pub is_resource_request: bool,
    /// URL path as sent.
    pub path: String,
    /// `get`, `list`, `create` …; for non-resource requests the lower-case HTTP method.
    pub verb: String,
    /// `api` or `apis`.
    pub api_prefix: String,
    /// API group, empty for the core group.
    pub api_group: String,
    /// API version.
    pub api_version: String,
    /// Namespace, empty for cluster-wide requests. For a namespace itself it is that namespace.
    pub namespace: String,
    /// Plural name of the resource.
    pub resource: String,
    /// Subresource, often empty.
    pub subresource: String,
    /// Name of the object; for lists the one the field selector pins.
    pub name: String,
    /// Path segments from the resource on.
    pub parts: Vec<String>,
    /// Raw field selector of list, watch and deletecollection.
    pub field_selector: String,
    /// Raw label selector of list, watch and deletecollection.
    pub label_selector: String,
}

/// A path that begins like a resource path and breaks off.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("unable to determine kind and namespace from url, {0}")]
pub struct UndeterminedPath(String);

/// First path segments of API paths; those of the second list have no group.
const API_PREFIXES: [&str; 2] = ["api", "apis"];
const GROUPLESS_PREFIXES: [&str; 1] = ["api"];
/// Verbs that old clients put before the resource.
const PATH_VERBS: [&str; 2] = ["proxy", "watch"];
/// What may follow a namespace's name and still be about the namespace itself.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

impl RequestInfo {
    /// Reads the request line. `query` is raw.
    pub fn parse(method: &http::Method, path: &str, query: &str) -> Result<RequestInfo, UndeterminedPath> {
        let mut info = RequestInfo {
            path: path.to_string(),
            verb: method.as_str().to_ascii_lowercase(),
            ..RequestInfo::default()
        };
        let segments = split_path(path);
        let mut rest = segments.as_slice();
        if rest.len() < 3 || !API_PREFIXES.contains(&rest[0]) {
            return Ok(info);
        }
        info.api_prefix = rest[0].to_string();
        rest = &rest[1..];
        if !GROUPLESS_PREFIXES.contains(&info.api_prefix.as_str()) {
            if rest.len() < 3 {
                return Ok(info);
            }
            info.api_group = rest[0].to_string();
            rest = &rest[1..];
        }
        info.is_resource_request = true;
        info.api_version = rest[0].to_string();
        rest = &rest[1..];

        let verb_in_path = PATH_VERBS.contains(&rest[0]);
        if verb_in_path {
            if rest.len() < 2 {
                let query = if query.is_empty() { String::new() } else { format!("?{query}") };
                return Err(UndeterminedPath(format!("{path}{query}")));
            }
            info.verb = rest[0].to_string();
            rest = &rest[1..];
        } else {
            info.verb = verb_of(method).to_string();
        }

        if rest[0] == "namespaces" && rest.len() > 1 {
            info.namespace = rest[1].to_string();
            if rest.len() > 2 && !NAMESPACE_SUBRESOURCES.contains(&rest[2]) {
                rest = &rest[2..];
            }
        }
        info.resource = rest[0].to_string();
        info.name = rest.get(1).unwrap_or(&"").to_string();
        // `proxy` in front of the resource takes the rest of the path as it is.
        if info.verb != "proxy" {
            info.subresource = rest.get(2).unwrap_or(&"").to_string();
        }
        info.parts = rest.iter().map(|part| part.to_string()).collect();

        if info.name.is_empty() && info.verb == "get" {
            info.read_list_options(query);
        }
        if info.name.is_empty() && info.verb == "delete" {
            info.verb = "deletecollection".to_string();
        }
        if !verb_in_path && matches!(info.verb.as_str(), "list" | "watch" | "deletecollection") {
            info.field_selector = query_value(query, "fieldSelector").unwrap_or_default();
            info.label_selector = query_value(query, "labelSelector").unwrap_or_default();
        }
        Ok(info)
    }

    /// A `get` without a name is a list or a watch, maybe of a single object.
    fn read_list_options(&mut self, query: &str) {
        let watches = query_value(query, "watch").is_some_and(|value| is_true(&value));
        self.verb = if watches { "watch" } else { "list" }.to_string();
        let Some(selector) = query_value(query, "fieldSelector").filter(|text| !text.is_empty()) else {
            return;
        };
        let pinned = fields::Selector::parse(&selector)
            .ok()
            .and_then(|selector| selector.required_value("metadata.name").map(str::to_string));
        if let Some(name) = pinned.filter(|name| is_path_segment(name)) {
            self.name = name;
        }
    }

    /// The group, version and resource in one line, for metrics and logs.
    pub fn resource_label(&self) -> String {
        match self.subresource.as_str() {
            "" => self.resource.clone(),
            subresource => format!("{}/{subresource}", self.resource),
        }
    }

    /// Whether the answer may take as long as the client likes: watches and conversations.
    pub fn is_long_running(&self) -> bool {
        if !self.is_resource_request {
            return self.path.starts_with("/debug/pprof/");
        }
        matches!(self.verb.as_str(), "watch" | "proxy")
            || matches!(self.subresource.as_str(), "attach" | "exec" | "proxy" | "log" | "portforward")
    }

    /// Whether the request changes nothing.
    pub fn is_read_only(&self) -> bool {
        matches!(self.verb.as_str(), "get" | "list" | "watch" | "head" | "options")
    }
}

fn verb_of(method: &http::Method) -> &'static str {
    match method.as_str() {
        "POST" => "create",
        "GET" | "HEAD" => "get",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    }
}

fn split_path(path: &str) -> Vec<&str> {
    match path.trim_matches('/') {
        "" => Vec::new(),
        trimmed => trimmed.split('/').collect(),
    }
}

/// Go's reading of a boolean parameter: only `false` and `0` are false, in any case.
pub fn is_true(value: &str) -> bool {
    !value.eq_ignore_ascii_case("false") && value != "0"
}

fn is_path_segment(name: &str) -> bool {
    name != "." && name != ".." && !name.contains(['/', '%'])
}

/// The first value of a query parameter, decoded.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    query_values(query, name).next()
}

/// All values of a query parameter, decoded.
pub fn query_values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = String> + use<'q> {
    let values: Vec<String> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(key, _)| decode(key) == name)
        .map(|(_, value)| decode(value))
        .collect();
    values.into_iter()
}

/// Decodes `%xx` and `+` of a query component; bad escapes stay as they are.
pub fn decode(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.to_string();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
                match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
                    Some(byte) => {
                        bytes.push(byte);
                        rest = &tail[2..];
                    }
                    None => bytes.push(b'%'),
                }
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected: `verb prefix group/version ns resource:subresource name`, `-` for empty.
    #[track_caller]
    fn check(method: &str, url: &str, expected: &str) {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let info = RequestInfo::parse(&method.parse().unwrap(), path, query).unwrap();
        let or_dash = |text: &str| if text.is_empty() { "-".to_string() } else { text.to_string() };
        let got = if info.is_resource_request {
            [
                &info.verb,
                &info.api_prefix,
                &format!("{}/{}", or_dash(&info.api_group), info.api_version),
                &or_dash(&info.namespace),
                &format!("{}:{}", info.resource, or_dash(&info.subresource)),
                &or_dash(&info.name),
            ]
            .map(|part| part.to_string())
            .join(" ")
        } else {
            format!("{} {}", info.verb, info.path)
        };
        assert_eq!(got, expected, "{method} {url}");
    }

    #[test]
    fn resource_paths() {
        check("GET", "/api/v1/namespaces", "list api -/v1 - namespaces:- -");
        check("GET", "/api/v1/namespaces/other", "get api -/v1 other namespaces:- other");
        check("GET", "/api/v1/namespaces/other/pods", "list api -/v1 other pods:- -");
        check("GET", "/api/v1/namespaces/other/pods/foo", "get api -/v1 other pods:- foo");
        check("HEAD", "/api/v1/namespaces/other/pods/foo", "get api -/v1 other pods:- foo");
        check("GET", "/api/v1/pods", "list api -/v1 - pods:- -");
        check("PUT", "/api/v1/namespaces/other/finalize", "update api -/v1 other namespaces:finalize other");
        check("PUT", "/api/v1/namespaces/other/status", "update api -/v1 other namespaces:status other");
        check("GET", "/api/v1/namespaces/other/pods/foo/log", "get api -/v1 other pods:log foo");
        check("POST", "/apis/apps/v1/namespaces/ns/deployments", "create apis apps/v1 ns deployments:- -");
        check(
            "DELETE",
            "/apis/apps/v1/namespaces/ns/deployments",
            "deletecollection apis apps/v1 ns deployments:- -",
        );
        check(
            "DELETE",
            "/apis/apps/v1/namespaces/ns/deployments/x",
            "delete apis apps/v1 ns deployments:- x",
        );
        check("PATCH", "/api/v1/nodes/n/status", "patch api -/v1 - nodes:status n");
        check("OPTIONS", "/api/v1/nodes/n", " api -/v1 - nodes:- n");
    }

    #[test]
    fn watches() {
        check("GET", "/api/v1/pods?watch=true", "watch api -/v1 - pods:- -");
        check("GET", "/api/v1/pods?watch=1", "watch api -/v1 - pods:- -");
        check("GET", "/api/v1/pods?watch=0", "list api -/v1 - pods:- -");
        check("GET", "/api/v1/pods?watch=False", "list api -/v1 - pods:- -");
        check("GET", "/api/v1/pods?watch", "watch api -/v1 - pods:- -");
        check("GET", "/api/v1/watch/pods", "watch api -/v1 - pods:- -");
        check("GET", "/api/v1/watch/namespaces/ns/pods/x", "watch api -/v1 ns pods:- x");
        check("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dx", "list api -/v1 - pods:- x");
        check("GET", "/api/v1/pods?watch=true&fieldSelector=metadata.name=x", "watch api -/v1 - pods:- x");
        check("GET", "/api/v1/pods?fieldSelector=metadata.name=a%2Fb", "list api -/v1 - pods:- -");
    }

    #[test]
    fn proxies() {
        check("GET", "/api/v1/proxy/namespaces/ns/pods/p/a/b", "proxy api -/v1 ns pods:- p");
        check("GET", "/api/v1/namespaces/ns/pods/p/proxy/a/b", "get api -/v1 ns pods:proxy p");
    }

    #[test]
    fn other_paths() {
        for path in
            ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz", "/metrics/a/b"]
        {
            check("GET", path, &format!("get {path}"));
        }
        check("POST", "/openid/v1/jwks", "post /openid/v1/jwks");
    }

    #[test]
    fn a_broken_off_path_is_an_error() {
        let error = RequestInfo::parse(&http::Method::GET, "/api/v1/watch/", "").unwrap_err();
        assert_eq!(error.to_string(), "unable to determine kind and namespace from url, /api/v1/watch/");
    }

    #[test]
    fn selectors_are_kept_for_lists_only() {
        let parse =
            |path: &str| RequestInfo::parse(&http::Method::GET, path, "fieldSelector=a%3Db&labelSelector=c");
        let list = parse("/api/v1/pods").unwrap();
        assert_eq!((list.field_selector.as_str(), list.label_selector.as_str()), ("a=b", "c"));
        let get = parse("/api/v1/namespaces/n/pods/x").unwrap();
        assert_eq!((get.field_selector.as_str(), get.label_selector.as_str()), ("", ""));
    }

    #[test]
    fn queries_are_decoded() {
        let all: Vec<String> = query_values("a=1&b=2&a=x%20y+z&a=%zz", "a").collect();
        assert_eq!(all, ["1", "x y z", "%zz"]);
    }
}
