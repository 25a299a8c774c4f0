//! Finds what JSONPath templates point at.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Comparison, JsonPathError, Node, Operand, Step};

type Result<T> = std::result::Result<T, JsonPathError>;

/// What paths start from.
#[derive(Clone, Copy)]
struct Scope<'v> {
    root: &'v Value,
    allow_missing: bool,
}

/// The text of nodes for a value.
pub fn render(nodes: &[Node], value: &Value, allow_missing: bool) -> Result<String> {
    let mut out = String::new();
    render_nodes(nodes, value, Scope { root: value, allow_missing }, &mut out)?;
    Ok(out)
}

fn render_nodes<'v>(nodes: &'v [Node], here: &'v Value, scope: Scope<'v>, out: &mut String) -> Result<()> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Path(path) => {
                let found = walk(path, here, scope)?;
                let texts: Vec<String> = found.into_iter().map(shown).collect();
                out.push_str(&texts.join(" "));
            }
            Node::Range(path, inner) => {
                for element in walk(path, here, scope)? {
                    render_nodes(inner, element, scope, out)?;
                }
            }
        }
    }
    Ok(())
}

/// Every value found by the paths.
pub fn find_all<'v>(nodes: &[Node], value: &'v Value, allow_missing: bool) -> Result<Vec<&'v Value>> {
    let scope = Scope { root: value, allow_missing };
    let mut all = Vec::new();
    for node in nodes {
        match node {
            Node::Text(_) => {}
            Node::Path(path) => all.extend(walk(path, value, scope)?),
            Node::Range(path, inner) => {
                for element in walk(path, value, scope)? {
                    all.extend(find_all(inner, element, allow_missing)?);
                }
            }
        }
    }
    Ok(all)
}

/// A value as printed: texts bare, objects and lists as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Object(_) | Value::Array(_) => crate::print::structured::compact_json(value),
        other => other.to_string(),
    }
}

fn walk<'v>(path: &[Step], here: &'v Value, scope: Scope<'v>) -> Result<Vec<&'v Value>> {
    let mut found = vec![here];
    for step in path {
        let mut next = Vec::new();
        for value in found {
            take(step, value, scope, &mut next)?;
        }
        found = next;
    }
    Ok(found)
}

fn take<'v>(step: &Step, value: &'v Value, scope: Scope<'v>, out: &mut Vec<&'v Value>) -> Result<()> {
    match step {
        Step::Root => out.push(scope.root),
        Step::Field(name) => match value.get(name) {
            Some(child) => out.push(child),
            None if scope.allow_missing => {}
            None => return Err(JsonPathError(format!("{name} is not found"))),
        },
        Step::Wildcard => match value {
            Value::Object(map) => out.extend(sorted(map)),
            Value::Array(items) => out.extend(items),
            _ => {}
        },
        Step::Recursive => descend(value, out),
        Step::Slice { start, end, step, single } => slice(value, *start, *end, *step, *single, out)?,
        Step::Filter(left, comparison, right) => {
            let Value::Array(items) = value else {
                return if scope.allow_missing || value.is_object() {
                    Ok(())
                } else {
                    Err(JsonPathError(format!("{value} is not array or slice and cannot be filtered")))
                };
            };
            for item in items {
                if passes(left, *comparison, right, item, scope)? {
                    out.push(item);
                }
            }
        }
        Step::Union(branches) => {
            for branch in branches {
                out.extend(walk(branch, value, scope)?);
            }
        }
        // A number or text among the steps stands for nothing in the data.
        Step::Literal(_) => {}
    }
    Ok(())
}

fn sorted(map: &serde_json::Map<String, Value>) -> Vec<&Value> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| key.as_str());
    entries.into_iter().map(|(_, value)| value).collect()
}

/// The value and everything below it that is an object or a list.
fn descend<'v>(value: &'v Value, out: &mut Vec<&'v Value>) {
    match value {
        Value::Object(map) => {
            out.push(value);
            sorted(map).into_iter().for_each(|child| descend(child, out));
        }
        Value::Array(items) => {
            out.push(value);
            items.iter().for_each(|child| descend(child, out));
        }
        _ => {}
    }
}

fn slice<'v>(
    value: &'v Value,
    start: Option<i64>,
    end: Option<i64>,
    step: i64,
    single: bool,
    out: &mut Vec<&'v Value>,
) -> Result<()> {
    let Value::Array(items) = value else {
        return if value.is_null() {
            Ok(())
        } else {
            Err(JsonPathError(format!("{value} is not array or slice")))
        };
    };
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let from_end = |index: i64| if index < 0 { index + length } else { index };
    let begin = from_end(start.unwrap_or(0));
    if single {
        return match usize::try_from(begin).ok().and_then(|at| items.get(at)) {
            Some(item) => {
                out.push(item);
                Ok(())
            }
            None => Err(JsonPathError(format!(
                "array index out of bounds: index {}, length {length}",
                start.unwrap_or(0)
            ))),
        };
    }
    let end = from_end(end.unwrap_or(length)).min(length);
    let mut at = begin.max(0);
    while at < end {
        if let Some(item) = usize::try_from(at).ok().and_then(|at| items.get(at)) {
            out.push(item);
        }
        at += step;
    }
    Ok(())
}

fn passes(
    left: &Operand,
    comparison: Comparison,
    right: &Operand,
    item: &Value,
    scope: Scope<'_>,
) -> Result<bool> {
    // In filters a missing field means "does not match".
    let lenient = Scope { root: scope.root, allow_missing: true };
    let side = |operand: &Operand| -> Result<Option<Value>> {
        match operand {
            Operand::Literal(value) => Ok(Some(value.clone())),
            Operand::Path(path) => Ok(walk(path, item, lenient)?.first().map(|value| (*value).clone())),
        }
    };
    let Some(left) = side(left)? else { return Ok(false) };
    if comparison == Comparison::Exists {
        return Ok(true);
    }
    let Some(right) = side(right)? else { return Ok(false) };
    let ordering = match (&left, &right) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().unwrap_or_default().partial_cmp(&b.as_f64().unwrap_or_default())
        }
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    };
    let Some(ordering) = ordering else {
        return Err(JsonPathError("incompatible types for comparison".to_owned()));
    };
    Ok(match comparison {
        Comparison::Exists => true,
        Comparison::Equal => ordering == Ordering::Equal,
        Comparison::NotEqual => ordering != Ordering::Equal,
        Comparison::Less => ordering == Ordering::Less,
        Comparison::LessOrEqual => ordering != Ordering::Greater,
        Comparison::Greater => ordering == Ordering::Greater,
        Comparison::GreaterOrEqual => ordering != Ordering::Less,
    })
}
