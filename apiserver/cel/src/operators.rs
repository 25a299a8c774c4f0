//! Operators, by the names the parser gives them.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::evaluate::{Budget, EvaluationError, Outcome};
use crate::value::Value;

/// Names of operators that [`apply`] and the walk know.
pub(crate) const NAMES: &[&str] = &[
    "_?_:_",
    "_&&_",
    "_||_",
    "!_",
    "_-_",
    "_+_",
    "_*_",
    "_/_",
    "_%_",
    "_==_",
    "_!=_",
    "_>=_",
    "_<=_",
    "_>_",
    "_<_",
    "-_",
    "_[_]",
    "_[?_]",
    "_?._",
    "@in",
    "@not_strictly_false",
];

/// Applies an operator; `None` when the name is none.
pub(crate) fn apply(name: &str, arguments: &[Value], budget: &mut Budget) -> Option<Outcome> {
    Some(match (name, arguments) {
        ("!_", [Value::Bool(value)]) => Ok(Value::Bool(!value)),
        ("-_", [Value::Int(value)]) => whole(value.checked_neg()),
        ("-_", [Value::Double(value)]) => Ok(Value::Double(-value)),
        ("_==_" | "_!=_", [left, right]) => match budget.walk(left.size().min(right.size())) {
            Ok(()) => Ok(Value::Bool((left == right) == (name == "_==_"))),
            Err(error) => Err(error),
        },
        ("_<_" | "_<=_" | "_>_" | "_>=_", [left, right]) => {
            budget.walk(left.size().min(right.size())).and_then(|()| ordered(name, left, right))
        }
        ("_-_" | "_*_" | "_/_" | "_%_", [left, right]) => arithmetic(name, left, right),
        ("@in", [value, within]) => {
            budget.walk(within.size()).and_then(|()| is_in(value, within)).map(Value::Bool)
        }
        ("_[_]", [of, key]) => at(of, key),
        ("_[?_]", [of, key]) => optional_at(of.clone(), key),
        _ if NAMES.contains(&name) => Err(EvaluationError::no_overload()),
        _ => return None,
    })
}

fn whole(value: Option<i64>) -> Outcome {
    value.map(Value::Int).ok_or_else(|| EvaluationError::new("integer overflow"))
}

fn unsigned(value: Option<u64>) -> Outcome {
    value.map(Value::Uint).ok_or_else(|| EvaluationError::new("unsigned integer overflow"))
}

/// `+`, which takes most types.
pub(crate) fn add(left: Value, right: Value, budget: &mut Budget) -> Outcome {
    let overflow = || EvaluationError::new("timestamp overflow");
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => whole(left.checked_add(right)),
        (Value::Uint(left), Value::Uint(right)) => unsigned(left.checked_add(right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left + right)),
        (Value::String(left), Value::String(right)) => {
            budget.walk((left.len() + right.len()) as u64)?;
            Ok(Value::text(format!("{left}{right}")))
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            budget.walk((left.len() + right.len()) as u64)?;
            Ok(Value::Bytes([&left[..], &right[..]].concat().into()))
        }
        (Value::List(mut left), Value::List(right)) => {
            budget.walk((left.len() + right.len()) as u64)?;
            Arc::make_mut(&mut left).extend(right.iter().cloned());
            Ok(Value::List(left))
        }
        (Value::Duration(left), Value::Duration(right)) => left
            .checked_add(right)
            .map(Value::Duration)
            .ok_or_else(|| EvaluationError::new("duration overflow")),
        (Value::Timestamp(time), Value::Duration(more)) | (Value::Duration(more), Value::Timestamp(time)) => {
            time.checked_add(more).map(Value::Timestamp).map_err(|_| overflow())
        }
        _ => Err(EvaluationError::no_overload()),
    }
}

fn arithmetic(name: &str, left: &Value, right: &Value) -> Outcome {
    let zero = || EvaluationError::new(if name == "_%_" { "modulus by zero" } else { "division by zero" });
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => match name {
            "_-_" => whole(left.checked_sub(*right)),
            "_*_" => whole(left.checked_mul(*right)),
            _ if *right == 0 => Err(zero()),
            "_/_" => whole(left.checked_div(*right)),
            _ => whole(left.checked_rem(*right)),
        },
        (Value::Uint(left), Value::Uint(right)) => match name {
            "_-_" => unsigned(left.checked_sub(*right)),
            "_*_" => unsigned(left.checked_mul(*right)),
            _ if *right == 0 => Err(zero()),
            "_/_" => unsigned(left.checked_div(*right)),
            _ => unsigned(left.checked_rem(*right)),
        },
        (Value::Double(left), Value::Double(right)) => match name {
            "_-_" => Ok(Value::Double(left - right)),
            "_*_" => Ok(Value::Double(left * right)),
            "_/_" => Ok(Value::Double(left / right)),
            _ => Err(EvaluationError::no_overload()),
        },
        (Value::Timestamp(left), Value::Timestamp(right)) if name == "_-_" => {
            Ok(Value::Duration(left.duration_since(*right)))
        }
        (Value::Timestamp(left), Value::Duration(right)) if name == "_-_" => left
            .checked_sub(*right)
            .map(Value::Timestamp)
            .map_err(|_| EvaluationError::new("timestamp overflow")),
        (Value::Duration(left), Value::Duration(right)) if name == "_-_" => left
            .checked_sub(*right)
            .map(Value::Duration)
            .ok_or_else(|| EvaluationError::new("duration overflow")),
        _ => Err(EvaluationError::no_overload()),
    }
}

fn ordered(name: &str, left: &Value, right: &Value) -> Outcome {
    let numbers = [left, right]
        .into_iter()
        .all(|value| matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_)));
    let same = left.type_name() == right.type_name() && !matches!(left, Value::Quantity(_));
    let Some(order) = left.compare(right).filter(|_| numbers || same) else {
        // Not a number is in no order to anything.
        return if numbers { Ok(Value::Bool(false)) } else { Err(EvaluationError::no_overload()) };
    };
    Ok(Value::Bool(match name {
        "_<_" => order == Ordering::Less,
        "_<=_" => order != Ordering::Greater,
        "_>_" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }))
}

fn is_in(value: &Value, within: &Value) -> Result<bool, EvaluationError> {
    match within {
        Value::List(values) => Ok(values.contains(value)),
        Value::Map(fields) => Ok(value.as_key().is_some_and(|key| fields.contains_key(&key))),
        _ => Err(EvaluationError::no_overload()),
    }
}

fn index(key: &Value) -> Option<i128> {
    match key.as_key() {
        Some(crate::value::Key::Number(number)) => Some(number),
        _ => None,
    }
}

fn at(of: &Value, key: &Value) -> Outcome {
    match of {
        Value::List(values) => {
            let number = index(key).ok_or_else(EvaluationError::no_overload)?;
            let found = usize::try_from(number).ok().and_then(|number| values.get(number));
            found.cloned().ok_or_else(|| EvaluationError::new(format!("index out of bounds: {number}")))
        }
        Value::Map(fields) => {
            let wanted = key.as_key().ok_or_else(EvaluationError::no_overload)?;
            fields.get(&wanted).cloned().ok_or_else(|| {
                EvaluationError::no_key(&match key {
                    Value::String(text) => text.to_string(),
                    other => format!("{other:?}"),
                })
            })
        }
        Value::Optional(inner) => Ok(maybe_at(inner.as_deref().cloned(), key)),
        _ => Err(EvaluationError::no_overload()),
    }
}

/// What stands at a key, if anything does.
pub(crate) fn maybe_at(of: Option<Value>, key: &Value) -> Value {
    Value::Optional(of.and_then(|of| at(&of, key).ok()).map(Box::new))
}

/// `a.?b` and `a[?b]`.
pub(crate) fn optional_at(of: Value, key: &Value) -> Outcome {
    match of {
        Value::Optional(inner) => Ok(maybe_at(inner.map(|inner| *inner), key)),
        Value::List(_) | Value::Map(_) => Ok(maybe_at(Some(of), key)),
        _ => Err(EvaluationError::no_overload()),
    }
}
