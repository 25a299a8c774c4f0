//! Schemas of custom resources, as their definitions give them.

use serde_json::{Map, Value, json};

use super::definitions::{Dialect, gvk};
use super::descriptions;
use crate::discovery::catalog::Published;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const OBJECT_META_ABOUT: &str = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
/// What v2 can say of a value; the rest of a structural schema is beyond it.
const IN_V2: [&str; 9] = [
    "type",
    "format",
    "description",
    "default",
    "required",
    "enum",
    "items",
    "properties",
    "additionalProperties",
];

/// Name of the schema of a kind: `com.example.stable.v1.CronTab`.
pub fn name(group: &str, version: &str, kind: &str) -> String {
    let reversed: Vec<&str> = group.split('.').rev().collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

/// The schema of the objects.
pub fn object(published: &Published, dialect: Dialect, group: &str, version: &str, kind: &str) -> Value {
    let schema = match dialect {
        Dialect::V2 => in_v2(&published.schema),
        Dialect::V3 => (*published.schema).clone(),
    };
    let mut schema = match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    let mut properties = type_meta();
    properties.insert("metadata".into(), described(dialect, OBJECT_META, OBJECT_META_ABOUT));
    let keeps_anything = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if let Some(Value::Object(declared)) = schema.remove("properties") {
        for (name, value) in declared {
            properties.entry(name).or_insert(value);
        }
    }
    // In v2 a kind that keeps anything has no fields: old clients would refuse what they do not see.
    if dialect == Dialect::V3 || !keeps_anything {
        properties.sort_keys();
        schema.insert("properties".into(), properties.into());
    }
    schema.insert("type".into(), "object".into());
    schema.insert("x-kubernetes-group-version-kind".into(), json!([gvk(group, version, kind)]));
    schema.into()
}

/// The schema of the lists.
pub fn list(published: &Published, dialect: Dialect, group: &str, version: &str, kind: &str) -> Value {
    let item = name(group, version, kind);
    let mut properties = type_meta();
    let about = format!(
        "List of {kind}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
    );
    properties.insert(
        "items".into(),
        json!({"description": about, "type": "array", "items": dialect.reference(&item)}),
    );
    properties.insert("metadata".into(), described(dialect, LIST_META, "Standard list metadata."));
    json!({
        "description": format!("{} is a list of {kind}", published.list_kind),
        "type": "object",
        "required": ["items"],
        "properties": properties,
        "x-kubernetes-group-version-kind": [gvk(group, version, &published.list_kind)],
    })
}

fn type_meta() -> Map<String, Value> {
    let text = |name: &str| json!({"type": "string", "description": descriptions::of_type_meta(name)});
    ["apiVersion", "kind"].map(|name| (name.to_owned(), text(name))).into_iter().collect()
}

/// A reference with a description, which v3 takes only around it.
fn described(dialect: Dialect, name: &str, about: &str) -> Value {
    let mut reference = dialect.reference(name);
    match dialect {
        Dialect::V2 => {
            if let Some(reference) = reference.as_object_mut() {
                reference.insert("description".into(), about.into());
            }
            reference
        }
        Dialect::V3 => json!({"allOf": [reference], "description": about}),
    }
}

fn in_v2(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else { return json!({}) };
    let is_set = |name: &str| schema.get(name) == Some(&Value::Bool(true));
    // Where anything may be, saying nothing is the only thing that is true in v2.
    let anything = ["nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"];
    let open = anything.iter().any(|name| is_set(name));
    let kept = schema.iter().filter(|(name, _)| {
        let shapes =
            matches!(name.as_str(), "type" | "items" | "properties" | "additionalProperties" | "required");
        let known = IN_V2.contains(&name.as_str()) && !(open && shapes);
        known || name.starts_with("x-kubernetes-") && name.as_str() != "x-kubernetes-validations"
    });
    let translated = kept.filter_map(|(name, value)| {
        let value = match name.as_str() {
            "items" => in_v2(value),
            "additionalProperties" if value.is_object() => in_v2(value),
            "additionalProperties" => return None,
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                Value::Object(properties.map(|(name, value)| (name.clone(), in_v2(value))).collect())
            }
            _ => value.clone(),
        };
        Some((name.clone(), value))
    });
    Value::Object(translated.collect())
}
