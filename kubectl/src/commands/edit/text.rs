//! The text of an edited file: what is said above it, and what of it counts.

/// Why a file is edited once more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// In one line.
    head: String,
    /// Its parts.
    pub details: Vec<String>,
}

impl Reason {
    /// A reason without parts.
    pub fn new(head: String) -> Reason {
        Reason { head, details: Vec::new() }
    }
}

/// The comment above the objects.
pub fn header(reasons: &[Reason]) -> String {
    let mut text = "# Please edit the object below. Lines beginning with a '#' will be ignored,\n# and an empty file will abort the edit. If an error occurs while saving this file will be\n# reopened with the relevant failures.\n#\n".to_owned();
    for reason in reasons {
        let end = if reason.details.is_empty() { "" } else { ":" };
        text.push_str(&format!("# {}{end}\n", commented(&reason.head)));
        for detail in &reason.details {
            text.push_str(&format!("# * {}\n", commented(detail)));
        }
        text.push_str("#\n");
    }
    text
}

/// Further lines of a comment are comments, too.
fn commented(text: &str) -> String {
    text.trim_end_matches('\n').replace("\n#", "\n").replace('\n', "\n# ")
}

/// The text without lines that are comments.
pub fn without_header(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

/// What of a text counts for the comparison of two.
pub fn meaning(text: &str) -> String {
    match machinery::codec::yaml::from_str(text) {
        // What is JSON underneath is compared as that: comments and layout do not count.
        Ok(value) => value.to_string(),
        Err(_) => without_header(text).replace('\r', ""),
    }
}

/// Whether anything but comments and blanks is left.
pub fn has_lines(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_comments() {
        let mut reason = Reason::new("pods \"p\" was not valid".to_owned());
        reason.details = vec!["spec.x: Invalid value\nmore".to_owned()];
        let text = header(&[reason, Reason::new("other".to_owned())]);
        assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
        assert!(text.ends_with("# pods \"p\" was not valid:\n# * spec.x: Invalid value\n# more\n#\n# other\n#\n"), "{text}");
        assert_eq!(without_header(&format!("{text}a: 1\n")), "a: 1\n");
    }

    #[test]
    fn comments_and_layout_do_not_count() {
        assert_eq!(meaning("# x\na: 1\nb: {c: d}\n"), meaning("a: 1\r\nb:\r\n  c: d\r\n"));
        assert_ne!(meaning("a: 1\n"), meaning("a: 2\n"));
        assert!(!has_lines("# x\n\n  \n"));
        assert!(has_lines("# x\na\n"));
    }
}
