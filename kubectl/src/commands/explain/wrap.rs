//! Text broken at blanks so that lines stay short.

/// Breaks lines longer than `limit` at blanks; words that are longer stand alone. Line breaks stay.
pub fn wrap(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / limit.max(1));
    let (mut word, mut blanks) = (String::new(), String::new());
    let (mut current, mut word_length, mut blanks_length) = (0, 0, 0);
    for character in text.chars() {
        if character == '\n' {
            if !word.is_empty() || current + blanks_length <= limit {
                out.push_str(&blanks);
            }
            out.push_str(&word);
            out.push('\n');
            word.clear();
            blanks.clear();
            (current, word_length, blanks_length) = (0, 0, 0);
        } else if character.is_whitespace() && character != '\u{a0}' {
            if blanks.is_empty() || !word.is_empty() {
                current += blanks_length + word_length;
                out.push_str(&blanks);
                out.push_str(&word);
                word.clear();
                blanks.clear();
                (word_length, blanks_length) = (0, 0);
            }
            blanks.push(character);
            blanks_length += 1;
        } else {
            word.push(character);
            word_length += 1;
            if current + word_length + blanks_length > limit && word_length < limit {
                out.push('\n');
                blanks.clear();
                (current, blanks_length) = (0, 0);
            }
        }
    }
    if !word.is_empty() || current + blanks_length <= limit {
        out.push_str(&blanks);
    }
    out.push_str(&word);
    out
}

/// Every line further in.
pub fn indent(text: &str, by: usize) -> String {
    let pad = " ".repeat(by);
    format!("{pad}{}", text.replace('\n', &format!("\n{pad}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(wrap("aaa bbb ccc", 7), "aaa bbb\nccc");
        assert_eq!(wrap("aaa bbbbbbbbb c", 5), "aaa\nbbbbbbbbb\nc");
        assert_eq!(wrap("a\nb \n", 7), "a\nb \n");
        assert_eq!(indent("a\nb", 2), "  a\n  b");
    }
}
