//! Validation of values against a schema, in the words of upstream's validator (`kube-openapi/pkg/validation`).
//!
//! What an update leaves as it was is not judged again (upstream calls it ratcheting): `old` follows `new` down.

use machinery::field::{Error, ErrorList, Path};
use machinery::quote::go_float;
use serde_json::{Map, Value};

use super::formats;
use super::schema::{Additional, ListType, Schema};

/// Every rule that `new` breaks and that `old` did not break with the same value.
pub fn validate(new: &Value, old: Option<&Value>, schema: &Schema) -> ErrorList {
    let mut errors = ErrorList::new();
    Judge { errors: &mut errors }.value("", new, old, schema);
    errors
}

struct Judge<'e> {
    errors: &'e mut ErrorList,
}

fn at(path: &str) -> Path {
    if path.is_empty() { Path::nil() } else { Path::new(path.to_owned()) }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// JSON type of a value, in the schema's words.
pub fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl Judge<'_> {
    fn invalid(&mut self, path: &str, value: Value, detail: String) {
        self.errors.push(Error::invalid(&at(path), bad(value), format!("{path} in body {detail}")));
    }

    fn value(&mut self, path: &str, new: &Value, old: Option<&Value>, schema: &Schema) {
        if old == Some(new) {
            return;
        }
        self.type_of_value(path, new, schema);
        self.combinations(path, new, schema);
        match new {
            Value::String(text) => self.string(path, text, schema),
            Value::Number(number) => self.number(path, number.as_f64().unwrap_or_default(), new, schema),
            Value::Array(list) => self.list(path, list, old, schema),
            _ => {}
        }
        if !new.is_null() && !schema.allowed.is_empty() && !schema.allowed.contains(new) {
            let allowed = schema.allowed.iter().map(|value| match value {
                Value::String(text) => text.clone(),
                other => machinery::quote::go_json(other),
            });
            self.errors.push(Error::not_supported(&at(path), bad(new.clone()), allowed));
        }
        if let Value::Object(object) = new {
            self.object(path, object, old.and_then(Value::as_object), schema);
        }
    }

    fn type_of_value(&mut self, path: &str, value: &Value, schema: &Schema) {
        let wanted = if schema.int_or_string { "integer,string" } else { schema.kind.as_str() };
        if wanted.is_empty() || value.is_null() && schema.nullable {
            return;
        }
        let found = type_of(value);
        let fits = wanted.split(',').any(|kind| kind == found || kind == "number" && found == "integer");
        if !fits {
            let detail = format!("{path} in body must be of type {wanted}: \"{found}\"");
            self.errors.push(Error::type_invalid(&at(path), found, detail));
        }
    }

    fn combinations(&mut self, path: &str, value: &Value, schema: &Schema) {
        let judge = |schema: &Schema| {
            let mut errors = ErrorList::new();
            Judge { errors: &mut errors }.value(path, value, None, schema);
            errors
        };
        let refuse = |errors: &mut ErrorList, detail: &str| {
            errors.push(Error::invalid(&Path::nil(), "", format!("\"{path}\" {detail}")));
        };
        if !schema.any_of.is_empty() {
            let outcomes: Vec<ErrorList> = schema.any_of.iter().map(judge).collect();
            if !outcomes.iter().any(Vec::is_empty) {
                refuse(self.errors, "must validate at least one schema (anyOf)");
                self.errors.extend(nearest(outcomes));
            }
        }
        if !schema.one_of.is_empty() {
            let outcomes: Vec<ErrorList> = schema.one_of.iter().map(judge).collect();
            match outcomes.iter().filter(|errors| errors.is_empty()).count() {
                1 => {}
                0 => {
                    refuse(self.errors, "must validate one and only one schema (oneOf). Found none valid");
                    self.errors.extend(nearest(outcomes));
                }
                several => refuse(
                    self.errors,
                    &format!(
                        "must validate one and only one schema (oneOf). Found {several} valid alternatives"
                    ),
                ),
            }
        }
        let outcomes: Vec<ErrorList> = schema.all_of.iter().map(judge).collect();
        if outcomes.iter().any(|errors| !errors.is_empty()) {
            self.errors.extend(outcomes.into_iter().flatten());
            refuse(self.errors, "must validate all the schemas (allOf)");
        }
        if schema.not.as_deref().is_some_and(|not| judge(not).is_empty()) {
            refuse(self.errors, "must not validate the schema (not)");
        }
    }

    fn string(&mut self, path: &str, text: &str, schema: &Schema) {
        let length = text.chars().count();
        if let Some(maximum) = schema.max_length.filter(|maximum| length > *maximum) {
            self.errors.push(Error::too_long(&at(path), maximum));
        }
        if let Some(minimum) = schema.min_length.filter(|minimum| length < *minimum) {
            self.invalid(path, text.into(), format!("should be at least {minimum} chars long"));
        }
        if let Some((written, pattern)) = &schema.pattern
            && !pattern.is_match(text)
        {
            self.invalid(path, text.into(), format!("should match '{written}'"));
        }
        if matches!(schema.kind.as_str(), "" | "string") && !formats::holds(&schema.format, text) {
            let detail = format!(
                "{path} in body must be of type {}: {}",
                schema.format,
                machinery::quote::go_quote(text)
            );
            self.errors.push(Error::type_invalid(&at(path), text, detail));
        }
    }

    fn number(&mut self, path: &str, number: f64, value: &Value, schema: &Schema) {
        if let Some(multiple) = schema.multiple_of
            && multiple > 0.0
            && (number / multiple).fract() != 0.0
        {
            self.invalid(path, value.clone(), format!("should be a multiple of {}", go_float(multiple)));
        }
        match schema.maximum {
            Some((maximum, true)) if number >= maximum => {
                self.invalid(path, value.clone(), format!("should be less than {}", go_float(maximum)));
            }
            Some((maximum, false)) if number > maximum => {
                let detail = format!("should be less than or equal to {}", go_float(maximum));
                self.invalid(path, value.clone(), detail);
            }
            _ => {}
        }
        match schema.minimum {
            Some((minimum, true)) if number <= minimum => {
                self.invalid(path, value.clone(), format!("should be greater than {}", go_float(minimum)));
            }
            Some((minimum, false)) if number < minimum => {
                let detail = format!("should be greater than or equal to {}", go_float(minimum));
                self.invalid(path, value.clone(), detail);
            }
            _ => {}
        }
        let small = value.as_i64().is_some_and(|whole| i32::try_from(whole).is_ok());
        if schema.kind == "integer" && schema.format == "int32" && !small {
            let shown = machinery::quote::go_json(value);
            self.invalid(path, value.clone(), format!("must be of type int32: \"{shown}\""));
        }
    }

    fn list(&mut self, path: &str, list: &[Value], old: Option<&Value>, schema: &Schema) {
        if let Some(minimum) = schema.min_items.filter(|minimum| list.len() < *minimum) {
            self.invalid(path, list.len().into(), format!("should have at least {minimum} items"));
        }
        if let Some(maximum) = schema.max_items.filter(|maximum| list.len() > *maximum) {
            self.errors.push(Error::too_many(&at(path), Some(list.len()), maximum));
        }
        if let Some(items) = &schema.items {
            let before = old.and_then(Value::as_array);
            for (index, item) in list.iter().enumerate() {
                let old = before.and_then(|before| correlated(before, item, &schema.list_type));
                self.value(&format!("{path}[{index}]"), item, old, items);
            }
        }
        self.duplicates(path, list, schema);
    }

    fn duplicates(&mut self, path: &str, list: &[Value], schema: &Schema) {
        let repeated = |same: &dyn Fn(&Value, &Value) -> bool| -> Vec<usize> {
            let earlier = |index: &usize| {
                let (before, rest) = list.split_at(*index);
                rest.first().is_some_and(|this| before.iter().any(|other| same(other, this)))
            };
            (0..list.len()).filter(earlier).collect()
        };
        match &schema.list_type {
            ListType::Atomic => {}
            ListType::Set => {
                for index in repeated(&|left, right| left == right) {
                    let value = list.get(index).cloned().unwrap_or_default();
                    self.errors.push(Error::duplicate(&at(&format!("{path}[{index}]")), bad(value)));
                }
            }
            ListType::Map(keys) => {
                for index in repeated(&|left, right| same_keys(left, right, keys)) {
                    let item = list.get(index);
                    let found = keys.iter().filter_map(|key| Some((key.clone(), item?.get(key)?.clone())));
                    let value = Value::Object(found.collect());
                    self.errors.push(Error::duplicate(&at(&format!("{path}[{index}]")), bad(value)));
                }
            }
        }
    }

    fn object(
        &mut self,
        path: &str,
        object: &Map<String, Value>,
        old: Option<&Map<String, Value>>,
        schema: &Schema,
    ) {
        if let Some(minimum) = schema.min_properties.filter(|minimum| object.len() < *minimum) {
            self.invalid(path, object.len().into(), format!("should have at least {minimum} properties"));
        }
        if let Some(maximum) = schema.max_properties.filter(|maximum| object.len() > *maximum) {
            self.errors.push(Error::too_many(&at(path), Some(object.len()), maximum));
        }
        for (name, value) in object {
            let inner = below(path, name);
            match schema.field(name) {
                Some(field) => self.value(&inner, value, old.and_then(|old| old.get(name)), field),
                None if matches!(schema.additional, Additional::Any(false)) => {
                    self.errors.push(Error::invalid(
                        &at(&inner),
                        "",
                        format!("{inner} in body is a forbidden property"),
                    ));
                }
                None => {}
            }
        }
        for name in schema.required.iter().filter(|name| !object.contains_key(*name)) {
            self.errors.push(Error::required(&at(&below(path, name)), ""));
        }
        if schema.embedded {
            self.embedded(path, object);
        }
    }

    /// A whole object inside another one says what it is.
    fn embedded(&mut self, path: &str, object: &Map<String, Value>) {
        for name in ["apiVersion", "kind"] {
            let inner = at(&below(path, name));
            match object.get(name) {
                None => self.errors.push(Error::required(&inner, "must not be empty")),
                Some(Value::String(text)) if text.is_empty() => {
                    self.errors.push(Error::required(&inner, "must not be empty"));
                }
                Some(Value::String(_)) => {}
                Some(other) => {
                    self.errors.push(Error::invalid(&inner, bad(other.clone()), "must be a string"));
                }
            }
        }
    }
}

/// The value as errors show it.
fn bad(value: Value) -> machinery::field::BadValue {
    match value {
        Value::String(text) => text.into(),
        Value::Null => "null".into(),
        other => other.into(),
    }
}

/// Of the failed alternatives the one with the fewest objections.
fn nearest(outcomes: Vec<ErrorList>) -> ErrorList {
    outcomes.into_iter().min_by_key(Vec::len).unwrap_or_default()
}

fn same_keys(left: &Value, right: &Value, keys: &[String]) -> bool {
    keys.iter().all(|key| left.get(key) == right.get(key))
}

/// The element of the old list that `item` replaces.
fn correlated<'v>(before: &'v [Value], item: &Value, list_type: &ListType) -> Option<&'v Value> {
    match list_type {
        ListType::Map(keys) => before.iter().find(|old| same_keys(old, item, keys)),
        ListType::Set => before.iter().find(|old| *old == item),
        ListType::Atomic => None,
    }
}
