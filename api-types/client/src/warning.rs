//! Warnings of the server: what the `Warning` headers of its answers say (RFC 7234, section 5.5).

use http::HeaderMap;
use http::header::WARNING;

/// The code of warnings that are meant for people.
pub const MISCELLANEOUS: u16 = 299;

/// Hears of every warning a server sends.
pub trait WarningHandler: Send + Sync {
    /// One warning, unquoted. Only those of the code [`MISCELLANEOUS`] are for users.
    fn warning(&self, code: u16, agent: &str, text: &str);
}

/// Writes warnings to the log, each as often as it comes: what programs do that serve nobody directly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logged;

impl WarningHandler for Logged {
    fn warning(&self, code: u16, _agent: &str, text: &str) {
        if code == MISCELLANEOUS && !text.is_empty() {
            tracing::info!("Warning: {text}");
        }
    }
}

/// Hands the warnings among `headers` to `handler`, in their order.
pub(crate) fn hand_over(headers: &HeaderMap, handler: &dyn WarningHandler) {
    for value in headers.get_all(WARNING) {
        let Ok(mut rest) = std::str::from_utf8(value.as_bytes()) else { continue };
        while !rest.is_empty() {
            // What cannot be read cannot be told; the warnings before it stand.
            let Some((warning, after)) = parse(rest) else { break };
            handler.warning(warning.code, warning.agent, &warning.text);
            rest = after;
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Parsed<'h> {
    code: u16,
    agent: &'h str,
    text: String,
}

/// The first of the comma-separated `code agent "text" ["date"]`, and what follows it.
fn parse(header: &str) -> Option<(Parsed<'_>, &str)> {
    let mut parts = header.trim().splitn(3, ' ');
    let (code, agent, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let known =
        code.len() == 3 && code.starts_with(['1', '2']) && code.bytes().all(|byte| byte.is_ascii_digit());
    if !known || agent.is_empty() || agent.chars().any(char::is_control) {
        return None;
    }
    let (text, mut rest) = unquote(rest)?;
    if text.chars().any(char::is_control) {
        return None;
    }
    if let Some(date) = rest.strip_prefix('"') {
        rest = date.split_once('"')?.1.trim();
    }
    if !rest.is_empty() {
        rest = rest.strip_prefix(',')?.trim();
    }
    Some((Parsed { code: code.parse().ok()?, agent, text }, rest))
}

/// The content of the quoted string in front, and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let inside = quoted.strip_prefix('"')?;
    let mut text = String::new();
    let mut letters = inside.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, inside.get(at + 1..)?.trim())),
            '\\' => text.push(letters.next()?.1),
            other => text.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use parking_lot::Mutex;

    use super::*;

    #[derive(Default)]
    struct Collected(Mutex<Vec<String>>);

    impl WarningHandler for Collected {
        fn warning(&self, code: u16, agent: &str, text: &str) {
            self.0.lock().push(format!("{code} {agent} {text}"));
        }
    }

    #[test]
    fn headers_are_read_as_the_rfc_says() {
        let check = |values: &[&str], expected: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(WARNING, HeaderValue::from_bytes(value.as_bytes()).expect("a header"));
            }
            let collected = Collected::default();
            hand_over(&headers, &collected);
            assert_eq!(*collected.0.lock(), expected, "{values:?}");
        };
        check(&[], &[]);
        check(&[r#"299 - "simple""#], &["299 - simple"]);
        check(&[r#"299 - "a \"quoted\" \\ word""#], &[r#"299 - a "quoted" \ word"#]);
        check(&[r#"299 - "ümlaut""#], &["299 - ümlaut"]);
        check(
            &[r#"299 - "one" "Wed, 21 Oct 2015 07:28:00 GMT", 199 agent "two""#, r#"299 - "three""#],
            &["299 - one", "199 agent two", "299 - three"],
        );
        check(&[r#"299 - "one", nonsense"#, r#"299 - "two""#], &["299 - one", "299 - two"]);
        for nonsense in [
            "",
            "299",
            "299 -",
            "299 - ",
            "299 - bare",
            "299 - \"open",
            "399 - \"x\"",
            "2999 - \"x\"",
            "299 - \"x\" y",
            "299 - \"x\\",
        ] {
            check(&[nonsense], &[]);
        }
    }
}
