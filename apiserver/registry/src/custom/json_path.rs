//! The JSON paths that definitions use: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`.

use serde_json::Value;

/// One step of a path.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    Every,
    Filter { path: Vec<Step>, comparison: Option<(Comparison, Value)> },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// A compiled path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Vec<Step>);

impl JsonPath {
    /// Reads `.a.b[0]['c'][*][?(@.d=="e")]`.
    pub fn parse(text: &str) -> Result<JsonPath, String> {
        let text = text.trim();
        let text = text.strip_prefix('$').unwrap_or(text);
        steps(text).map(JsonPath)
    }

    /// The names of a path of fields alone; nothing when there are other steps.
    pub fn fields(&self) -> Option<Vec<&str>> {
        self.0
            .iter()
            .map(|step| if let Step::Field(name) = step { Some(name.as_str()) } else { None })
            .collect()
    }

    /// The first value the path leads to.
    pub fn first<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        walk(&self.0, value).into_iter().next()
    }
}

fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = closing(inner).ok_or_else(|| "unterminated array".to_owned())?;
            steps.push(bracket(inner.get(..end).unwrap_or_default())?);
            rest = inner.get(end + 1..).unwrap_or_default();
            continue;
        }
        let field = rest.strip_prefix('.').unwrap_or(rest);
        let (name, length) = field_name(field);
        if name.is_empty() {
            if field.starts_with('[') && rest.starts_with('.') {
                rest = field;
                continue;
            }
            return Err(format!(
                "unrecognized character in action: {:?}",
                field.chars().next().unwrap_or('.')
            ));
        }
        steps.push(if name == "*" { Step::Every } else { Step::Field(name) });
        rest = field.get(length..).unwrap_or_default();
    }
    Ok(steps)
}

/// A name up to the next dot or bracket; a backslash takes the next character as it is.
fn field_name(text: &str) -> (String, usize) {
    let (mut name, mut escaped) = (String::new(), false);
    for (offset, character) in text.char_indices() {
        match character {
            _ if escaped => {
                name.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '.' | '[' => return (name, offset),
            _ => name.push(character),
        }
    }
    (name, text.len())
}

/// Where the bracket that has been opened closes.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0usize, None);
    for (offset, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(offset),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn unquoted(text: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
}

fn bracket(text: &str) -> Result<Step, String> {
    let text = text.trim();
    if text == "*" {
        return Ok(Step::Every);
    }
    if let Some(name) = unquoted(text) {
        return Ok(Step::Field(name.to_owned()));
    }
    if let Some(condition) = text.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        return filter(condition.trim());
    }
    text.parse().map(Step::Index).map_err(|_| format!("invalid array index {text}"))
}

fn filter(condition: &str) -> Result<Step, String> {
    let found = COMPARISONS.iter().find_map(|(sign, comparison)| {
        let (left, right) = condition.split_once(sign)?;
        Some((left.trim(), *comparison, right.trim()))
    });
    let (left, comparison) = match found {
        None => (condition, None),
        Some((left, comparison, right)) => {
            let value = match unquoted(right) {
                Some(text) => Value::from(text),
                None => serde_json::from_str(right).map_err(|_| format!("cannot compare with {right}"))?,
            };
            (left, Some((comparison, value)))
        }
    };
    let path = left.strip_prefix('@').ok_or_else(|| format!("filter {condition} does not begin with @"))?;
    Ok(Step::Filter { path: steps(path)?, comparison })
}

fn walk<'v>(steps: &[Step], value: &'v Value) -> Vec<&'v Value> {
    let Some((step, rest)) = steps.split_first() else { return vec![value] };
    let next: Vec<&Value> = match (step, value) {
        (Step::Field(name), Value::Object(object)) => object.get(name).into_iter().collect(),
        (Step::Index(index), Value::Array(list)) => {
            let at = if *index < 0 { index + list.len() as i64 } else { *index };
            usize::try_from(at).ok().and_then(|at| list.get(at)).into_iter().collect()
        }
        (Step::Every, Value::Array(list)) => list.iter().collect(),
        (Step::Every, Value::Object(object)) => object.values().collect(),
        (Step::Filter { path, comparison }, Value::Array(list)) => {
            list.iter().filter(|item| passes(path, comparison.as_ref(), item)).collect()
        }
        _ => Vec::new(),
    };
    next.into_iter().flat_map(|value| walk(rest, value)).collect()
}

fn passes(path: &[Step], comparison: Option<&(Comparison, Value)>, item: &Value) -> bool {
    let found = walk(path, item);
    let (Some(found), Some((comparison, wanted))) = (found.first(), comparison) else {
        return comparison.is_none() && !found.is_empty();
    };
    let order = || match (found.as_f64(), wanted.as_f64()) {
        (Some(left), Some(right)) => left.partial_cmp(&right),
        _ => found.as_str()?.partial_cmp(wanted.as_str()?),
    };
    match comparison {
        Comparison::Equal => *found == wanted,
        Comparison::NotEqual => *found != wanted,
        Comparison::Less => order().is_some_and(std::cmp::Ordering::is_lt),
        Comparison::LessOrEqual => order().is_some_and(std::cmp::Ordering::is_le),
        Comparison::Greater => order().is_some_and(std::cmp::Ordering::is_gt),
        Comparison::GreaterOrEqual => order().is_some_and(std::cmp::Ordering::is_ge),
    }
}
