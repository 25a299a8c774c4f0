//! Bringing an object into the form its schema gives it: unknown fields go, defaults come, empty nulls go.

use serde_json::{Map, Value};

use super::schema::{Additional, Schema};

/// What every whole object has, whatever its schema says.
const TYPE_AND_METADATA: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Removes what the schema does not declare; `removed` gets the paths, in the order of the object.
pub fn prune(object: &mut Map<String, Value>, schema: &Schema, removed: &mut Vec<String>) {
    prune_map(object, schema, true, "", removed);
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn prune_map(
    object: &mut Map<String, Value>,
    schema: &Schema,
    whole: bool,
    path: &str,
    removed: &mut Vec<String>,
) {
    object.retain(|name, value| {
        if whole && TYPE_AND_METADATA.contains(&name.as_str()) {
            return true;
        }
        let at = join(path, name);
        match schema.field(name) {
            Some(inner) => prune_value(value, inner, &at, removed),
            None if schema.preserve_unknown || matches!(schema.additional, Additional::Any(true)) => {}
            None => {
                removed.push(at);
                return false;
            }
        }
        true
    });
}

fn prune_value(value: &mut Value, schema: &Schema, path: &str, removed: &mut Vec<String>) {
    match value {
        Value::Object(object) => prune_map(object, schema, schema.embedded, path, removed),
        Value::Array(list) => {
            let Some(items) = &schema.items else { return };
            for (index, item) in list.iter_mut().enumerate() {
                prune_value(item, items, &format!("{path}[{index}]"), removed);
            }
        }
        _ => {}
    }
}

/// Fills in defaults; a null where null is no value counts as nothing.
pub fn default(object: &mut Map<String, Value>, schema: &Schema) {
    for (name, inner) in &schema.properties {
        let Some(default) = &inner.default else { continue };
        let missing = match object.get(name) {
            None => true,
            Some(value) => value.is_null() && !inner.nullable,
        };
        if missing {
            object.insert(name.clone(), default.clone());
        }
    }
    for (name, value) in object.iter_mut() {
        if let Some(inner) = schema.field(name) {
            default_value(value, inner);
        }
    }
}

fn default_value(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(object) => default(object, schema),
        Value::Array(list) => {
            let Some(items) = &schema.items else { return };
            for item in list {
                if item.is_null()
                    && !items.nullable
                    && let Some(default) = &items.default
                {
                    *item = default.clone();
                }
                default_value(item, items);
            }
        }
        _ => {}
    }
}

/// Removes nulls under fields that cannot be null.
pub fn drop_nulls(object: &mut Map<String, Value>, schema: &Schema) {
    object.retain(|name, value| match schema.field(name) {
        Some(inner) if value.is_null() => inner.nullable,
        Some(inner) => {
            drop_nulls_within(value, inner);
            true
        }
        None => true,
    });
}

fn drop_nulls_within(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(object) => drop_nulls(object, schema),
        Value::Array(list) => {
            let Some(items) = &schema.items else { return };
            list.iter_mut().for_each(|item| drop_nulls_within(item, items));
        }
        _ => {}
    }
}

/// Whole floats become integers, which is how Go writes them.
pub fn settle_numbers(value: &mut Value) {
    /// Beyond it floats do not tell neighbours apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(float) = number.as_f64()
                && float.fract() == 0.0
                && float.abs() < EXACT
            {
                *number = (float as i64).into();
            }
        }
        Value::Object(object) => object.values_mut().for_each(settle_numbers),
        Value::Array(list) => list.iter_mut().for_each(settle_numbers),
        _ => {}
    }
}
