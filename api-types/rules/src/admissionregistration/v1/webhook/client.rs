//! Where a webhook is reached.
//!
//! Source: `k8s.io/apiserver/pkg/util/webhook/validation.go`.

use crate::report::Report;
use machinery::{
    field::{ErrorList, Path},
    names,
};

const FORM: &str = "; desired format: https://host[/path]";

/// Scheme, user information, host, query and fragment of a URL, as far as rules ask for them.
struct Url<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    host: &'a str,
    query: &'a str,
    fragment: &'a str,
}

fn split(url: &str) -> Url<'_> {
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) =
        rest.split_once(':').filter(|(scheme, _)| !scheme.contains('/')).unwrap_or(("", rest));
    let authority = rest.strip_prefix("//").map_or("", |rest| rest.split('/').next().unwrap_or_default());
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    Url { scheme, user, host, query, fragment }
}

/// A webhook outside of the cluster.
pub fn validate_url(url: &str, path: &Path, errors: &mut ErrorList) {
    if url.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        return errors.required(
            path,
            format!(
                "url must be a valid URL: parse {url:?}: net/url: invalid control character in URL{FORM}"
            ),
        );
    }
    let url = split(url);
    if url.scheme != "https" {
        errors.invalid(path, url.scheme, format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if url.host.is_empty() {
        errors.invalid(path, "", format!("host must be specified{FORM}"));
    }
    if let Some(user) = url.user {
        errors.invalid(path, user, "user information is not permitted in the URL");
    }
    if !url.fragment.is_empty() {
        errors.invalid(path, url.fragment, "fragments are not permitted in the URL");
    }
    if !url.query.is_empty() {
        errors.invalid(path, url.query, "query parameters are not permitted in the URL");
    }
}

/// A webhook behind a service.
pub fn validate_service(
    namespace: &str,
    name: &str,
    url_path: Option<&str>,
    port: i32,
    path: &Path,
    errors: &mut ErrorList,
) {
    // Upstream passes the two in the other order, so the one that is missing is reported under the other's name.
    for (field, value) in [("name", namespace), ("namespace", name)] {
        if value.is_empty() {
            errors.required(&path.child(field), "");
        }
    }
    let messages = names::is_port_number(i64::from(port));
    if !messages.is_empty() {
        errors.invalid(&path.child("port"), port, format!("port is not valid: {}", messages.join(", ")));
    }
    let at = path.child("path");
    let Some(url_path) = url_path.filter(|path| !matches!(*path, "" | "/")) else { return };
    if url_path == "//" {
        return errors.invalid(&at, url_path, "segment[0] may not be empty");
    }
    if !url_path.starts_with('/') {
        errors.invalid(&at, url_path, "must start with a '/'");
    }
    let mut rest = url_path.chars();
    rest.next();
    let rest = rest.as_str();
    for (index, step) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if step.is_empty() {
            errors.invalid(&at, url_path, format!("segment[{index}] may not be empty"));
            continue;
        }
        for message in names::is_dns1123_subdomain(step) {
            errors.invalid(&at, url_path, format!("segment[{index}]: {message}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: &[&str]) {
        let mut errors = ErrorList::new();
        validate_url(url, &Path::new("url"), &mut errors);
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{url}");
    }

    #[test]
    fn urls() {
        check("https://example.com/hook", &[]);
        check("https://example.com:8443", &[]);
        check(
            "http://example.com",
            &[
                "url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
            ],
        );
        check(
            "https:///hook",
            &["url: Invalid value: \"\": host must be specified; desired format: https://host[/path]"],
        );
        check(
            "https://me@example.com",
            &["url: Invalid value: \"me\": user information is not permitted in the URL"],
        );
        check(
            "https://example.com/?a=b",
            &["url: Invalid value: \"a=b\": query parameters are not permitted in the URL"],
        );
        check(
            "https://example.com/#a",
            &["url: Invalid value: \"a\": fragments are not permitted in the URL"],
        );
    }
}
