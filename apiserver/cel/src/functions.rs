//! Functions of the standard library, strings, lists, sets and optional values.

use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr, IdedExpr};
use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use crate::evaluate::{Budget, EvaluationError, Outcome};
use crate::value::Value;
use crate::{library, operators, times};

/// Every function; what is not here is undeclared.
const NAMES: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "dyn",
    "type",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "lowerAscii",
    "upperAscii",
    "replace",
    "split",
    "join",
    "substring",
    "trim",
    "isSorted",
    "sum",
    "min",
    "max",
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
    "optional.of",
    "optional.none",
    "optional.ofNonZeroValue",
    "hasValue",
    "value",
    "or",
    "orValue",
];

/// Namespaces in which functions live.
const NAMESPACES: &[&str] = &["sets", "optional", "ip"];

/// Whether there is a function or operator of this name.
pub(crate) fn is_known(name: &str) -> bool {
    NAMES.contains(&name) || operators::NAMES.contains(&name) || library::NAMES.contains(&name)
}

/// The type an identifier names.
pub(crate) fn type_of_name(name: &str) -> Option<&'static str> {
    ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"]
        .into_iter()
        .find(|known| *known == name)
}

/// The full name of a function in a namespace (`optional.of`), unless a variable is called like the namespace.
pub(crate) fn qualified(call: &CallExpr, is_variable: impl Fn(&str) -> bool) -> Option<String> {
    let IdedExpr { expr: Expr::Ident(namespace), .. } = call.target.as_deref()? else { return None };
    let found = NAMESPACES.contains(&namespace.as_str()) && !is_variable(namespace);
    found.then(|| format!("{namespace}.{}", call.func_name))
}

/// Calls a function; a receiver is the first argument.
pub(crate) fn call(name: &str, arguments: &[Value], budget: &mut Budget) -> Outcome {
    budget.walk(arguments.iter().map(Value::size).fold(0, u64::saturating_add))?;
    if let Some(done) = library::call(name, arguments, budget) {
        return done;
    }
    match arguments {
        [] if name == "optional.none" => Ok(Value::Optional(None)),
        [value] => unary(name, value, budget),
        [Value::String(text), Value::String(other)] => texts(name, text, other, budget),
        [Value::List(left), Value::List(right)] => sets(name, left, right, budget),
        [Value::List(values), other] if matches!(name, "indexOf" | "lastIndexOf") => {
            let found = match name {
                "indexOf" => values.iter().position(|value| value == other),
                _ => values.iter().rposition(|value| value == other),
            };
            Ok(Value::Int(found.map_or(-1, |at| at as i64)))
        }
        [Value::List(values), Value::String(separator)] if name == "join" => join(values, separator),
        [of, zone] if times::part(name, of, Some(zone)).is_some() => {
            times::part(name, of, Some(zone)).unwrap_or_else(|| Err(EvaluationError::no_overload()))
        }
        [Value::String(text), rest @ ..] => text_function(name, text, rest),
        _ => Err(EvaluationError::no_overload()),
    }
}

fn unary(name: &str, value: &Value, budget: &mut Budget) -> Outcome {
    let none = EvaluationError::no_overload;
    if let Some(part) = times::part(name, value, None) {
        return part;
    }
    match (name, value) {
        ("size", Value::String(text)) => Ok(Value::Int(text.chars().count() as i64)),
        ("size", Value::Bytes(_) | Value::List(_) | Value::Map(_)) => Ok(Value::Int(value.size() as i64)),
        ("dyn", _) => Ok(value.clone()),
        ("type", _) => Ok(Value::Type(value.type_name())),
        ("int" | "uint" | "double" | "string" | "bytes" | "bool" | "duration" | "timestamp", _) => {
            convert(name, value)
        }
        ("lowerAscii", Value::String(text)) => Ok(Value::text(text.to_ascii_lowercase())),
        ("upperAscii", Value::String(text)) => Ok(Value::text(text.to_ascii_uppercase())),
        ("trim", Value::String(text)) => Ok(Value::text(text.trim())),
        ("join", Value::List(values)) => join(values, ""),
        ("isSorted", Value::List(values)) => {
            for pair in values.windows(2) {
                let [left, right] = pair else { continue };
                if left.compare(right).ok_or_else(none)?.is_gt() {
                    return Ok(Value::Bool(false));
                }
            }
            Ok(Value::Bool(true))
        }
        ("sum", Value::List(values)) => {
            let mut values = values.iter().cloned();
            let first = values.next().unwrap_or(Value::Int(0));
            values.try_fold(first, |sum, value| operators::add(sum, value, budget))
        }
        ("min" | "max", Value::List(values)) => {
            let mut values = values.iter();
            let first =
                values.next().ok_or_else(|| EvaluationError::new(format!("{name} called on empty list")))?;
            let mut best = first;
            for value in values {
                let order = value.compare(best).ok_or_else(none)?;
                if (name == "min" && order.is_lt()) || (name == "max" && order.is_gt()) {
                    best = value;
                }
            }
            Ok(best.clone())
        }
        ("optional.of", _) => Ok(Value::Optional(Some(Box::new(value.clone())))),
        ("optional.ofNonZeroValue", _) => {
            let zero = match value {
                Value::Null | Value::Bool(false) | Value::Int(0) | Value::Uint(0) => true,
                Value::Double(number) => *number == 0.0,
                Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) => value.size() == 0,
                _ => false,
            };
            Ok(Value::Optional((!zero).then(|| Box::new(value.clone()))))
        }
        ("hasValue", Value::Optional(inner)) => Ok(Value::Bool(inner.is_some())),
        ("value", Value::Optional(inner)) => match inner {
            Some(inner) => Ok(*inner.clone()),
            None => Err(EvaluationError::new("optional.none() dereference")),
        },
        _ => Err(none()),
    }
}

fn convert(name: &str, value: &Value) -> Outcome {
    let impossible = || EvaluationError::new(format!("type conversion error from {value:?} to '{name}'"));
    let range = || EvaluationError::new("integer overflow");
    match (name, value) {
        ("int", Value::Int(_)) | ("uint", Value::Uint(_)) | ("double", Value::Double(_)) => Ok(value.clone()),
        ("string", Value::String(_)) | ("bytes", Value::Bytes(_)) | ("bool", Value::Bool(_)) => {
            Ok(value.clone())
        }
        ("duration", Value::Duration(_)) | ("timestamp", Value::Timestamp(_)) => Ok(value.clone()),
        ("int", Value::Uint(number)) => i64::try_from(*number).map(Value::Int).map_err(|_| range()),
        ("int", Value::Double(number)) if number.abs() < 9.2e18 => Ok(Value::Int(*number as i64)),
        ("int", Value::Double(_)) => Err(range()),
        ("int", Value::String(text)) => text.parse().map(Value::Int).map_err(|_| impossible()),
        ("int", Value::Timestamp(time)) => Ok(Value::Int(time.as_second())),
        ("uint", Value::Int(number)) => u64::try_from(*number).map(Value::Uint).map_err(|_| range()),
        ("uint", Value::Double(number)) if (0.0..1.8e19).contains(number) => Ok(Value::Uint(*number as u64)),
        ("uint", Value::Double(_)) => Err(range()),
        ("uint", Value::String(text)) => text.parse().map(Value::Uint).map_err(|_| impossible()),
        ("double", Value::Int(number)) => Ok(Value::Double(*number as f64)),
        ("double", Value::Uint(number)) => Ok(Value::Double(*number as f64)),
        ("double", Value::String(text)) => text.parse().map(Value::Double).map_err(|_| impossible()),
        ("string", Value::Int(number)) => Ok(Value::text(number.to_string())),
        ("string", Value::Uint(number)) => Ok(Value::text(number.to_string())),
        ("string", Value::Double(number)) => Ok(Value::text(number.to_string())),
        ("string", Value::Bool(value)) => Ok(Value::text(value.to_string())),
        ("string", Value::Timestamp(time)) => Ok(Value::text(time.to_string())),
        ("string", Value::Duration(duration)) => Ok(Value::text(format!("{}s", duration.as_secs_f64()))),
        ("string", Value::Bytes(bytes)) => {
            std::str::from_utf8(bytes).map(Value::text).map_err(|_| impossible())
        }
        ("string", Value::Ip(address)) => Ok(Value::text(address.to_string())),
        ("string", Value::Cidr(range)) => Ok(Value::text(range.to_string())),
        ("bytes", Value::String(text)) => Ok(Value::Bytes(Arc::from(text.as_bytes()))),
        ("bool", Value::String(text)) => match &**text {
            "1" | "t" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(impossible()),
        },
        ("duration", Value::String(text)) => {
            times::parse_duration(text).map(Value::Duration).ok_or_else(impossible)
        }
        ("duration", Value::Int(nanoseconds)) => {
            Ok(Value::Duration(SignedDuration::from_nanos(*nanoseconds)))
        }
        ("timestamp", Value::String(text)) => {
            times::parse_timestamp(text).map(Value::Timestamp).ok_or_else(impossible)
        }
        ("timestamp", Value::Int(seconds)) => {
            Timestamp::from_second(*seconds).map(Value::Timestamp).map_err(|_| impossible())
        }
        _ => Err(EvaluationError::no_overload()),
    }
}

/// Compiles a regular expression of a user; its size is bounded by the library.
pub(crate) fn pattern(text: &str) -> Result<Regex, EvaluationError> {
    Regex::new(text).map_err(|error| EvaluationError::new(format!("error parsing regexp: {error}")))
}

fn texts(name: &str, text: &Arc<str>, other: &str, budget: &mut Budget) -> Outcome {
    match name {
        "contains" => Ok(Value::Bool(text.contains(other))),
        "startsWith" => Ok(Value::Bool(text.starts_with(other))),
        "endsWith" => Ok(Value::Bool(text.ends_with(other))),
        "matches" => {
            budget.charge((text.len() as u64 / 10 + 1).saturating_mul(other.len() as u64 / 4 + 1))?;
            Ok(Value::Bool(pattern(other)?.is_match(text)))
        }
        _ => text_function(name, text, &[Value::text(other)]),
    }
}

fn text_function(name: &str, text: &Arc<str>, rest: &[Value]) -> Outcome {
    let bounds = |at: i64| EvaluationError::new(format!("index out of range: {at}"));
    let length = text.chars().count() as i64;
    let position = |at: i64| if (0..=length).contains(&at) { Ok(at as usize) } else { Err(bounds(at)) };
    // Positions count characters.
    let place = |found: Option<usize>| {
        let before = found.and_then(|at| text.get(..at));
        Value::Int(before.map_or(-1, |before| before.chars().count() as i64))
    };
    let slice =
        |from: usize, to: usize| text.chars().skip(from).take(to.saturating_sub(from)).collect::<String>();
    match (name, rest) {
        ("charAt", [Value::Int(at)]) => Ok(Value::text(slice(position(*at)?, position(*at)? + 1))),
        ("indexOf", [Value::String(other)]) => Ok(place(text.find(&**other))),
        ("lastIndexOf", [Value::String(other)]) => Ok(place(text.rfind(&**other))),
        ("indexOf", [Value::String(other), Value::Int(from)]) => {
            let skipped = slice(0, position(*from)?).len();
            let rest = text.get(skipped..).unwrap_or_default();
            Ok(place(rest.find(&**other).map(|at| at + skipped)))
        }
        ("replace", [Value::String(from), Value::String(to)]) => Ok(Value::text(text.replace(&**from, to))),
        ("replace", [Value::String(from), Value::String(to), Value::Int(most)]) => {
            let replaced = match usize::try_from(*most) {
                Ok(most) => text.replacen(&**from, to, most),
                Err(_) => text.replace(&**from, to),
            };
            Ok(Value::text(replaced))
        }
        ("split", [Value::String(separator)]) => Ok(split(text, separator, -1)),
        ("split", [Value::String(separator), Value::Int(most)]) => Ok(split(text, separator, *most)),
        ("substring", [Value::Int(from)]) => Ok(Value::text(slice(position(*from)?, text.len()))),
        ("substring", [Value::Int(from), Value::Int(to)]) => {
            let (from, to) = (position(*from)?, position(*to)?);
            if from > to {
                return Err(EvaluationError::new(format!(
                    "invalid substring range. start: {from}, end: {to}"
                )));
            }
            Ok(Value::text(slice(from, to)))
        }
        _ => Err(EvaluationError::no_overload()),
    }
}

fn split(text: &str, separator: &str, most: i64) -> Value {
    let pieces: Vec<String> = match (usize::try_from(most), separator) {
        (Ok(0), _) => Vec::new(),
        (Ok(most), "") => {
            let mut characters = text.chars();
            let mut pieces: Vec<String> =
                characters.by_ref().take(most - 1).map(|character| character.to_string()).collect();
            let rest: String = characters.collect();
            pieces.extend(Some(rest).filter(|rest| !rest.is_empty()));
            pieces
        }
        (Ok(most), separator) => text.splitn(most, separator).map(str::to_owned).collect(),
        (Err(_), "") => text.chars().map(|character| character.to_string()).collect(),
        (Err(_), separator) => text.split(separator).map(str::to_owned).collect(),
    };
    Value::list(pieces.iter().map(Value::text).collect())
}

fn join(values: &[Value], separator: &str) -> Outcome {
    let texts: Option<Vec<&str>> = values
        .iter()
        .map(|value| match value {
            Value::String(text) => Some(&**text),
            _ => None,
        })
        .collect();
    texts.map(|texts| Value::text(texts.join(separator))).ok_or_else(EvaluationError::no_overload)
}

fn sets(name: &str, left: &[Value], right: &[Value], budget: &mut Budget) -> Outcome {
    let compared = (left.len() as u64).saturating_mul(right.len() as u64);
    budget.walk(compared)?;
    let has_all = |all: &[Value], wanted: &[Value]| wanted.iter().all(|value| all.contains(value));
    match name {
        "sets.contains" => Ok(Value::Bool(has_all(left, right))),
        "sets.equivalent" => Ok(Value::Bool(has_all(left, right) && has_all(right, left))),
        "sets.intersects" => Ok(Value::Bool(left.iter().any(|value| right.contains(value)))),
        "indexOf" | "lastIndexOf" => {
            let wanted = Value::list(right.to_vec());
            let found = match name {
                "indexOf" => left.iter().position(|value| *value == wanted),
                _ => left.iter().rposition(|value| *value == wanted),
            };
            Ok(Value::Int(found.map_or(-1, |at| at as i64)))
        }
        _ => Err(EvaluationError::no_overload()),
    }
}
