//! `$(NAME)` references in commands, arguments, environment values and sub-paths.

/// Replaces `$(NAME)` by what `lookup` gives. `$$` is a literal `$`; a reference nothing is known of stays as it is.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        result.push_str(before);
        let after = &after[1..];
        if let Some(tail) = after.strip_prefix('$') {
            result.push('$');
            rest = tail;
        } else if let Some(inner) = after.strip_prefix('(') {
            match inner.split_once(')') {
                Some((name, tail)) => {
                    match lookup(name) {
                        Some(value) => result.push_str(&value),
                        None => {
                            result.push_str("$(");
                            result.push_str(name);
                            result.push(')');
                        }
                    }
                    rest = tail;
                }
                None => {
                    result.push_str("$(");
                    rest = inner;
                }
            }
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let check = |text: &str, expected: &str| {
            let lookup = |name: &str| match name {
                "A" => Some("a".to_owned()),
                "EMPTY" => Some(String::new()),
                "REF" => Some("$(A)".to_owned()),
                _ => None,
            };
            assert_eq!(expand(text, lookup), expected, "{text}");
        };
        check("$(A)", "a");
        check("x-$(A)-$(A)", "x-a-a");
        check("$$(A)", "$(A)");
        check("$$$(A)", "$a");
        check("$(MISSING)", "$(MISSING)");
        check("$(EMPTY)|", "|");
        check("$(REF)", "$(A)");
        check("$(A", "$(A");
        check("$A $", "$A $");
        check("$", "$");
        check("über$(A)€", "überaá".replace('á', "€").as_str());
    }
}
