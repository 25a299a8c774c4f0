//! Kinds without a page of their own, custom resources among them: every field under a readable name.

use serde_json::Value;

use super::{Around, Page};
use crate::Result;
use crate::values;

/// Metadata said before, or said by nobody.
const HIDDEN: [&str; 5] = ["managedFields", "name", "namespace", "labels", "annotations"];

/// Writes every field of the object.
pub fn describe(object: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.identity(object);
    for (key, value) in values::entries(object, "") {
        field(page, 0, key, value, key == "metadata");
    }
    Ok(())
}

fn field(page: &mut Page, level: usize, key: &str, value: &Value, metadata: bool) {
    let label = readable(key);
    match value {
        Value::Object(_) => {
            page.line(level, &format!("{label}:"));
            for (key, value) in values::entries(value, "") {
                if !(metadata && HIDDEN.contains(&key)) {
                    field(page, level + 1, key, value, false);
                }
            }
        }
        Value::Array(items) => {
            page.line(level, &format!("{label}:"));
            for item in items {
                match item {
                    Value::Object(_) => {
                        for (key, value) in values::entries(item, "") {
                            field(page, level + 1, key, value, false);
                        }
                    }
                    other => page.line(level + 1, &shown(other)),
                }
            }
        }
        other => page.field(level, &label, shown(other)),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        other => crate::print::columns::shown(other),
    }
}

/// `restartPolicy` as `Restart Policy`; names that are no identifiers stay.
pub fn readable(key: &str) -> String {
    if !key.chars().all(|character| character.is_alphabetic() || character == '-') {
        return key.to_owned();
    }
    let parts = merged(split(key));
    let words = parts.into_iter().map(|part| match part.to_uppercase() {
        upper if ["API", "URL", "UID", "GUID"].contains(&upper.as_str()) => upper,
        _ if part.to_lowercase() == part => titled(&part),
        _ => part,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// `HTTPGet` stays one word: capitals keep the capitalised word after them.
fn merged(parts: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut parts = parts.into_iter().peekable();
    while let Some(mut part) = parts.next() {
        let capitals = part.len() >= 2 && part.chars().all(|c| !c.is_alphabetic() || c.is_uppercase());
        let next_capital = parts.peek().is_some_and(|next| next.starts_with(char::is_uppercase));
        if capitals && next_capital {
            part.push_str(&parts.next().unwrap_or_default());
        }
        out.push(part);
    }
    out
}

fn titled(part: &str) -> String {
    let mut characters = part.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// Splits where the class of characters changes; the last capital of a run goes with the small letters after it.
fn split(key: &str) -> Vec<String> {
    let class = |character: char| match character {
        c if c.is_lowercase() => 1,
        c if c.is_uppercase() => 2,
        c if c.is_numeric() => 3,
        _ => 4,
    };
    let mut runs: Vec<Vec<char>> = Vec::new();
    let mut last = 0;
    for character in key.chars() {
        match runs.last_mut() {
            Some(run) if class(character) == last => run.push(character),
            _ => runs.push(vec![character]),
        }
        last = class(character);
    }
    for at in 1..runs.len() {
        let (before, after) = runs.split_at_mut(at);
        if let (Some(upper), Some(lower)) = (before.last_mut(), after.first_mut())
            && upper.last().is_some_and(|c| c.is_uppercase())
            && lower.first().is_some_and(|c| c.is_lowercase())
            && let Some(capital) = upper.pop()
        {
            lower.insert(0, capital);
        }
    }
    runs.into_iter().filter(|run| !run.is_empty()).map(String::from_iter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable() {
        for (key, expected) in [
            ("restartPolicy", "Restart Policy"),
            ("apiVersion", "API Version"),
            ("uid", "UID"),
            ("podCIDR", "Pod CIDR"),
            ("podIPs", "Pod I Ps"),
            ("podCIDRs", "Pod CIDRs"),
            ("HTTPGet", "HTTPGet"),
            ("a/b", "a/b"),
            ("tls.crt", "tls.crt"),
            ("v1beta1", "v1beta1"),
        ] {
            assert_eq!(readable(key), expected, "{key}");
        }
    }
}
