//! Reads one variable out of a file of `NAME='value'` lines (`fileKeyRef`).

/// Why a file of variables is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvFileError {
    #[error("invalid environment variable format at line {line}: {rule}")]
    Format { line: usize, rule: &'static str },
    #[error("invalid environment variable format starting at line {line}: unclosed single quote")]
    Unclosed { line: usize },
}

/// The value of a variable; `None` when the file has no such line. Values stand in single quotes and may span lines.
pub fn value_in(text: &str, key: &str) -> Result<Option<String>, EnvFileError> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    while let Some((line, text)) = lines.next() {
        let text = text.trim_start_matches([' ', '\t']);
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let format = |rule| EnvFileError::Format { line, rule };
        let (name, value) = text.split_once('=').ok_or(format("missing '='"))?;
        let trimmed = name.trim_end_matches([' ', '\t']);
        if trimmed.is_empty() {
            return Err(format("empty variable name"));
        }
        if trimmed != name {
            return Err(format("whitespace before '=' is not allowed"));
        }
        if value.starts_with([' ', '\t']) {
            // As in a shell: the variable is empty and the rest is something else.
            if name == key {
                return Ok(Some(String::new()));
            }
            continue;
        }
        let mut rest = value.strip_prefix('\'').ok_or(format("value must be enclosed in single quotes"))?;
        let mut collected = String::new();
        let mut last = line;
        loop {
            if let Some((inside, after)) = rest.split_once('\'') {
                collected.push_str(inside);
                let after = after.trim_start_matches([' ', '\t']);
                if !after.is_empty() && !after.starts_with('#') {
                    return Err(EnvFileError::Format {
                        line: last,
                        rule: "unexpected content after closing quote",
                    });
                }
                break;
            }
            collected.push_str(rest);
            collected.push('\n');
            (last, rest) = lines.next().ok_or(EnvFileError::Unclosed { line })?;
        }
        if name == key {
            return Ok(Some(collected));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let check = |text: &str, expected: Result<Option<&str>, &str>| {
            let found = value_in(text, "KEY").map_err(|error| error.to_string());
            assert_eq!(
                found,
                expected.map(|value| value.map(str::to_owned)).map_err(str::to_owned),
                "{text}"
            );
        };
        check("# c\n\n  A='1'\nKEY='v' # note\n", Ok(Some("v")));
        check("KEY='a\nb'\n", Ok(Some("a\nb")));
        check("KEY= 'a'", Ok(Some("")));
        check("A='1'", Ok(None));
        check("KEY", Err("invalid environment variable format at line 1: missing '='"));
        check(
            "KEY='a' b",
            Err("invalid environment variable format at line 1: unexpected content after closing quote"),
        );
        check(
            "\nKEY='a",
            Err("invalid environment variable format starting at line 2: unclosed single quote"),
        );
        check(
            "KEY=a",
            Err("invalid environment variable format at line 1: value must be enclosed in single quotes"),
        );
    }
}
