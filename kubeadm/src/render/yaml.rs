//! YAML as upstream writes it: keys in the order of the alphabet, no trailing spaces.

use serde_json::{Map, Value};

/// The text of one document.
pub fn document(value: &Value) -> String {
    serde_yaml::to_string(&sorted(value)).unwrap_or_default()
}

/// The same value with the keys of all maps in order.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut pairs: Vec<(&String, &Value)> = fields.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            let ordered: Map<String, Value> =
                pairs.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            Value::Object(ordered)
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// Several documents in one text.
pub fn documents(values: &[Value]) -> String {
    values.iter().map(document).collect::<Vec<_>>().join("---\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_in_order_at_every_depth() {
        let value = json!({"b": [{"z": 1, "a": "true"}], "a": {"y": null, "x": ""}});
        assert_eq!(document(&value), "a:\n  x: ''\n  y: null\nb:\n- a: 'true'\n  z: 1\n");
    }
}
