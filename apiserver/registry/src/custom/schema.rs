//! A structural schema, compiled: what pruning, defaults and validation need of `openAPIV3Schema`.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use super::expressions::Rule;

/// What may stand under names that are not declared.
#[derive(Clone, Debug, Default)]
pub enum Additional {
    /// Nothing is said.
    #[default]
    Unsaid,
    /// Anything, or nothing (`additionalProperties: true` or `false`).
    Any(bool),
    /// Values of this schema.
    Of(Box<Schema>),
}

/// How elements of a list are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListType {
    /// One value as a whole.
    #[default]
    Atomic,
    /// No two are equal.
    Set,
    /// No two have equal values under these keys.
    Map(Vec<String>),
}

/// One node of a schema.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// `type`; empty when any is allowed.
    pub kind: String,
    /// Integers and strings.
    pub int_or_string: bool,
    /// Undeclared fields stay.
    pub preserve_unknown: bool,
    /// A whole object with type and metadata.
    pub embedded: bool,
    /// `null` is a value.
    pub nullable: bool,
    /// What stands in for nothing.
    pub default: Option<Value>,
    /// Declared fields.
    pub properties: BTreeMap<String, Schema>,
    /// Other fields.
    pub additional: Additional,
    /// Elements of a list.
    pub items: Option<Box<Schema>>,
    /// How elements are told apart.
    pub list_type: ListType,
    /// Fields that must be there.
    pub required: Vec<String>,
    /// The only values.
    pub allowed: Vec<Value>,
    /// Regular expression as written, and compiled.
    pub pattern: Option<(String, Regex)>,
    /// Format of strings and numbers; empty when there is none.
    pub format: String,
    /// Largest number, and whether it is excluded.
    pub maximum: Option<(f64, bool)>,
    /// Smallest number, and whether it is excluded.
    pub minimum: Option<(f64, bool)>,
    /// Numbers are multiples of it.
    pub multiple_of: Option<f64>,
    /// Most characters.
    pub max_length: Option<usize>,
    /// Fewest characters.
    pub min_length: Option<usize>,
    /// Most elements.
    pub max_items: Option<usize>,
    /// Fewest elements.
    pub min_items: Option<usize>,
    /// Most fields.
    pub max_properties: Option<usize>,
    /// Fewest fields.
    pub min_properties: Option<usize>,
    /// All must hold.
    pub all_of: Vec<Schema>,
    /// Exactly one must hold.
    pub one_of: Vec<Schema>,
    /// At least one must hold.
    pub any_of: Vec<Schema>,
    /// Must not hold.
    pub not: Option<Box<Schema>>,
    /// Expressions that must hold.
    pub rules: Vec<Arc<Rule>>,
}

impl Schema {
    /// Compiles the JSON form. The error is about a regular expression or a rule, the only parts that can be broken here.
    pub fn compile(source: &Value) -> Result<Schema, String> {
        let text = |name: &str| source.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let flag = |name: &str| source.get(name).and_then(Value::as_bool).unwrap_or_default();
        let number = |name: &str| source.get(name).and_then(Value::as_f64);
        let count = |name: &str| {
            source.get(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok())
        };
        let several = |name: &str| -> Result<Vec<Schema>, String> {
            source.get(name).and_then(Value::as_array).into_iter().flatten().map(Schema::compile).collect()
        };
        let boxed = |name: &str| -> Result<Option<Box<Schema>>, String> {
            let found = source.get(name).filter(|inner| inner.is_object());
            found.map(|inner| Schema::compile(inner).map(Box::new)).transpose()
        };
        let properties = source.get("properties").and_then(Value::as_object).into_iter().flatten();
        let properties = properties.map(|(name, inner)| Ok((name.clone(), Schema::compile(inner)?)));
        let pattern = text("pattern");
        Ok(Schema {
            kind: text("type"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            nullable: flag("nullable"),
            default: source.get("default").cloned(),
            properties: properties.collect::<Result<_, String>>()?,
            additional: match source.get("additionalProperties") {
                None => Additional::Unsaid,
                Some(Value::Bool(any)) => Additional::Any(*any),
                Some(inner) => Additional::Of(Box::new(Schema::compile(inner)?)),
            },
            items: boxed("items")?,
            list_type: match text("x-kubernetes-list-type").as_str() {
                "set" => ListType::Set,
                "map" => ListType::Map(texts(source, "x-kubernetes-list-map-keys")),
                _ => ListType::Atomic,
            },
            required: texts(source, "required"),
            allowed: source.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
            pattern: match pattern.as_str() {
                "" => None,
                written => Some((written.to_owned(), compile_pattern(written)?)),
            },
            format: text("format"),
            maximum: number("maximum").map(|maximum| (maximum, flag("exclusiveMaximum"))),
            minimum: number("minimum").map(|minimum| (minimum, flag("exclusiveMinimum"))),
            multiple_of: number("multipleOf"),
            max_length: count("maxLength"),
            min_length: count("minLength"),
            max_items: count("maxItems"),
            min_items: count("minItems"),
            max_properties: count("maxProperties"),
            min_properties: count("minProperties"),
            all_of: several("allOf")?,
            one_of: several("oneOf")?,
            any_of: several("anyOf")?,
            not: boxed("not")?,
            rules: rules(source)?,
        })
    }

    /// Schema of the field `name`, declared or additional.
    pub fn field(&self, name: &str) -> Option<&Schema> {
        self.properties.get(name).or(match &self.additional {
            Additional::Of(schema) => Some(schema),
            _ => None,
        })
    }
}

/// A regular expression in Go's syntax, which is that of this library but for `\z` and a few classes.
pub fn compile_pattern(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

fn rules(source: &Value) -> Result<Vec<Arc<Rule>>, String> {
    let rules = source.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten();
    rules.map(|rule| Rule::compile(rule).map_err(|(part, reason)| format!("{part}: {reason}"))).collect()
}

fn texts(source: &Value, name: &str) -> Vec<String> {
    let list = source.get(name).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}
