//! JSON value to YAML text, byte for byte as Go's library writes it: two spaces, lists level with their key,
//! texts quoted only where a reader would take them for something else, long texts folded at 80 columns.

use std::fmt::Write as _;

use serde_json::Value;

use super::resolve::{Scalar, is_base60_float, resolve};
use crate::quote::go_float;

/// Columns after which a text is folded at the next space.
const WIDTH: usize = 80;
/// Keys beyond this length take the long form `? key`.
const SIMPLE_KEY_LENGTH: usize = 128;

/// Writes a value, keys in the order they have.
pub fn to_string(value: &Value) -> String {
    let mut emitter = Emitter::default();
    match value {
        Value::Object(map) if !map.is_empty() => emitter.map(map, 0, false),
        Value::Array(items) if !items.is_empty() => emitter.list(items, 0, false),
        scalar => {
            emitter.scalar(scalar, 2, false);
            emitter.line();
        }
    }
    emitter.out
}

#[derive(Default)]
struct Emitter {
    out: String,
    column: usize,
    /// The last line ended by itself, as block texts do.
    at_line_start: bool,
}

impl Emitter {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
        self.at_line_start = false;
    }

    fn put_char(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
        self.at_line_start = false;
    }

    fn line(&mut self) {
        if !self.at_line_start {
            self.out.push('\n');
        }
        self.column = 0;
        self.at_line_start = true;
    }

    fn indent(&mut self, width: usize) {
        self.out.extend(std::iter::repeat_n(' ', width));
        self.column += width;
        if width > 0 {
            self.at_line_start = false;
        }
    }

    /// Entries of a map at `indent`; the first one goes on the line begun when `inline`.
    fn map(&mut self, map: &serde_json::Map<String, Value>, indent: usize, inline: bool) {
        for (position, (key, value)) in map.iter().enumerate() {
            if position > 0 || !inline {
                self.indent(indent);
            }
            let is_long = key.len() > SIMPLE_KEY_LENGTH || key.contains(is_break);
            if is_long {
                self.put("? ");
                self.text(key, indent + 2, false);
                self.line();
                self.indent(indent);
            } else {
                self.text(key, indent + 2, true);
            }
            self.put(":");
            match value {
                // After a long key the value begins on the line of its colon.
                Value::Object(inner) if is_long && !inner.is_empty() => {
                    self.put(" ");
                    self.map(inner, indent + 2, true);
                }
                Value::Array(items) if is_long && !items.is_empty() => {
                    self.put(" ");
                    self.list(items, indent + 2, true);
                }
                Value::Object(inner) if !inner.is_empty() => {
                    self.line();
                    self.map(inner, indent + 2, false);
                }
                Value::Array(items) if !items.is_empty() => {
                    self.line();
                    self.list(items, indent, false);
                }
                scalar => {
                    self.put(" ");
                    self.scalar(scalar, indent + 2, false);
                    self.line();
                }
            }
        }
    }

    /// Elements of a list at `indent`.
    fn list(&mut self, items: &[Value], indent: usize, inline: bool) {
        for (position, item) in items.iter().enumerate() {
            if position > 0 || !inline {
                self.indent(indent);
            }
            self.put("- ");
            match item {
                Value::Object(inner) if !inner.is_empty() => self.map(inner, indent + 2, true),
                Value::Array(inner) if !inner.is_empty() => self.list(inner, indent + 2, true),
                scalar => {
                    self.scalar(scalar, indent + 2, false);
                    self.line();
                }
            }
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize, is_key: bool) {
        match value {
            Value::Null => self.put("null"),
            Value::Bool(value) => self.put(if *value { "true" } else { "false" }),
            Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
                Some(float) => self.put(&go_float(float)),
                None => self.put(&number.to_string()),
            },
            Value::String(text) => self.text(text, indent, is_key),
            Value::Array(_) => self.put("[]"),
            Value::Object(_) => self.put("{}"),
        }
    }

    fn text(&mut self, text: &str, indent: usize, is_key: bool) {
        match style(text, is_key) {
            Style::Plain => self.folded(text, indent, is_key, |_| None),
            Style::Single => {
                self.put_char('\'');
                self.folded(text, indent, is_key, |character| (character == '\'').then_some("''"));
                self.put_char('\'');
            }
            Style::Double => self.double_quoted(text, indent, is_key),
            Style::Literal => self.literal(text, indent),
        }
    }

    /// Plain or single-quoted text. A break is doubled, as one alone would be read as a space.
    fn folded(
        &mut self,
        text: &str,
        indent: usize,
        is_key: bool,
        replace: impl Fn(char) -> Option<&'static str>,
    ) {
        let (mut spaces, mut breaks) = (false, false);
        let mut characters = text.chars().peekable();
        let mut first = true;
        while let Some(character) = characters.next() {
            let next = characters.peek().copied();
            if character == ' ' {
                let fold =
                    !is_key && !spaces && self.column > WIDTH && !first && !matches!(next, None | Some(' '));
                if fold {
                    self.fold(indent)
                } else {
                    self.put_char(' ')
                }
                spaces = true;
            } else if is_break(character) {
                if !breaks && character == '\n' {
                    self.out.push('\n');
                }
                self.out.push(character);
                self.column = 0;
                breaks = true;
            } else {
                if breaks {
                    self.indent(indent);
                }
                match replace(character) {
                    Some(replacement) => self.put(replacement),
                    None => self.put_char(character),
                }
                (spaces, breaks) = (false, false);
            }
            first = false;
        }
    }

    fn fold(&mut self, indent: usize) {
        self.out.push('\n');
        self.column = 0;
        self.indent(indent);
    }

    fn double_quoted(&mut self, text: &str, indent: usize, is_key: bool) {
        self.put_char('"');
        let mut spaces = false;
        let mut characters = text.chars().peekable();
        let mut first = true;
        while let Some(character) = characters.next() {
            let next = characters.peek().copied();
            if character == ' ' {
                if !is_key && !spaces && self.column > WIDTH && !first && next.is_some() {
                    self.fold(indent);
                    if next == Some(' ') {
                        self.put_char('\\');
                    }
                } else {
                    self.put_char(' ');
                }
                spaces = true;
            } else {
                if !is_printable(character) || is_break(character) || matches!(character, '"' | '\\') {
                    self.escape(character);
                } else {
                    self.put_char(character);
                }
                spaces = false;
            }
            first = false;
        }
        self.put_char('"');
    }

    fn escape(&mut self, character: char) {
        const NAMED: &[(char, &str)] = &[
            ('\0', "\\0"),
            ('\u{7}', "\\a"),
            ('\u{8}', "\\b"),
            ('\t', "\\t"),
            ('\n', "\\n"),
            ('\u{b}', "\\v"),
            ('\u{c}', "\\f"),
            ('\r', "\\r"),
            ('\u{1b}', "\\e"),
            ('"', "\\\""),
            ('\\', "\\\\"),
            ('\u{85}', "\\N"),
            ('\u{a0}', "\\_"),
            ('\u{2028}', "\\L"),
            ('\u{2029}', "\\P"),
        ];
        if let Some((_, escape)) = NAMED.iter().find(|(named, _)| *named == character) {
            return self.put(escape);
        }
        let mut escape = String::new();
        let code = character as u32;
        // Writing to a string cannot fail.
        let _ = match code {
            0..=0xff => write!(escape, "\\x{code:02X}"),
            0x100..=0xffff => write!(escape, "\\u{code:04X}"),
            _ => write!(escape, "\\U{code:08X}"),
        };
        self.put(&escape);
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put("|");
        if text.starts_with(|character| character == ' ' || is_break(character)) {
            self.put("2");
        }
        let mut back = text.chars().rev();
        match (back.next().map(is_break), back.next().map(is_break)) {
            (Some(true), Some(false)) => {}
            (Some(true), _) => self.put("+"),
            _ => self.put("-"),
        }
        self.line();
        for line in text.split_inclusive(is_break) {
            let content = line.trim_end_matches(is_break);
            if !content.is_empty() {
                self.indent(indent);
                self.put(content);
            }
            self.out.push_str(&line[content.len()..]);
            self.column = 0;
            self.at_line_start = line.len() > content.len();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// What stands in the way of a style.
#[derive(Default)]
struct Analysis {
    indicators: bool,
    breaks: bool,
    special: bool,
    edge_space: bool,
    edge_break: bool,
    trailing_space: bool,
    break_space: bool,
    space_break: bool,
}

fn style(text: &str, is_key: bool) -> Style {
    let analysis = analyze(text);
    let may_be_literal = !(analysis.trailing_space || analysis.space_break || analysis.special);
    let may_be_single = !(analysis.break_space || analysis.space_break || analysis.special);
    if text.contains('\n') {
        return if may_be_literal && !is_key { Style::Literal } else { Style::Double };
    }
    let means_text = matches!(resolve(text), Scalar::Text) && !is_base60_float(text);
    if !means_text || (is_key && analysis.breaks) {
        return Style::Double;
    }
    let may_be_plain = may_be_single
        && !(analysis.edge_space || analysis.edge_break || analysis.breaks || analysis.indicators);
    match (may_be_plain, may_be_single) {
        (true, _) => Style::Plain,
        (false, true) => Style::Single,
        (false, false) => Style::Double,
    }
}

fn analyze(text: &str) -> Analysis {
    let mut found = Analysis {
        indicators: text.starts_with("---") || text.starts_with("..."),
        edge_space: text.starts_with(' ') || text.ends_with(' '),
        edge_break: text.starts_with(is_break) || text.ends_with(is_break),
        trailing_space: text.ends_with(' '),
        ..Analysis::default()
    };
    let (mut after_blank, mut after_space, mut after_break) = (true, false, false);
    let mut characters = text.chars().peekable();
    let mut first = true;
    while let Some(character) = characters.next() {
        let before_blank = characters.peek().is_none_or(|next| is_blank(*next));
        found.indicators |= match character {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
            | '`'
                if first =>
            {
                true
            }
            '?' | '-' if first => before_blank,
            ':' => before_blank,
            '#' => after_blank,
            _ => false,
        };
        found.special |= !is_printable(character);
        if character == ' ' {
            found.break_space |= after_break;
            (after_space, after_break) = (true, false);
        } else if is_break(character) {
            found.breaks = true;
            found.space_break |= after_space;
            (after_space, after_break) = (false, true);
        } else {
            (after_space, after_break) = (false, false);
        }
        after_blank = is_blank(character) || is_break(character);
        first = false;
    }
    found
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What Go's library writes as it is; it escapes everything beyond the basic plane.
fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}
