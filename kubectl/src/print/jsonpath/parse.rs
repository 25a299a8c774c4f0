//! Reads JSONPath templates.

use serde_json::Value;

use super::{Comparison, JsonPathError, Node, Operand, Step};

type Result<T> = std::result::Result<T, JsonPathError>;

fn fail<T>(text: impl Into<String>) -> Result<T> {
    Err(JsonPathError(text.into()))
}

/// Reads text and braces.
pub fn template(text: &str) -> Result<Vec<Node>> {
    // The innermost open list of nodes is the last; each has the path of its range.
    let mut open: Vec<(Vec<Step>, Vec<Node>)> = vec![(Vec::new(), Vec::new())];
    let mut rest = text;
    while !rest.is_empty() {
        let Some(start) = rest.find('{') else {
            push(&mut open, Node::Text(rest.to_owned()));
            break;
        };
        if start > 0 {
            push(&mut open, Node::Text(rest[..start].to_owned()));
        }
        let body = &rest[start + 1..];
        let Some(length) = closing(body) else { return fail("unclosed action") };
        rest = &body[length + 1..];
        let inside = body[..length].trim();
        if inside == "end" {
            match open.pop() {
                Some((path, nodes)) if !open.is_empty() => push(&mut open, Node::Range(path, nodes)),
                _ => return fail("not in range, nothing to end"),
            }
        } else if let Some(path) =
            inside.strip_prefix("range").filter(|rest| rest.starts_with([' ', '.', '[', '$', '@']))
        {
            open.push((steps(path.trim())?, Vec::new()));
        } else {
            for node in action(inside)? {
                push(&mut open, node);
            }
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some((_, nodes)), true) => Ok(nodes),
        _ => fail("unclosed action: range without end"),
    }
}

fn push(open: &mut [(Vec<Step>, Vec<Node>)], node: Node) {
    if let Some((_, nodes)) = open.last_mut() {
        nodes.push(node);
    }
}

/// Where the brace that was opened before `text` closes; quotes are stepped over.
fn closing(text: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '}') => return Some(at),
            (None, _) => {}
        }
    }
    None
}

/// The inside of braces: quoted texts, or paths separated by blanks.
fn action(inside: &str) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    let mut rest = inside;
    while !rest.is_empty() {
        if rest.starts_with(['"', '\'']) {
            let (text, after) = quoted(rest)?;
            nodes.push(Node::Text(text));
            rest = after.trim_start();
        } else {
            let (path, after) = steps_until(rest)?;
            nodes.push(Node::Path(path));
            rest = after.trim_start();
        }
    }
    Ok(nodes)
}

/// A quoted text at the start, unescaped, and what follows it.
fn quoted(text: &str) -> Result<(String, &str)> {
    let mut characters = text.char_indices();
    let Some((_, quote)) = characters.next() else { return fail("unterminated quoted string") };
    let mut out = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, other)) => out.push(other),
                None => break,
            },
            _ if character == quote => return Ok((out, &text[at + character.len_utf8()..])),
            _ => out.push(character),
        }
    }
    fail("unterminated quoted string")
}

/// A whole path.
fn steps(text: &str) -> Result<Vec<Step>> {
    let (path, rest) = steps_until(text)?;
    if rest.trim().is_empty() { Ok(path) } else { fail(format!("unexpected text {rest:?} after a path")) }
}

/// A path at the start of a text, and what follows it.
fn steps_until(text: &str) -> Result<(Vec<Step>, &str)> {
    let mut path = Vec::new();
    let mut rest = text;
    loop {
        let Some(character) = rest.chars().next() else { return Ok((path, rest)) };
        match character {
            '$' => {
                path.push(Step::Root);
                rest = &rest[1..];
            }
            '@' => rest = &rest[1..],
            '.' if rest.starts_with("..") => {
                path.push(Step::Recursive);
                rest = &rest[1..];
                // What follows two dots is a field or a bracket.
                if rest[1..].starts_with('[') {
                    rest = &rest[1..];
                }
            }
            '.' => {
                let (name, after) = field(&rest[1..]);
                if name == "*" {
                    path.push(Step::Wildcard);
                } else if !name.is_empty() {
                    path.push(Step::Field(name));
                }
                rest = after;
            }
            '[' => {
                let Some(length) = bracket(&rest[1..]) else { return fail("unterminated array") };
                path.push(inside_brackets(rest[1..=length].trim())?);
                rest = &rest[length + 2..];
            }
            _ if character.is_whitespace() => return Ok((path, rest)),
            _ if path.is_empty() && (character.is_ascii_digit() || character == '-') => {
                let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
                return Ok((vec![Step::Literal(literal(&rest[..length])?)], &rest[length..]));
            }
            _ => return fail(format!("unrecognized identifier {}", field(rest).0)),
        }
    }
}

/// The name at the start of a text (a backslash takes the next character as it is), and what follows.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                if let Some((_, next)) = characters.next() {
                    name.push(next);
                }
            }
            '.' | '[' | ']' | '$' | '@' | '{' | '}' | ',' | '(' | ')' => return (name, &text[at..]),
            '=' | '!' | '<' | '>' | '|' | '&' => return (name, &text[at..]),
            _ if character.is_whitespace() => return (name, &text[at..]),
            _ => name.push(character),
        }
    }
    (name, "")
}

/// Where the bracket that was opened before `text` closes.
fn bracket(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

fn inside_brackets(text: &str) -> Result<Step> {
    if text == "*" {
        return Ok(Step::Wildcard);
    }
    if let Some(condition) = text.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        return filter(condition);
    }
    let parts = split_commas(text);
    if parts.len() > 1 {
        let union = parts.into_iter().map(|part| Ok(vec![inside_brackets(part.trim())?]));
        return Ok(Step::Union(union.collect::<Result<_>>()?));
    }
    if text.starts_with(['\'', '"']) {
        let (name, rest) = quoted(text)?;
        return if rest.is_empty() {
            Ok(Step::Field(name))
        } else {
            fail(format!("invalid array index {text}"))
        };
    }
    slice(text)
}

fn split_commas(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quote) = (Vec::new(), 0, None);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, ',') => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn slice(text: &str) -> Result<Step> {
    let number = |part: &str| -> Result<Option<i64>> {
        match part.trim() {
            "" => Ok(None),
            part => part.parse().map(Some).or_else(|_| fail(format!("invalid array index {text}"))),
        }
    };
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [one] => match number(one)? {
            Some(start) => Ok(Step::Slice { start: Some(start), end: None, step: 1, single: true }),
            None => fail(format!("invalid array index {text}")),
        },
        [start, end] => Ok(Step::Slice { start: number(start)?, end: number(end)?, step: 1, single: false }),
        [start, end, step] => {
            let step = number(step)?.unwrap_or(1);
            if step <= 0 {
                return fail("step must be > 0");
            }
            Ok(Step::Slice { start: number(start)?, end: number(end)?, step, single: false })
        }
        _ => fail(format!("invalid array index {text}")),
    }
}

const OPERATORS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

fn filter(condition: &str) -> Result<Step> {
    for logical in ["&&", "||"] {
        if condition.contains(logical) {
            return fail(format!("unrecognized character in action: {logical} is not supported in filters"));
        }
    }
    let mut quote = None;
    for (at, character) in condition.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, _) => {
                let found = OPERATORS.iter().find(|(sign, _)| condition[at..].starts_with(sign));
                if let Some((sign, comparison)) = found {
                    let (left, right) = (&condition[..at], &condition[at + sign.len()..]);
                    return Ok(Step::Filter(operand(left.trim())?, *comparison, operand(right.trim())?));
                }
            }
        }
    }
    let left = operand(condition.trim())?;
    Ok(Step::Filter(left, Comparison::Exists, Operand::Literal(Value::Null)))
}

fn operand(text: &str) -> Result<Operand> {
    if text.starts_with(['@', '$', '.', '[']) {
        return Ok(Operand::Path(steps(text)?));
    }
    Ok(Operand::Literal(literal(text)?))
}

fn literal(text: &str) -> Result<Value> {
    if text.starts_with(['\'', '"']) {
        return Ok(Value::String(quoted(text)?.0));
    }
    match text {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        _ => match serde_json::from_str(text) {
            Ok(Value::Number(number)) => Ok(Value::Number(number)),
            _ => fail(format!("unrecognized identifier {text}")),
        },
    }
}
