//! JSONPath in Kubernetes' dialect (`client-go/util/jsonpath`): templates with `{…}`, `range`, filters.

mod evaluate;
mod parse;
#[cfg(test)]
mod tests;

use serde_json::Value;

/// Why a template cannot be read or evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonPathError(pub String);

/// A parsed template.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    nodes: Vec<Node>,
    /// Missing fields are empty instead of an error.
    allow_missing: bool,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// Text outside of braces, or quoted inside.
    Text(String),
    /// One pair of braces: steps after each other.
    Path(Vec<Step>),
    /// `{range …}…{end}`
    Range(Vec<Step>, Vec<Node>),
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// `$`, the whole.
    Root,
    /// A field of an object; `*` in field position is [`Step::Wildcard`].
    Field(String),
    /// Every child.
    Wildcard,
    /// `..`: every descendant and the value itself.
    Recursive,
    /// `[start:end:step]`; a single index keeps `end` at `start + 1`.
    Slice { start: Option<i64>, end: Option<i64>, step: i64, single: bool },
    /// `[?(left operator right)]`
    Filter(Operand, Comparison, Operand),
    /// `['a','b']` or `[0,1]`
    Union(Vec<Vec<Step>>),
    /// A quoted text or number among steps.
    Literal(Value),
}

/// A side of a filter.
#[derive(Clone, Debug, PartialEq)]
enum Operand {
    /// A path from the element (`@`) or the root.
    Path(Vec<Step>),
    /// A text, number or truth value.
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Exists,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPath {
    /// Reads a template; `allow_missing` makes fields that are not there empty.
    pub fn parse(template: &str, allow_missing: bool) -> Result<JsonPath, JsonPathError> {
        Ok(JsonPath { nodes: parse::template(template)?, allow_missing })
    }

    /// Reads a single path, with or without braces and leading dot, as `--sort-by` and columns take it.
    pub fn parse_relaxed(path: &str, allow_missing: bool) -> Result<JsonPath, JsonPathError> {
        let inner = path.trim();
        let inner = inner.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(inner);
        if inner.contains(['{', '}']) {
            return Err(JsonPathError(format!(
                "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{{name1.name2}}' or '{{.name1.name2}}', got {path:?}"
            )));
        }
        let dot = if inner.starts_with(['.', '[', '$', '@']) { "" } else { "." };
        JsonPath::parse(&format!("{{{dot}{inner}}}"), allow_missing)
    }

    /// The text of the template for a value.
    pub fn render(&self, value: &Value) -> Result<String, JsonPathError> {
        evaluate::render(&self.nodes, value, self.allow_missing)
    }

    /// Every value the paths of the template find.
    pub fn find<'v>(&self, value: &'v Value) -> Result<Vec<&'v Value>, JsonPathError> {
        evaluate::find_all(&self.nodes, value, self.allow_missing)
    }
}
