//! Descriptions of kinds and fields of the API, for OpenAPI, `explain` and the columns of tables.
//!
//! They are collected at build time from a library that carries them, into sorted text that stays in the
//! program's read-only data: what is never asked for takes no memory.

static TEXT: &str = include_str!(concat!(env!("OUT_DIR"), "/descriptions.txt"));

/// The description of a schema such as `io.k8s.api.core.v1.Pod`.
pub fn of_schema(schema: &str) -> Option<String> {
    find(&format!("{schema}/"))
}

/// The description of a field by its JSON name.
pub fn of_field(schema: &str, field: &str) -> Option<String> {
    find(&format!("{schema}/{field}"))
}

fn find(key: &str) -> Option<String> {
    let line = line_of(TEXT, key)?;
    Some(unescape(line))
}

/// Looks a key up in sorted lines `key<TAB>text`, by halving.
fn line_of<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let (mut low, mut high) = (0, text.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = text.as_bytes()[..middle].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let end = text.as_bytes()[start..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(text.len(), |at| start + at);
        let (found, description) = text.get(start..end)?.split_once('\t')?;
        match found.cmp(key) {
            std::cmp::Ordering::Equal => return Some(description),
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_halving() {
        let text = "a/\tA\na/x\tAX\nb/\tB\\nB\nc/y\tC\\\\\n";
        for (key, expected) in
            [("a/", Some("A")), ("a/x", Some("AX")), ("b/", Some("B\\nB")), ("c/y", Some("C\\\\"))]
        {
            assert_eq!(line_of(text, key), expected, "{key}");
        }
        for key in ["", "a", "a/y", "c/", "d"] {
            assert_eq!(line_of(text, key), None, "{key}");
        }
        assert_eq!(unescape("B\\nB\\\\n"), "B\nB\\n");
    }

    #[test]
    fn kinds_and_fields_are_described() {
        assert!(
            of_schema("io.k8s.api.core.v1.Pod").unwrap().starts_with("Pod is a collection of containers")
        );
        assert!(of_field("io.k8s.api.core.v1.PodSpec", "nodeName").is_some());
        assert!(of_field("io.k8s.api.core.v1.PodSpec", "nothing").is_none());
    }
}
