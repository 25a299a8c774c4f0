//! Rules of the schemas of definitions, apart from those that make them structural.

use std::collections::BTreeSet;

use api_types::apiextensions::v1::CustomResourceDefinition;
use machinery::Message;
use machinery::field::{Error, ErrorList, Path};
use serde_json::{Map, Value};

use crate::custom::expressions::Rule;
use crate::custom::schema::Schema;
use crate::custom::{formats, tidy, validate as values};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// What a broken rule may be called.
const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const UNSUPPORTED: [&str; 6] =
    ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"];
/// What may stand at the root of a schema when the status is apart; JSON names, and upstream's as messages show them.
const AT_ROOT: [(&str, &str); 22] = [
    ("description", "Description"),
    ("type", "Type"),
    ("format", "Format"),
    ("title", "Title"),
    ("maximum", "Maximum"),
    ("exclusiveMaximum", "ExclusiveMaximum"),
    ("minimum", "Minimum"),
    ("exclusiveMinimum", "ExclusiveMinimum"),
    ("maxLength", "MaxLength"),
    ("minLength", "MinLength"),
    ("pattern", "Pattern"),
    ("maxItems", "MaxItems"),
    ("minItems", "MinItems"),
    ("uniqueItems", "UniqueItems"),
    ("multipleOf", "MultipleOf"),
    ("required", "Required"),
    ("items", "Items"),
    ("properties", "Properties"),
    ("externalDocs", "ExternalDocs"),
    ("example", "Example"),
    ("x-kubernetes-preserve-unknown-fields", "XPreserveUnknownFields"),
    ("x-kubernetes-validations", "XValidations"),
];

pub(super) fn text<'s>(schema: &'s Value, name: &str) -> &'s str {
    schema.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool).unwrap_or_default()
}

pub(super) fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

pub(super) fn alternatives<'s>(schema: &'s Value, name: &str) -> impl Iterator<Item = (usize, &'s Value)> {
    schema.get(name).and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// The rules of the root.
pub fn validate_root(schema: &Value, has_status: bool, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if has_status {
        let kind = text(schema, "type");
        if kind != "object" && !kind.is_empty() {
            let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource \
                          is enabled";
            errors.push(Error::invalid(&path.child("type"), kind, detail));
        }
        let known = |name: &String| AT_ROOT.iter().any(|(json, _)| json == name);
        if schema.as_object().is_some_and(|schema| !schema.keys().all(known)) {
            let names: Vec<&str> = AT_ROOT.iter().map(|(_, go)| *go).collect();
            let detail = format!(
                "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
                names.join(" ")
            );
            errors.push(Error::invalid(path, schema.clone(), detail));
        }
    }
    if flag(schema, "nullable") {
        errors.push(Error::forbidden(&path.child("nullable"), "nullable cannot be true at the root"));
    }
    errors
}

/// The rules of every node.
pub fn validate(schema: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    node(schema, path, true, None, &mut errors);
    errors
}

fn node(schema: &Value, path: &Path, root: bool, no_defaults: Option<&str>, errors: &mut ErrorList) {
    standard(schema, path, no_defaults, errors);
    if flag(schema, "uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(Error::forbidden(&path.child("uniqueItems"), detail));
    }
    let additional = schema.get("additionalProperties");
    if let Some(additional) = additional {
        let anything = additional.as_bool() == Some(true);
        if properties(schema).next().is_some() && !anything {
            let detail = "additionalProperties and properties are mutual exclusive";
            errors.push(Error::forbidden(&path.child("additionalProperties"), detail));
        }
        if additional.is_object() {
            node(additional, &path.child("additionalProperties"), false, no_defaults, errors);
        }
    }
    for (name, inner) in properties(schema) {
        let at = path.child("properties").key(name.as_str());
        let reason = format!("in top-level {name}");
        let system = root && matches!(name.as_str(), "metadata" | "kind" | "apiVersion");
        node(inner, &at, false, if system { Some(&reason) } else { no_defaults }, errors);
    }
    if let Some(not) = schema.get("not") {
        node(not, &path.child("not"), false, no_defaults, errors);
    }
    for list in ["allOf", "oneOf", "anyOf"] {
        for (index, inner) in alternatives(schema, list) {
            node(inner, &path.child(list).index(index), false, no_defaults, errors);
        }
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        node(items, &path.child("items"), false, no_defaults, errors);
    }
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let at = path.child("x-kubernetes-preserve-unknown-fields");
        errors.push(Error::invalid(&at, false, "must be true or undefined"));
    }
    merging(schema, path, errors);
    for (index, rule) in alternatives(schema, "x-kubernetes-validations") {
        let at = path.child("x-kubernetes-validations").index(index);
        if text(rule, "rule").trim().is_empty() {
            errors.push(Error::required(&at.child("rule"), "rule is not specified"));
        } else if let Err((part, reason)) = Rule::compile(rule) {
            errors.push(Error::invalid(&at.child(part), rule.clone(), reason));
        }
        let reason = text(rule, "reason");
        if !reason.is_empty() && !REASONS.contains(&reason) {
            errors.push(Error::not_supported(&at.child("reason"), reason, REASONS));
        }
    }
}

fn standard(schema: &Value, path: &Path, no_defaults: Option<&str>, errors: &mut ErrorList) {
    let kind = text(schema, "type");
    if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.push(Error::not_supported(&path.child("type"), kind, TYPES));
    }
    if let (Some(_), Some(reason)) = (schema.get("default"), no_defaults) {
        errors.push(Error::forbidden(&path.child("default"), format!("must not be set {reason}")));
    }
    for name in UNSUPPORTED.iter().filter(|name| schema.get(**name).is_some()) {
        errors.push(Error::forbidden(&path.child(*name), format!("{name} is not supported")));
    }
    if kind == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        errors.push(Error::forbidden(&path.child("type"), detail));
    }
    if schema.get("items").is_some_and(Value::is_array) {
        let detail = "items must be a schema object and not an array";
        errors.push(Error::forbidden(&path.child("items"), detail));
    }
}

fn needs_type(schema: &Value, path: &Path, kind: &str, reason: &str, errors: &mut ErrorList) {
    let (at, found) = (path.child("type"), text(schema, "type"));
    let detail = format!("must be {kind} if {reason} is specified");
    if found.is_empty() {
        errors.push(Error::required(&at, detail));
    } else if found != kind {
        errors.push(Error::invalid(&at, found, detail));
    }
}

/// How lists and maps merge.
fn merging(schema: &Value, path: &Path, errors: &mut ErrorList) {
    const MAP_TYPE: &str = "x-kubernetes-map-type";
    const LIST_TYPE: &str = "x-kubernetes-list-type";
    const MAP_KEYS: &str = "x-kubernetes-list-map-keys";
    if let Some(map_type) = schema.get(MAP_TYPE).and_then(Value::as_str) {
        needs_type(schema, path, "object", MAP_TYPE, errors);
        if !matches!(map_type, "atomic" | "granular") {
            errors.push(Error::not_supported(&path.child(MAP_TYPE), map_type, ["atomic", "granular"]));
        }
    }
    let keys: Vec<&str> = alternatives(schema, MAP_KEYS).filter_map(|(_, key)| key.as_str()).collect();
    let list_type = schema.get(LIST_TYPE).and_then(Value::as_str);
    let Some(list_type) = list_type else {
        if !keys.is_empty() {
            let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
            errors.push(Error::required(&path.child(LIST_TYPE), detail));
        }
        return;
    };
    needs_type(schema, path, "array", LIST_TYPE, errors);
    if !matches!(list_type, "atomic" | "set" | "map") {
        errors.push(Error::not_supported(&path.child(LIST_TYPE), list_type, ["atomic", "set", "map"]));
    }
    if !keys.is_empty() && list_type != "map" {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        errors.push(Error::invalid(&path.child(LIST_TYPE), list_type, detail));
    }
    let items = schema.get("items").filter(|items| items.is_object());
    if list_type == "set"
        && let Some(items) = items
    {
        elements_of_a_set(items, &path.child("items"), errors);
    }
    if list_type == "map" {
        if keys.is_empty() {
            let detail = "must not be empty if x-kubernetes-list-type is map";
            errors.push(Error::required(&path.child(MAP_KEYS), detail));
        }
        match items {
            None => {
                let detail = "must have a schema if x-kubernetes-list-type is map";
                errors.push(Error::required(&path.child("items"), detail));
            }
            Some(items) if text(items, "type") != "object" => {
                let detail = "must be object if parent array's x-kubernetes-list-type is map";
                errors.push(Error::invalid(&path.child("items").child("type"), text(items, "type"), detail));
            }
            Some(items) => keys_of_a_map(items, &keys, path, errors),
        }
    }
    if let Some(items) = items
        && matches!(list_type, "set" | "map")
        && flag(items, "nullable")
    {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.push(Error::forbidden(&path.child("items").child("nullable"), detail));
    }
}

fn elements_of_a_set(items: &Value, path: &Path, errors: &mut ErrorList) {
    let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    match text(items, "type") {
        "array" => {
            let list_type = text(items, "x-kubernetes-list-type");
            if !matches!(list_type, "" | "atomic") {
                errors.push(Error::invalid(&path.child("x-kubernetes-list-type"), list_type, detail));
            }
        }
        "object" => {
            let map_type = text(items, "x-kubernetes-map-type");
            if map_type != "atomic" {
                errors.push(Error::invalid(&path.child("x-kubernetes-map-type"), map_type, detail));
            }
        }
        _ => {}
    }
}

fn keys_of_a_map(items: &Value, keys: &[&str], path: &Path, errors: &mut ErrorList) {
    let shown = || Value::from(keys.iter().map(|key| Value::from(*key)).collect::<Vec<_>>());
    let at = path.child("x-kubernetes-list-map-keys");
    for (index, key) in keys.iter().enumerate() {
        let property = path.child("items").child("properties").key(*key);
        match items.get("properties").and_then(|properties| properties.get(*key)) {
            None => errors.push(Error::invalid(&at, shown(), "entries must all be names of item properties")),
            Some(found) => {
                if matches!(text(found, "type"), "array" | "object") {
                    let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                    errors.push(Error::invalid(&property.child("type"), text(items, "type"), detail));
                }
                let required = alternatives(items, "required").any(|(_, name)| name == key);
                if !required && found.get("default").is_none() {
                    let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a \
                                  required property";
                    errors.push(Error::required(&property.child("default"), detail));
                }
                if flag(found, "nullable") {
                    let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
                    errors.push(Error::forbidden(&property.child("nullable"), detail));
                }
            }
        }
        if keys.iter().take(index).any(|earlier| earlier == key) {
            errors.push(Error::invalid(&at, shown(), "must not contain duplicate entries"));
        }
    }
}

/// Defaults are values of their own schema, and have no fields it does not know.
pub fn validate_defaults(schema: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    defaults(schema, path, &mut errors);
    errors
}

fn defaults(schema: &Value, path: &Path, errors: &mut ErrorList) {
    if let Some(default) = schema.get("default") {
        default_of(schema, default, &path.child("default"), errors);
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        defaults(items, &path.child("items"), errors);
    }
    for (name, inner) in properties(schema) {
        defaults(inner, &path.child("properties").key(name.as_str()), errors);
    }
}

fn default_of(schema: &Value, default: &Value, path: &Path, errors: &mut ErrorList) {
    // Broken patterns have an error of their own.
    let Ok(compiled) = Schema::compile(schema) else { return };
    // As the only field of an object, whose schema is this one under that name.
    const NAME: &str = "default";
    let around = Schema { properties: [(NAME.to_owned(), compiled)].into(), ..Schema::default() };
    let mut object: Map<String, Value> = [(NAME.to_owned(), default.clone())].into_iter().collect();
    let mut removed = Vec::new();
    tidy::prune(&mut object, &around, &mut removed);
    if !removed.is_empty() {
        errors.push(Error::invalid(path, default.clone(), "must not have unknown fields"));
    }
    let Some(compiled) = around.properties.get(NAME) else { return };
    let prefix = path.to_string();
    for mut error in values::validate(default, None, compiled) {
        let inner = error.field.clone();
        error.field = match inner.as_str() {
            "" | "<nil>" => prefix.clone(),
            inner => format!("{prefix}.{inner}"),
        };
        errors.push(error);
    }
}

/// Formats that nothing checks, in the order they are found.
pub fn unknown_formats(definition: &CustomResourceDefinition) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let schemas = definition.spec.versions.iter().filter_map(|version| version.schema.as_ref());
    for schema in schemas.filter_map(|schema| schema.open_apiv3_schema.as_ref()) {
        formats_of(&schema.to_value(), &mut found);
    }
    found
}

fn formats_of(schema: &Value, found: &mut BTreeSet<String>) {
    let (kind, format) = (text(schema, "type"), text(schema, "format"));
    if !format.is_empty() && !formats::is_known(kind, format) {
        found.insert(format.to_owned());
    }
    properties(schema).for_each(|(_, inner)| formats_of(inner, found));
    for name in ["items", "additionalProperties", "not"] {
        if let Some(inner) = schema.get(name) {
            formats_of(inner, found);
        }
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        alternatives(schema, name).for_each(|(_, inner)| formats_of(inner, found));
    }
}
