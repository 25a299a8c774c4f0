//! What makes a schema structural: every field has a type, and conditions only restrict what is declared beside them
//! (`apiextensions-apiserver/pkg/apiserver/schema`).

use machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

use super::schemas::{alternatives, flag, properties, text};
use crate::custom::schema::compile_pattern;

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Every rule that the schema breaks, in upstream's order: by text.
pub fn validate(schema: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    node(schema, Level::Root, path, &mut errors);
    complete(schema, schema, path, path, &mut errors);
    errors.sort_by_cached_key(ToString::to_string);
    errors
}

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";

fn node(schema: &Value, level: Level, path: &Path, errors: &mut ErrorList) {
    let kind = text(schema, "type");
    let at_type = path.child("type");
    let items = schema.get("items");
    if kind == "array" && items.is_none() {
        errors.push(Error::required(&path.child("items"), "must be specified"));
    }
    if let Some(items) = items.filter(|items| items.is_object()) {
        node(items, Level::Item, &path.child("items"), errors);
    }
    for (name, inner) in properties(schema) {
        node(inner, Level::Field, &path.child("properties").key(name.as_str()), errors);
    }
    let embedded = flag(schema, EMBEDDED);
    if let Some(additional) = schema.get("additionalProperties") {
        let at = path.child("additionalProperties");
        if level == Level::Root {
            errors.push(Error::forbidden(&at, "must not be used at the root"));
        }
        if additional.is_object() {
            node(additional, Level::Field, &at, errors);
        }
        if embedded {
            errors.push(Error::forbidden(&at, "must not be used if x-kubernetes-embedded-resource is set"));
        }
    }
    for name in [PRESERVE, EMBEDDED] {
        if flag(schema, INT_OR_STRING) && flag(schema, name) {
            let detail = "must be false if x-kubernetes-int-or-string is true";
            errors.push(Error::invalid(&path.child(name), true, detail));
        }
    }
    conditions(schema, is_int_or_string(schema), is_first_int_or_string(schema), path, errors);
    if embedded && kind != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(match kind {
            "" => Error::required(&at_type, detail),
            kind => Error::invalid(&at_type, kind, detail),
        });
    } else if kind.is_empty() && !flag(schema, INT_OR_STRING) && !flag(schema, PRESERVE) {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(Error::required(&at_type, detail));
    }
    if level == Level::Root && !matches!(kind, "" | "object") {
        errors.push(Error::invalid(&at_type, kind, "must be object at the root"));
    }
    system_fields(schema, level, embedded, path, errors);
    if embedded && !flag(schema, PRESERVE) && properties(schema).next().is_none() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without \
                      x-kubernetes-preserve-unknown-fields";
        errors.push(Error::required(&path.child("properties"), detail));
    }
}

/// Type and metadata of whole objects may be restricted a little.
fn system_fields(schema: &Value, level: Level, embedded: bool, path: &Path, errors: &mut ErrorList) {
    if level != Level::Root && !embedded {
        return;
    }
    let property = |name: &str| schema.get("properties").and_then(|properties| properties.get(name));
    for name in ["kind", "apiVersion"] {
        if let Some(found) = property(name).filter(|found| text(found, "type") != "string") {
            let at = path.child("properties").key(name).child("type");
            errors.push(Error::invalid(&at, text(found, "type"), "must be string"));
        }
    }
    let Some(metadata) = property("metadata") else { return };
    let at = path.child("properties").key("metadata");
    if text(metadata, "type") != "object" {
        errors.push(Error::invalid(&at.child("type"), text(metadata, "type"), "must be object"));
    }
    if level == Level::Root {
        let known = |name: &String| matches!(name.as_str(), "type" | "description" | "properties");
        let only_names =
            properties(metadata).all(|(name, _)| matches!(name.as_str(), "name" | "generateName"));
        if !only_names || !metadata.as_object().is_some_and(|metadata| metadata.keys().all(known)) {
            let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
            errors.push(Error::forbidden(&at, detail));
        }
    }
}

/// `anyOf: [{type: integer}, {type: string}]`, the one place where conditions may name types.
fn is_int_or_string(schema: &Value) -> bool {
    let kinds: Vec<&Value> = alternatives(schema, "anyOf").map(|(_, inner)| inner).collect();
    let alone = |inner: &Value, kind: &str| {
        text(inner, "type") == kind && inner.as_object().is_some_and(|inner| inner.len() == 1)
    };
    matches!(kinds.as_slice(), [first, second] if alone(first, "integer") && alone(second, "string"))
}

fn is_first_int_or_string(schema: &Value) -> bool {
    alternatives(schema, "allOf").next().is_some_and(|(_, first)| is_int_or_string(first))
}

fn conditions(schema: &Value, skip_any: bool, skip_first: bool, path: &Path, errors: &mut ErrorList) {
    for name in ["anyOf", "allOf", "oneOf"] {
        for (index, inner) in alternatives(schema, name) {
            if name == "anyOf" && skip_any {
                continue;
            }
            let skip = name == "allOf" && index == 0 && skip_first;
            condition(inner, skip, &path.child(name).index(index), errors);
        }
    }
    if let Some(not) = schema.get("not") {
        condition(not, false, &path.child("not"), errors);
    }
    let pattern = text(schema, "pattern");
    if !pattern.is_empty()
        && let Err(reason) = compile_pattern(pattern)
    {
        let detail = format!("must be a valid regular expression, but isn't: {reason}");
        errors.push(Error::invalid(&path.child("pattern"), pattern, detail));
    }
}

/// A condition says nothing that shapes the object.
fn condition(schema: &Value, skip_any: bool, path: &Path, errors: &mut ErrorList) {
    const SHAPING: [(&str, &str); 12] = [
        ("type", "must be empty to be structural"),
        ("additionalProperties", "must be undefined to be structural"),
        ("default", "must be undefined to be structural"),
        ("title", "must be empty to be structural"),
        ("description", "must be empty to be structural"),
        ("nullable", "must be false to be structural"),
        (PRESERVE, "must be false to be structural"),
        (EMBEDDED, "must be false to be structural"),
        (INT_OR_STRING, "must be false to be structural"),
        ("x-kubernetes-list-map-keys", "must be empty to be structural"),
        ("x-kubernetes-list-type", "must be undefined to be structural"),
        ("x-kubernetes-map-type", "must be undefined to be structural"),
    ];
    conditions(schema, skip_any, false, path, errors);
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        condition(items, false, &path.child("items"), errors);
    }
    for (name, inner) in properties(schema) {
        let at = path.child("properties").key(name.as_str());
        condition(inner, false, &at, errors);
        if name == "metadata" {
            errors.push(Error::forbidden(&at, "must not be specified in a nested context"));
        }
    }
    for (name, detail) in SHAPING.iter().filter(|(name, _)| schema.get(*name).is_some()) {
        errors.push(Error::forbidden(&path.child(*name), *detail));
    }
}

/// What conditions are about is declared beside them.
fn complete(condition: &Value, schema: &Value, at: &Path, found_at: &Path, errors: &mut ErrorList) {
    let mut nested = |inner: &Value, found_at: &Path| nested_complete(inner, schema, at, found_at, errors);
    if let Some(not) = condition.get("not") {
        nested(not, &found_at.child("not"));
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for (index, inner) in alternatives(condition, name) {
            nested(inner, &found_at.child(name).index(index));
        }
    }
}

fn nested_complete(condition: &Value, schema: &Value, at: &Path, found_at: &Path, errors: &mut ErrorList) {
    complete(condition, schema, at, found_at, errors);
    if let Some(items) = condition.get("items").filter(|items| items.is_object()) {
        let (at, found_at) = (at.child("items"), found_at.child("items"));
        match schema.get("items").filter(|items| items.is_object()) {
            Some(declared) => nested_complete(items, declared, &at, &found_at, errors),
            None => errors.push(Error::required(&at, format!("because it is defined in {found_at}"))),
        }
    }
    for (name, inner) in properties(condition) {
        let (at, found_at) =
            (at.child("properties").key(name.as_str()), found_at.child("properties").key(name.as_str()));
        match schema.get("properties").and_then(|properties| properties.get(name)) {
            Some(declared) => nested_complete(inner, declared, &at, &found_at, errors),
            None => errors.push(Error::required(&at, format!("because it is defined in {found_at}"))),
        }
    }
}
