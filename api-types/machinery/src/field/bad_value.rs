//! The offending value of a validation error and how messages show it.

use std::fmt;

use serde_json::Value;

use crate::quote::{go_float, go_json, go_quote};

/// A value as messages show it: text is quoted, numbers and booleans are bare, the rest is JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum BadValue {
    /// Messages say nothing of the value.
    Omitted,
    /// A text, shown between quotes.
    Text(String),
    /// Anything else, shown as JSON.
    Json(Value),
    /// Ready text, shown as it is.
    Literal(String),
}

impl BadValue {
    /// What upstream stores in place of a value that is too long to repeat.
    pub(super) fn omitted_text() -> BadValue {
        BadValue::Text("<value omitted>".to_owned())
    }
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadValue::Omitted => Ok(()),
            BadValue::Text(text) => f.write_str(&go_quote(text)),
            BadValue::Json(value) => f.write_str(&go_json(value)),
            BadValue::Literal(text) => f.write_str(text),
        }
    }
}

impl From<&str> for BadValue {
    fn from(text: &str) -> BadValue {
        BadValue::Text(text.to_owned())
    }
}

impl From<&String> for BadValue {
    fn from(text: &String) -> BadValue {
        BadValue::Text(text.clone())
    }
}

impl From<String> for BadValue {
    fn from(text: String) -> BadValue {
        BadValue::Text(text)
    }
}

impl From<Value> for BadValue {
    fn from(value: Value) -> BadValue {
        BadValue::Json(value)
    }
}

/// Absent values are `null`, as a nil pointer is.
impl<T: Into<BadValue>> From<Option<T>> for BadValue {
    fn from(value: Option<T>) -> BadValue {
        value.map_or(BadValue::Json(Value::Null), Into::into)
    }
}

/// Lists and maps of plain values are shown as JSON.
macro_rules! shown_as_json {
    ($($from:ty),*) => {$(
        impl From<$from> for BadValue {
            fn from(value: $from) -> BadValue {
                BadValue::Json(Value::from(value))
            }
        }
    )*};
}
shown_as_json!(bool, i32, i64, u16, u32, u64, usize, Vec<String>, &[String]);

impl From<f64> for BadValue {
    fn from(value: f64) -> BadValue {
        BadValue::Literal(go_float(value))
    }
}

impl From<&Vec<String>> for BadValue {
    fn from(values: &Vec<String>) -> BadValue {
        values.as_slice().into()
    }
}

impl From<&std::collections::BTreeMap<String, String>> for BadValue {
    fn from(map: &std::collections::BTreeMap<String, String>) -> BadValue {
        let entries = map.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
        BadValue::Json(Value::Object(entries.collect()))
    }
}

impl From<crate::quantity::Quantity> for BadValue {
    fn from(quantity: crate::quantity::Quantity) -> BadValue {
        BadValue::Text(quantity.to_string())
    }
}

impl From<&crate::quantity::Quantity> for BadValue {
    fn from(quantity: &crate::quantity::Quantity) -> BadValue {
        BadValue::Text(quantity.to_string())
    }
}
