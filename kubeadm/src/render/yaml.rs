//! YAML as upstream writes it: keys in the order of the alphabet, no trailing spaces.

use machinery::codec::yaml;
use serde_json::Value;

/// The text of one document.
pub fn document(value: &Value) -> String {
    yaml::to_string_sorted(value)
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
        let value = json!({"b": [{"z": 1, "a": "yes"}], "a": {"w": null, "v": ""}});
        assert_eq!(document(&value), "a:\n  v: \"\"\n  w: null\nb:\n- a: \"yes\"\n  z: 1\n");
        assert_eq!(documents(&[json!({"a": 1}), json!({"b": 2})]), "a: 1\n---\nb: 2\n");
    }
}
