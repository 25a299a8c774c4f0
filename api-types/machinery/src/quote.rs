//! Go's `%q` and JSON text, because messages which scripts compare quote values that way.

use std::fmt::Write as _;

/// The text between double quotes with Go's escapes (`strconv.Quote`).
pub fn go_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            _ if is_printable(character) => quoted.push(character),
            _ => push_escape(&mut quoted, character),
        }
    }
    quoted.push('"');
    quoted
}

/// JSON text as Go's encoder writes it: compact, with `<`, `>`, `&` and the line separators escaped.
pub fn go_json(value: &serde_json::Value) -> String {
    let text = value.to_string();
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{:04x}", character as u32);
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A float as Go's `%v` shows it: the shortest text, with an exponent from a million on or below 10⁻⁴.
pub fn go_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn push_escape(quoted: &mut String, character: char) {
    let code = character as u32;
    // Writing to a string cannot fail.
    let _ = match code {
        0..=0x7f => write!(quoted, "\\x{code:02x}"),
        0x80..=0xffff => write!(quoted, "\\u{code:04x}"),
        _ => write!(quoted, "\\U{code:08x}"),
    };
}

/// Letters, marks, numbers, punctuation, symbols and the ASCII space print as they are.
fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    // A combining mark is escaped by `char::escape_debug` alone but not after another character.
    let mut buffer = String::from("a");
    buffer.push(character);
    buffer.escape_debug().nth(1) == Some(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_like_go() {
        for (input, expected) in [
            ("plain", r#""plain""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\n\t\r\u{7}\u{0}\u{7f}", r#""\n\t\r\a\x00\x7f""#),
            ("héllo e\u{301}", "\"héllo e\u{301}\""),
            ("\u{200b}\u{a0}", r#""\u200b\u00a0""#),
            ("it's", r#""it's""#),
        ] {
            assert_eq!(go_quote(input), expected);
        }
    }

    #[test]
    fn json_escapes_html() {
        assert_eq!(go_json(&serde_json::json!(["<a&b>", 1])), r#"["\u003ca\u0026b\u003e",1]"#);
    }
}
