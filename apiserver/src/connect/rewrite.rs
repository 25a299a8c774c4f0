//! Links in proxied answers: `Location` headers and HTML attributes that would lead around the proxy.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response};
use machinery::status::StatusError;

use crate::chain::body::{Body, collect, full};

/// Pages beyond this are passed through as they are.
const PAGE_LIMIT: usize = 16 * 1024 * 1024;

/// Attributes that hold URLs, by element.
const URL_ATTRIBUTES: [(&str, &[&str]); 24] = [
    ("a", &["href"]),
    ("applet", &["codebase"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["src", "usemap", "formaction"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("video", &["poster", "src"]),
];

/// Where a page came from and where it is shown.
pub struct Page<'a> {
    /// Path under which the backend appears, without a slash at its end.
    pub prepend: &'a str,
    /// `host:port` of the backend.
    pub backend: &'a str,
    /// `Host` header of the client's request.
    pub front: &'a str,
}

impl Page<'_> {
    /// The URL as it must be in the page; relative ones and those of other hosts stay.
    fn rewrite(&self, url: &str) -> String {
        let (scheme_and_host, path) = match url.find("://") {
            Some(at) => {
                let rest = &url[at + 3..];
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => match url.strip_prefix("//") {
                Some(rest) => {
                    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                    (Some(&rest[..end]), &rest[end..])
                }
                None => (None, url),
            },
        };
        let other_host = scheme_and_host.is_some_and(|host| host != self.backend && host != self.front);
        if other_host || !path.starts_with('/') {
            return url.to_string();
        }
        if path.starts_with(self.prepend) {
            return path.to_string();
        }
        format!("{}{path}", self.prepend)
    }
}

/// Rewrites an answer of a backend.
pub async fn response(response: Response<Body>, page: &Page<'_>) -> Result<Response<Body>, StatusError> {
    let (mut parts, body) = response.into_parts();
    if let Some(location) = parts.headers.get(LOCATION).and_then(|value| value.to_str().ok()) {
        if let Ok(rewritten) = HeaderValue::from_str(&page.rewrite(location)) {
            parts.headers.insert(LOCATION, rewritten);
        }
        return Ok(Response::from_parts(parts, body));
    }
    let content_type =
        parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_html = content_type.split(';').next().unwrap_or_default().trim() == "text/html";
    let length =
        parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let readable =
        !parts.headers.contains_key(CONTENT_ENCODING) && length.is_none_or(|length| length <= PAGE_LIMIT);
    if !is_html || !readable {
        return Ok(Response::from_parts(parts, body));
    }
    let text = collect(body, PAGE_LIMIT).await.map_err(|error| {
        StatusError::service_unavailable(format!("error trying to reach service: {error}"))
    })?;
    let rewritten = rewrite_html(&text, page);
    parts.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(parts, full(rewritten)))
}

/// Rewrites the URLs in the start tags of a page; everything else is copied.
fn rewrite_html(page: &Bytes, context: &Page<'_>) -> Vec<u8> {
    let text = page.as_ref();
    let mut out = Vec::with_capacity(text.len() + 256);
    let mut at = 0;
    while let Some(offset) = memchr::memchr(b'<', &text[at..]) {
        let open = at + offset;
        out.extend_from_slice(&text[at..open]);
        if text[open..].starts_with(b"<!--") {
            let end = memchr::memmem::find(&text[open..], b"-->").map_or(text.len(), |end| open + end + 3);
            out.extend_from_slice(&text[open..end]);
            at = end;
            continue;
        }
        let end = tag_end(text, open);
        copy_tag(&text[open..end], context, &mut out);
        at = end;
    }
    out.extend_from_slice(&text[at..]);
    out
}

/// The position behind the `>` of the tag that opens at `open`; quotes may hold a `>`.
fn tag_end(text: &[u8], open: usize) -> usize {
    let mut quote = None;
    for (index, byte) in text.iter().enumerate().skip(open + 1) {
        match (quote, byte) {
            (None, b'>') => return index + 1,
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if *byte == open => quote = None,
            _ => {}
        }
    }
    text.len()
}

fn copy_tag(tag: &[u8], context: &Page<'_>, out: &mut Vec<u8>) {
    let Some(attributes) = attributes_of(tag) else {
        out.extend_from_slice(tag);
        return;
    };
    let mut at = 0;
    while let Some((name, value)) = next_attribute(tag, at) {
        let url = std::str::from_utf8(&tag[value.clone()]).ok();
        let holds_url =
            attributes.iter().any(|known| tag[name.clone()].eq_ignore_ascii_case(known.as_bytes()));
        out.extend_from_slice(&tag[at..value.start]);
        match url.filter(|_| holds_url) {
            Some(url) => out.extend_from_slice(context.rewrite(url).as_bytes()),
            None => out.extend_from_slice(&tag[value.clone()]),
        }
        at = value.end;
    }
    out.extend_from_slice(&tag[at..]);
}

/// The attributes of the tag's element that hold URLs; `None` for end tags and other elements.
fn attributes_of(tag: &[u8]) -> Option<&'static [&'static str]> {
    let name = tag.get(1..)?;
    let end = name.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(name.len());
    let known =
        URL_ATTRIBUTES.iter().find(|(element, _)| name[..end].eq_ignore_ascii_case(element.as_bytes()));
    known.map(|(_, attributes)| *attributes)
}

/// The next `name="value"` at or behind `from`, as ranges of name and value.
fn next_attribute(tag: &[u8], from: usize) -> Option<(std::ops::Range<usize>, std::ops::Range<usize>)> {
    let equals = from + memchr::memchr(b'=', tag.get(from..)?)?;
    let name_end = tag[..equals].iter().rposition(|byte| !byte.is_ascii_whitespace())? + 1;
    let name_start = tag[..name_end]
        .iter()
        .rposition(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'/'))
        .map_or(0, |at| at + 1);
    let mut start = equals + 1;
    while tag.get(start).is_some_and(u8::is_ascii_whitespace) {
        start += 1;
    }
    let end = match tag.get(start)? {
        quote @ (b'"' | b'\'') => {
            start += 1;
            start + memchr::memchr(*quote, &tag[start..])?
        }
        _ => {
            let length = tag[start..].iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'>');
            start + length.unwrap_or(tag.len() - start)
        }
    };
    Some((name_start..name_end, start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Page<'_> = Page { prepend: "/api/v1/ns/proxy", backend: "10.0.0.1:80", front: "front:6443" };

    #[track_caller]
    fn check_url(url: &str, expected: &str) {
        assert_eq!(PAGE.rewrite(url), expected);
    }

    #[test]
    fn urls() {
        check_url("/a?b#c", "/api/v1/ns/proxy/a?b#c");
        check_url("a/b", "a/b");
        check_url("#top", "#top");
        check_url("http://10.0.0.1:80/a", "/api/v1/ns/proxy/a");
        check_url("https://front:6443/a", "/api/v1/ns/proxy/a");
        check_url("https://elsewhere/a", "https://elsewhere/a");
        check_url("//elsewhere/a", "//elsewhere/a");
        check_url("/api/v1/ns/proxy/a", "/api/v1/ns/proxy/a");
    }

    #[track_caller]
    fn check_html(html: &str, expected: &str) {
        let got = rewrite_html(&Bytes::copy_from_slice(html.as_bytes()), &PAGE);
        assert_eq!(String::from_utf8(got).unwrap(), expected);
    }

    #[test]
    fn pages() {
        check_html(r#"<a href="/rewriteme">test</a>"#, r#"<a href="/api/v1/ns/proxy/rewriteme">test</a>"#);
        check_html("<IMG alt='/x' SRC='/y' >", "<IMG alt='/x' SRC='/api/v1/ns/proxy/y' >");
        check_html("<a href=/x>y = z</a>", "<a href=/api/v1/ns/proxy/x>y = z</a>");
        check_html("<!-- <a href=\"/x\"> --><p class=\"/x\">", "<!-- <a href=\"/x\"> --><p class=\"/x\">");
        check_html("a < b and <a href=\"/x\"", "a < b and <a href=\"/x\"");
        check_html("<a title=\"x>y\" href=\"/x\">", "<a title=\"x>y\" href=\"/api/v1/ns/proxy/x\">");
    }
}
