//! JSON and YAML as kubectl writes them: sorted keys, four blanks, Go's escapes.

use machinery::codec::yaml;
use serde::Serialize as _;
use serde_json::Value;

/// Sorts the keys of every object.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// JSON over several lines, without a newline at the end.
pub fn pretty_json(value: &Value) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    match sorted(value).serialize(&mut serializer) {
        Ok(()) => go_escapes(&String::from_utf8_lossy(&bytes)),
        // Values are always serializable; the plain form loses nothing but the layout.
        Err(_) => value.to_string(),
    }
}

/// JSON on one line.
pub fn compact_json(value: &Value) -> String {
    go_escapes(&sorted(value).to_string())
}

/// YAML.
pub fn yaml(value: &Value) -> String {
    yaml::to_string_sorted(value)
}

/// Go's encoder escapes what HTML would read; outside of strings these characters do not occur.
fn go_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_sorted_and_escaped() {
        let value = json!({"b": [1, {}], "a": "<&>"});
        assert_eq!(
            pretty_json(&value),
            "{\n    \"a\": \"\\u003c\\u0026\\u003e\",\n    \"b\": [\n        1,\n        {}\n    ]\n}"
        );
        assert_eq!(compact_json(&value), "{\"a\":\"\\u003c\\u0026\\u003e\",\"b\":[1,{}]}");
    }
}
